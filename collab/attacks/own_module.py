"""A collaborator's first idea (ATTACKS A2 with no shadow): invert the own DPM, and hope that others are like it."""

import copy
from dataclasses import dataclass

from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Progress, Stream
from collab.attacks.inversion import invert
from collab.training.loop import Recipe
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class OwnModule(Attack):
    """Trains R further to invert the own module on own and public images, then applies it to the victim's rows."""

    Options = options.OwnModule
    needs = frozenset({"featurizer", "reconstructor", "public_data", "own_module", "own_data"})

    recipe: Recipe

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        learner = invert(
            copy.deepcopy(known.reconstructor), lambda images: known.own_module(known.featurizer(images)),
            (known.own_data, known.public_data), self.recipe,
            stream=stream, compute=compute, progress=progress,
        )  # fmt: skip
        return outputs_of(learner, known.features, compute)
