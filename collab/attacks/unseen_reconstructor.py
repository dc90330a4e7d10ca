"""A reconstructor that no DPM has seen (DP Fig. 5; ATTACKS A0): of the same family, trained on unpoisoned features."""

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
class UnseenReconstructor(Attack):
    """Inverts F on public images with a network of its own; that it fails is necessary for a defense, and no more."""

    class Options(Inversion):
        """Which reconstructor, and how it is trained."""

        reconstructor: str = Field("rx2s2", pattern=RECONSTRUCTOR, description="Kind of the reconstructor.")

        @property
        @override
        def label(self) -> str:
            return self.name or f"{self.kind}[{self.reconstructor}]"

    kind: ClassVar[str] = "unseen_reconstructor"
    needs: ClassVar[frozenset[Need]] = frozenset({"featurizer", "public_data"})

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
            known.featurizer,
            (known.public_data,),
            self.recipe,
            stream=stream,
            compute=compute,
            progress=progress,
        )
        return outputs_of(learner, torch.split(known.features, 256), compute)
