"""Shadow modules (ATTACKS A2): who knows the recipe trains own DPMs, and one reconstructor that inverts them all."""

import copy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Map, Need, Progress, Stream
from collab.attacks.inversion import invert
from collab.attacks.shadows import deal_rows, fit_shadow
from collab.attacks.whole_shard import channel_moments
from collab.metrics.visual import ssim
from collab.models.freeze import freeze
from collab.models.reconstructors import build_reconstructor
from collab.scenario.base import CONTROL
from collab.training.loop import Recipe
from collab.training.losses import likeness_loss
from collab.training.recipes import outputs_of


def standardize(features: Tensor, moments: Tensor, target: Tensor) -> Tensor:
    """Each channel shifted and scaled from `moments` to `target`, [2, channels]: what a module does to it is undone.

    Both are mean and standard deviation, those of what comes in and those of F(Q).
    """
    scale = (target[1] / moments[1].clamp(min=1e-6)).clamp(max=1e3)
    return features * scale.view(-1, 1, 1) + (target[0] - moments[0] * scale).view(-1, 1, 1)


def moments_of(features: Tensor) -> Tensor:
    """Mean and standard deviation [2, channels] over rows and places."""
    return torch.stack([features.mean((0, 2, 3)), features.std((0, 2, 3))])


@dataclass(frozen=True)
class ShadowModules(Attack):
    """Trains modules of the victim's recipe on public images of other classes, and inverts them all at once.

    They vary as the recipe may, learn labels that are drawn from C's answers, and fool the further reconstructors that
    the recipe names. Nothing is chosen by looking at a victim. One further module, which the inverse has not seen,
    tells how well it carries over. As a collaborator it also uses its own module and its own images.
    """

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
        trained = dict[str, nn.Module]()

        def another(kind: str) -> nn.Module:
            """A further reconstructor of F that the victim's recipe asks for, trained once for all shadows."""
            if kind not in trained:
                own, images = replace(stream, stage=f"{stream.stage} {kind}"), known.public_data
                _, channels, height, width = known.features.shape
                with own.initialization():
                    learner = build_reconstructor(kind, (channels, height, width), images.images.shape[-1])
                invert(
                    learner, known.featurizer, (images,), self.recipe, stream=own, compute=compute, progress=progress
                )
                trained[kind] = freeze(learner)
            return trained[kind]

        fit = partial(fit_shadow, known, another=another, stream=stream, compute=compute, progress=progress)
        *shadows, unseen = (fit(number, self.images, self.module_epochs) for number in range(self.modules + 1))
        public = known.public_data
        rows = np.linspace(0, len(public) - 1, min(256, len(public) // 2)).astype(int)
        learned = public.at(np.delete(np.arange(len(public)), rows))
        sets = (known.own_data, learned) if self.collaborator else (learned,)
        tried = public.take(rows, compute.device)
        with torch.no_grad():
            plain = known.featurizer(tried).float()
            target = moments_of(plain)
            modules: list[Map] = [*shadows, known.own_module] if self.collaborator else [*shadows]
            moments = [moments_of(module(plain).float()) for module in modules]
        encoders = [
            lambda features, module=module, own=own: standardize(module(features), own, target)
            for module, own in zip(modules, moments, strict=True)
        ]
        learner = invert(
            copy.deepcopy(known.reconstructor), deal_rows(known.featurizer, encoders), sets, self.recipe,
            stream=stream, compute=compute, progress=progress, loss=likeness_loss,
        )  # fmt: skip
        with torch.no_grad():
            hidden = unseen(plain).float()
            rebuilt = outputs_of(learner, standardize(hidden, moments_of(hidden), target), compute)
        truth = tried.cpu()
        guess = truth.mean(0, keepdim=True).expand_as(truth)
        kept = {f"learner.{name}": value for name, value in learner.state_dict().items()}
        return kept | {"wanted": target, CONTROL: ssim(rebuilt, truth) - ssim(guess, truth)}

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        learner = copy.deepcopy(known.reconstructor)
        head = "learner."
        learner.load_state_dict(
            {name.removeprefix(head): value for name, value in known.rehearsed.items() if name.startswith(head)}
        )
        features = standardize(known.features, channel_moments(known), known.rehearsed["wanted"].cpu())
        return outputs_of(learner, features, compute)
