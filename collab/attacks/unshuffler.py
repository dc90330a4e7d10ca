"""A network from published images to images (ATTACKS V2): whoever knows the procedure makes its own pairs."""

from dataclasses import dataclass
from typing import NoReturn

from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Compute, Knowledge, Progress, Stream
from collab.attacks.inversion import Perceptual, invert
from collab.attacks.shadows import fit_shadow
from collab.defenses.base import ImageDefense
from collab.errors import CollabError
from collab.models.unet import UNet
from collab.training.loop import Recipe
from collab.training.losses import inversion_loss
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class Unshuffler(Perceptual):
    """Trains a U-Net on public images and what the victim's procedure, fitted on them with another key, makes of them.

    It sees the published image itself, of which `leaked_module` sees what F keeps.
    """

    Options = options.Unshuffler
    needs = frozenset({"images", "featurizer", "decider", "reconstructor", "public_data", "victim_defense"})

    recipe: Recipe
    width: int

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        defense = known.victim_defense
        assert isinstance(defense, ImageDefense)  # or there were no images
        module = fit_shadow(
            known, 0, known.public_data, None, another=_none, stream=stream, compute=compute, progress=progress
        )
        with stream.initialization():
            learner = UNet(self.width)
        invert(
            learner, lambda images: defense.shown(module, images)[0], (known.public_data,), self.recipe,
            stream=stream, compute=compute, progress=progress, loss=self.loss(inversion_loss, known, compute),
        )  # fmt: skip
        return outputs_of(learner, known.images, compute)


def _none(kind: str) -> NoReturn:
    raise CollabError(f"a procedure that changes images asked for the reconstructor {kind}.")
