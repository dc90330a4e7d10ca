"""A collaborator's first idea (ATTACKS A2 with no shadow): invert the own DPM, and hope that others are like it.

Several who collude pool their modules and images.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Compute, Knowledge, Need, Progress, Stream
from collab.attacks.inversion import Perceptual, invert
from collab.attacks.shadows import deal_rows
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.losses import inversion_loss
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class OwnModule(Perceptual):
    """Trains R further to invert the own module on own and public images, then applies it to the victim's rows.

    With `allies` the modules of all of them share each batch, and all their images are learned from.
    """

    Options = options.OwnModule
    needs = frozenset({"featurizer", "reconstructor", "public_data", "own_module", "own_data"})

    recipe: Recipe
    allies: tuple[str, ...] = ()

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs | ({"allies"} if self.allies else set[Need]())

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        colluding = known.allies if self.allies else ()
        encode = deal_rows(known.featurizer, [known.own_module, *(module for module, _ in colluding)])
        learner = invert(
            copy.deepcopy(known.reconstructor), encode if colluding else partial(_encode, known),
            (join([known.own_data, *(images for _, images in colluding)]), known.public_data), self.recipe,
            stream=stream, compute=compute, progress=progress, loss=self.loss(inversion_loss, known, compute),
        )  # fmt: skip
        return outputs_of(learner, known.features, compute)


def _encode(known: Knowledge, images: Tensor) -> Tensor:
    return known.own_module(known.featurizer(images))


def join(sets: Sequence[ImageSet]) -> ImageSet:
    """The images of several holders as one set."""
    if len(sets) == 1:
        return sets[0]
    return ImageSet(np.concatenate([each.images for each in sets]), np.concatenate([each.labels for each in sets]))
