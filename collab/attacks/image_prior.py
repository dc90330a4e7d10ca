"""An image prior (ATTACKS A6, 3.2): what another attack shows, made as likely as images are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Need, Pairs, Progress, Stream
from collab.attacks.prior import Prior, answers_about
from collab.attacks.shadows import divide_public, fit_shadow, further_reconstructors
from collab.metrics.visual import ssim
from collab.plugins.discovery import INSTALLED
from collab.scenario.base import CONTROL
from collab.training.loop import Recipe
from collab.training.optimizers import Adam
from collab.training.recipes import outputs_of

REHEARSED = 512
"""Public images of which no prior and no attack learns: what the attack shows of them is compared with them."""

PUBLISHED = 1250
"""Public images that the rehearsal's own module is fitted on and publishes, as for shadow modules."""

FURTHER = Recipe(3, 64, "adamw", 2e-3, schedule="one_cycle")
"""How reconstructors are trained that the victim's recipe asks for beside R, as for shadow modules."""

STEPS, RATE = 100, 0.05
"""Of Adam, in standard deviations of codes."""


@dataclass(frozen=True)
class Fit:
    r"""How codes $\tilde z$ of what an attack shows follow from those of the image: $\tilde z = a z + b + s\,n$.

    For each component, [components]; `back` [2, components] is the line from shown to true codes, and `rest` the share
    of what lies outside the components that is kept.
    """

    gain: Tensor
    offset: Tensor
    noise: Tensor
    back: Tensor
    rest: Tensor

    @classmethod
    def of(cls, shown: tuple[Tensor, Tensor], true: tuple[Tensor, Tensor]) -> Self:
        """By least squares over images, of which codes [rows, components] and rests [rows, ...] are given."""
        gain, offset, noise = _line(true[0], shown[0])
        back, moved, _ = _line(shown[0], true[0])
        kept = (shown[1] * true[1]).sum() / shown[1].square().sum().clamp(min=1e-12)
        return cls(gain, offset, noise, torch.stack([back, moved]), kept.clamp(0, 1))


