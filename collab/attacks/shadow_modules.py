"""Shadow modules (ATTACKS A2): who knows the recipe trains own DPMs, and one reconstructor that inverts them all."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Knowledge, Need
from collab.attacks.inversion import invert
from collab.attacks.shadows import fit_shadows, through_all
from collab.metrics.visual import ssim
from collab.scenario.base import CONTROL
from collab.seeding import Stream
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.losses import likeness_loss
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.recipes import outputs_of

Map = Callable[[Tensor], Tensor]


class Standardized(nn.Module):
    """Each channel shifted and scaled to the moments of F(Q): what a module does to a channel's scale is undone.

    `moments` [2, channels] are mean and standard deviation of what comes in, `wanted` those it gets.
    """

    def __init__(self, moments: Tensor, wanted: Tensor) -> None:
        super().__init__()
        scale = (wanted[1] / moments[1].clamp(min=1e-6)).clamp(max=1e3)
        self.register_buffer("scale", scale.view(-1, 1, 1))
        self.register_buffer("shift", (wanted[0] - moments[0] * scale).view(-1, 1, 1))
        self.scale: Tensor
        self.shift: Tensor

    @override
    def forward(self, features: Tensor) -> Tensor:
        return features * self.scale + self.shift


def moments_of(features: Tensor) -> Tensor:
    """Mean and standard deviation [2, channels] over rows and places."""
    return torch.stack([features.mean((0, 2, 3)), features.std((0, 2, 3))])


@dataclass(frozen=True)
class ShadowModules(Attack):
    """Trains modules of the victim's recipe on public images of other classes, and inverts them all at once.

    Nothing is chosen by looking at a victim; one further module, which the inverse has not seen, tells how well it
    carries over. As a collaborator it also uses its own module and its own images.
    """

    kind = "shadow_modules"
    Options = options.ShadowModules
    needs = frozenset({"featurizer", "decider", "reconstructor", "public_data", "victim_defense"})

    modules: int
    images: int
    module_epochs: int | None
    collaborator: bool
    recipe: Recipe

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs | ({"own_module", "own_data"} if self.collaborator else frozenset())

    @override
    def rehearse(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> dict[str, Tensor]:
        """Shadow modules, then their inverse; the control is a module and images that this has not seen."""
        fitted = fit_shadows(
            known, self.modules + 1, self.images, self.module_epochs, stream=stream, compute=compute, progress=progress
        )
        shadows, unseen = fitted[:-1], fitted[-1]
        public = known.public_data
        is_tried = np.zeros(len(public), bool)
        is_tried[np.linspace(0, len(public) - 1, min(256, len(public) // 2)).astype(int)] = True
        shown = ImageSet(public.images[~is_tried], public.labels[~is_tried])
        sets = (known.own_data, shown) if self.collaborator else (shown,)
        tried = public.take(np.flatnonzero(is_tried), compute.device)
        with torch.no_grad():
            plain = known.featurizer(tried).float()
            wanted = moments_of(plain)
            modules: list[Map] = [*shadows, *([known.own_module] if self.collaborator else [])]
            heads = [Standardized(moments_of(module(plain).float()), wanted) for module in modules]
        encode = through_all(known.featurizer, [_chained(*each) for each in zip(modules, heads, strict=True)])
        learner = invert(
            copy.deepcopy(known.reconstructor), encode, sets, self.recipe,
            stream=stream, compute=compute, progress=progress, loss=likeness_loss,
        )  # fmt: skip
        with torch.no_grad():
            hidden = unseen(plain).float()
            rebuilt = outputs_of(learner, Standardized(moments_of(hidden), wanted)(hidden), compute)
        truth = tried.cpu()
        guess = truth.mean(0, keepdim=True).expand_as(truth)
        kept = {f"learner.{name}": value for name, value in learner.state_dict().items()}
        return kept | {"wanted": wanted, CONTROL: ssim(rebuilt, truth) - ssim(guess, truth)}

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        learner = copy.deepcopy(known.reconstructor)
        head = "learner."
        learner.load_state_dict({n.removeprefix(head): v for n, v in known.rehearsed.items() if n.startswith(head)})
        standardized = Standardized(moments_of(known.features), known.rehearsed["wanted"].cpu())
        return outputs_of(learner, standardized(known.features), compute)


def _chained(module: Map, head: nn.Module) -> Map:
    """The module, then its head, which follows it to the device."""
    return lambda features: head.to(features.device)(module(features))
