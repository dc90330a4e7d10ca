"""Shadow modules (ATTACKS A2): who knows the recipe trains own DPMs, and one reconstructor that inverts them all."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Compute, Knowledge, Map, Need, Progress, Stream
from collab.attacks.distribution_matching import Moments, public_features, zca_map
from collab.attacks.inversion import Perceptual, build_inverse, invert
from collab.attacks.shadows import deal_rows, divide_public, fit_shadow, further_reconstructors
from collab.metrics.visual import ssim
from collab.scenario.base import CONTROL
from collab.training.loop import Recipe
from collab.training.losses import likeness_loss
from collab.training.recipes import outputs_of

MEASURED = 1024
"""Public images of which moments are taken: of F, and of what each module makes of it."""

SHRINKAGE = 0.01
"""What is added to each eigenvalue, in shares of their mean: a module may leave directions that hardly vary."""


def match_moments(own: Moments, target: Moments) -> Map:
    """The linear map of each place that gives features of moments `own` the mean and covariance `target`.

    So what a module does to channels is undone as far as the moments of a release tell, of shadows and victims alike.
    """
    matrix = zca_map(replace(own, values=own.values + SHRINKAGE * own.values.mean()), target)
    bias = target.mean - matrix @ own.mean

    def match(features: Tensor) -> Tensor:
        weight = matrix.to(features)[:, :, None, None]
        return functional.conv2d(features, weight, bias.to(features))

    return match


@dataclass(frozen=True)
class ShadowModules(Perceptual):
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
    reconstructor: str | None = None

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs | ({"own_module", "own_data"} if self.collaborator else frozenset())

    @override
    def rehearse(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> dict[str, Tensor]:
        """Shadow modules, then their inverse; the control is a module and images that this has not seen."""
        public, order = known.public_data, stream.numpy("images")
        shown, learned = divide_public(public)
        how: dict[str, Any] = {"stream": stream, "compute": compute, "progress": progress}
        how["another"] = further_reconstructors(known, self.recipe, **how)

        def draw(count: int) -> np.ndarray:
            return order.permutation(learned)[: max(count, 0)]

        shadows = [
            fit_shadow(known, number, public.at(np.sort(draw(self.images))), self.module_epochs, **how)
            for number in range(self.modules)
        ]
        # As a victim does: as stated, by the whole recipe, on the images that it then publishes.
        published = np.sort(np.concatenate([shown, draw(self.images - len(shown))]))
        unseen = fit_shadow(
            known, 0, public.at(published), None, **how | {"stream": replace(stream, stage=f"{stream.stage} unseen")}
        )
        sets = (known.own_data, public.at(learned)) if self.collaborator else (public.at(learned),)
        modules: list[Map] = [*shadows, known.own_module] if self.collaborator else [*shadows]
        plain = public_features(known, MEASURED, compute)
        target = Moments.of(plain)

        def encoder_of(module: Map) -> Map:
            match = match_moments(Moments.of(_answers(module, plain, compute)), target)
            return lambda features: match(module(features).float())

        encoders = [encoder_of(module) for module in modules]
        learner = invert(
            self._new_inverse(known, stream), deal_rows(known.featurizer, encoders), sets, self.recipe,
            stream=stream, compute=compute, progress=progress, loss=self.loss(likeness_loss, known, compute),
        )  # fmt: skip
        truth = public.take(shown, compute.device).cpu()
        hidden = _answers(unseen, outputs_of(known.featurizer, truth, compute), compute)
        rebuilt = outputs_of(learner, match_moments(Moments.of(hidden), target)(hidden), compute)
        guess = truth.mean(0, keepdim=True).expand_as(truth)
        return dict(learner.state_dict()) | {CONTROL: ssim(rebuilt, truth) - ssim(guess, truth)}

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        learner = self._new_inverse(known, stream)
        learner.load_state_dict({name: value for name, value in known.rehearsed.items() if name != CONTROL})
        published = Moments.over(lambda: (features for features, _ in known.shard()))
        match = match_moments(published, Moments.of(public_features(known, MEASURED, compute)))
        return outputs_of(learner, match(known.features), compute)

    def _new_inverse(self, known: Knowledge, stream: Stream) -> nn.Module:
        with stream.initialization():
            return build_inverse(known, self.reconstructor)


def _answers(module: Map, features: Tensor, compute: Compute) -> Tensor:
    """What a module, the own one of a collaborator as well, makes of features [rows, ...], on the CPU."""
    with torch.no_grad(), compute.autocast():
        return torch.cat([module(part.to(compute.device)).float().cpu() for part in torch.split(features, 256)])