def _line(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Slope, offset and standard deviation of what remains, column by column of x and y [rows, columns]."""
    far = x - x.mean(0)
    slope = (far * (y - y.mean(0))).sum(0) / far.square().sum(0).clamp(min=1e-12)
    offset = y.mean(0) - slope * x.mean(0)
    return slope, offset, (y - slope * x - offset).std(0, correction=0).clamp(min=1e-3)


def make_likely(prior: Prior, fit: Fit, shown: Tensor, condition: Tensor, weight: float) -> Tensor:
    r"""The images [rows, 3, side, side] in [0, 1] that are likely and would be shown as `shown`.

    $$ \min_z \sum_i \frac{(\tilde z_i - a_i z_i - b_i)^2}{2 s_i^2} - w \log p(z \mid c) $$

    for each row by itself, by Adam from the line that leads back. At `weight` $w = 0$ they are what is shown.
    """
    if not weight:
        return shown
    codes, rest = prior.components.encode(shown)
    found = (fit.back[0] * codes + fit.back[1]).requires_grad_(True)
    optimizer = Adam([found], RATE)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        optimizer.zero_grad()
        misfit = ((codes - fit.gain * found - fit.offset) / fit.noise).square().sum() / 2
        (misfit - weight * prior.flow(found, condition).sum()).backward()
        optimizer.step()
    return prior.components.decode(found.detach(), fit.rest * rest).clamp(0, 1)


@dataclass(frozen=True)
class ImagePrior(Attack):
    """Lets another attack show what it can, and answers with the likeliest images that it would show so (MAP).

    Likely is what a conditional flow over main components of public images says; beside the components a share of what
    is shown stays. How much the attack shows is learned in a rehearsal: it is tried on a module of the victim's recipe
    and public images that neither it nor the flow has learned from. So is the weight of the prior: that of `weights`
    under which the second half of these images is most alike.

    Source: MAP with a flow as prior after Asim, Daniels, Leong, Ahmed and Hand (ICML 2020). Departure: over main
    components, with a linear model of what the attack shows.
    """

    Options = options.ImagePrior
    needs = frozenset({"featurizer", "decider", "reconstructor", "public_data", "victim_defense"})

    of: Attack
    components: int
    weights: tuple[float, ...]
    recipe: Recipe
    pairs: int = 0

    @classmethod
    @override
    def from_options(cls, options: Any) -> Self:
        inner = INSTALLED.load("attacks", options.of.kind).from_options(options.of)
        return replace(super().from_options(options), of=inner)

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs | self.of.asks_for

    @override
    def rehearse(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> dict[str, Tensor]:
        how: dict[str, Any] = {"stream": stream, "compute": compute, "progress": progress}
        held, learned = divide_public(known.public_data, REHEARSED)
        public = known.public_data.at(learned)
        prior = Prior.fit(known, public, self.components, self.recipe, **how)
        inner = replace(stream, stage=f"{stream.stage} inner")
        kept = self.of.rehearse(self._narrow(known, public_data=public), inner, compute, progress)
        mock = self._publish(known, held, learned, **how)
        mock.rehearsed = kept
        shown = self.of.rebuild(mock, inner, compute, progress)
        true = known.public_data.take(held, compute.device).cpu()
        condition = prior.condition(mock.labels)
        first, second = slice(0, None, 2), slice(1, None, 2)
        fit = Fit.of(prior.components.encode(shown[first]), prior.components.encode(true[first]))
        alike = [
            float(ssim(make_likely(prior, fit, shown[second], condition[second], weight), true[second]).mean())
            for weight in self.weights
        ]
        chosen = {"weight": torch.tensor(self.weights[alike.index(max(alike))]), "alike": torch.tensor(alike)}
        parts = {"prior": prior.state(), "fit": vars(fit), "of": kept, "chosen": chosen}
        return _joined(parts) | {name: value for name, value in kept.items() if name == CONTROL}

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        kept, weight = known.rehearsed, float(known.rehearsed["chosen.weight"])
        inner = self._narrow(known, shard=known.shard, published=known.published)
        inner.rehearsed = _part(kept, "of")
        shown = self.of.rebuild(inner, stream, compute, progress)
        prior = Prior.of_state(_part(kept, "prior"))
        return make_likely(prior, Fit(**_part(kept, "fit")), shown, prior.condition(known.labels), weight)

    def _narrow(self, known: Knowledge, **others: Any) -> Knowledge:
        """What the other attack is given of what this one is, with `others` in the place of some of it."""
        had = {name: vars(known)[name] for name in self.of.asks_for if name in vars(known)}
        needs = self.of.asks_for & (had | others).keys()
        return Knowledge(
            f"{type(self.of).__name__} within image_prior", known.features, known.labels, frozenset(needs),
            **had | {"task": known.task} | others,
        )  # fmt: skip

    def _publish(
        self, known: Knowledge, held: np.ndarray, learned: np.ndarray,
        *, stream: Stream, compute: Compute, progress: Progress,
    ) -> Knowledge:  # fmt: skip
        """What the other attack would know of a victim whose images are `held` and some of `learned` public ones."""
        how: dict[str, Any] = {"stream": stream, "compute": compute, "progress": progress}
        public = known.public_data
        more = stream.numpy("images").permutation(learned)[: max(PUBLISHED - len(held), len(held))]
        own = public.at(np.concatenate([held, more]))
        module = fit_shadow(known, 0, own, None, another=further_reconstructors(known, FURTHER, **how), **how)
        encode = nn.Sequential(known.featurizer, module)
        images = own.take(np.arange(len(own)), compute.device).cpu()
        rows, labels = outputs_of(encode, images, compute), known.task.targets_of(answers_about(known, own, compute))

        def shard() -> Iterator[tuple[Tensor, Tensor]]:
            yield from zip(torch.split(rows, 256), torch.split(labels, 256), strict=True)

        further = slice(len(own) - min(self.pairs, len(more)), None)
        facts = {
            "pairs": Pairs(rows[further], images[further], labels[further]), "planted": images[further],
            "victim_module": module, "victim_encoder": encode, "victim_weights": module,
        }  # fmt: skip
        given = {name: value for name, value in facts.items() if name in self.of.asks_for}
        known = self._narrow(known, public_data=public.at(learned), shard=shard, published=len(own), **given)
        known.features, known.labels = rows[: len(held)], labels[: len(held)]
        return known


def _joined(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}


def _part(kept: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name[len(part) + 1 :]: value for name, value in kept.items() if name.startswith(f"{part}.")}
