"""The secondary attack (DPF Fig. 5; ATTACKS A1): the module is known, and a fresh reconstructor is trained on it."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from collab.architectures import RECONSTRUCTOR
from collab.attacks.base import Attack, Knowledge, Need
from collab.attacks.inversion import Inversion, fresh_reconstructor, invert
from collab.seeding import Stream
from collab.training.loop import Recipe
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class LeakedModule(Attack):
    """Inverts the victim's own module on public images: an upper bound on what rests on its secrecy alone."""

    class Options(Inversion):
        """Which reconstructor, and how it is trained."""

        reconstructor: str = Field("px2s2", pattern=RECONSTRUCTOR, description="Kind of the reconstructor.")

    kind: ClassVar[str] = "leaked_module"
    needs: ClassVar[frozenset[Need]] = frozenset({"featurizer", "public_data", "victim_module"})

    reconstructor: str
    recipe: Recipe

    @override
    @classmethod
    def from_options(cls, options: Options) -> Self:
        return cls(options.reconstructor, Recipe.of(options))

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        learner = invert(
            fresh_reconstructor(self.reconstructor, known.features, known.public_data, stream),
            lambda images: known.victim_module(known.featurizer(images)),
            (known.public_data,),
            self.recipe,
            stream=stream,
            compute=compute,
            progress=progress,
        )
        return outputs_of(learner, torch.split(known.features, 256), compute)
