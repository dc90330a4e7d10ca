"""Draws from a Gaussian of each class whose shape is public: of the own rows only noisy means and counts are told."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import DrawingDefense, PrivateView
from collab.defenses.gaussian import measure_means, split_covariance
from collab.guarantee import Guarantee, gaussian_noise
from collab.models.drawing import Drawing
from collab.models.fitted import Fitted
from collab.scenario.base import Dp
from collab.training.recipes import features_of

MOST_PUBLIC = 4096
"""Public images, spread evenly over all, that directions and covariance are taken of: they are kept in memory."""

COUNT_WEIGHT = 0.25
"""How far one row moves its class's count, in largest lengths of a row: so counts take 3 % of the sensitivity."""


@dataclass(frozen=True)
class PublicGaussian(DrawingDefense):
    r"""Publishes draws from $N(\mu_Q + B^T \Lambda^{1/2} \tilde m_c,\ V^T V + \mathrm{diag}(d^2))$ for each class c.

    $\mu_Q$, the main directions B with variances $\Lambda$, and the covariance within classes are those of public
    features. Private are $u = \Lambda^{-1/2} B (f - \mu_Q)$, clipped to a length, alone: their sums and counts for
    each class, with Gaussian noise. Draws follow from these, so that any number of them tells no more (FedPFT of
    Beitollahi et al. 2024 has the same for mixtures).
    """

    Options = options.PublicGaussian

    directions: int
    clip: float
    rows: int | None
    dp: Dp | None

    @override
    def guarantee(self, rows: int) -> Guarantee | None:
        """One Gaussian mechanism on all sums and counts; its noise does not depend on the number of rows."""
        if self.dp is None:
            return None
        noise, mechanism = gaussian_noise(self.dp.epsilon, self.dp.delta), self.Options.mechanism
        return Guarantee(mechanism, self.dp.unit, self.dp.epsilon, self.dp.delta, self._sensitivity, noise)

    @property
    def _longest(self) -> float:
        return self.clip * self.directions**0.5

    @property
    def _sensitivity(self) -> float:
        return self._longest * (1 + COUNT_WEIGHT**2) ** 0.5

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Draws(rectified=rectified)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Takes directions and covariance from public images, and the noisy sums from own rows."""
        assert isinstance(module, Draws)
        self._learn_public(module, view)
        clipped, labels = _clipped(module, view, self._longest)
        held = self.guarantee(view.features.rows)
        scale = 0.0 if held is None else held.noise_multiplier * held.sensitivity
        sums, counts = noisy_sums(
            clipped, labels, view.task.outputs, self._longest * COUNT_WEIGHT, scale, view.stream.torch("noise")
        )
        module.means = (sums / counts.clamp(min=1)[:, None]).float()
        share = counts.clamp(min=0) / counts.clamp(min=0).sum().clamp(min=1)
        module.counts = (counts.clamp(min=0) if self.rows is None else self.rows * share).round().long()
        module.counts[0] += int(module.counts.sum() == 0)  # a shard has one row at least
        view.compute.place(module).eval()
        return ()

    def _learn_public(self, module: "Draws", view: PrivateView) -> None:
        step = max(1, -(-len(view.public) // MOST_PUBLIC))
        images = view.public.at(slice(None, None, step))
        parts = [part.half() for part, _ in features_of(view.featurizer, images, view.compute)]
        generator = view.stream.torch("axes")
        _, classes = torch.unique(torch.from_numpy(images.classes), return_inverse=True)
        groups: tuple[Tensor, ...] = torch.split(classes, [len(part) for part in parts])
        center = torch.cat(parts).double().mean(0).float()
        within = measure_means(zip((part.float() for part in parts), groups, strict=True), int(classes.max()) + 1)
        values, count = center.numel(), len(images)

        def about_center() -> Iterator[Tensor]:
            return ((part.float() - center).flatten(1) for part in parts)

        def about_classes() -> Iterator[Tensor]:
            return ((part.float() - within[group]).flatten(1) for part, group in zip(parts, groups, strict=True))

        rank, cpu = min(self.directions, count - 1, values), torch.device("cpu")
        axes, _ = split_covariance(about_center, rank, values, count, generator, cpu)
        module.deviations = axes.norm(dim=1).clamp(min=1e-6)
        module.axes, module.center = axes / module.deviations[:, None], center
        module.within, module.rest = split_covariance(about_classes, rank, values, count, generator, cpu)


def noisy_sums(
    clipped: Float[Tensor, "rows directions"],
    labels: Int[Tensor, " rows"],
    classes: int,
    count_weight: float,
    deviation: float,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "classes directions"], Float[Tensor, " classes"]]:
    """Sums and counts of each class in fp64, with Gaussian noise of this deviation on sums and on weighted counts.

    The mechanism itself: one row of length L at most moves what noise is added to by sqrt(L² + count_weight²).
    """
    of_class = nn.functional.one_hot(labels, classes).double()
    told = torch.cat([of_class.T @ clipped.double(), count_weight * of_class.sum(0)[:, None]], 1)
    told = told + deviation * torch.randn(told.shape, generator=generator, dtype=torch.float64)
    return told[:, :-1], told[:, -1] / count_weight


def _clipped(module: "Draws", view: PrivateView, longest: float) -> tuple[Tensor, Tensor]:
    """The own rows in public directions [rows, directions], none longer than `longest`, and their labels."""
    parts = [(module.place(features.cpu()), labels.cpu()) for features, labels, _ in view.features.batches(None)]
    placed, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    return placed * (longest / placed.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1), labels


class Draws(Fitted, Drawing):
    """What is known of each class, and rows drawn from it."""

    def __init__(self, *, rectified: bool) -> None:
        super().__init__()
        self.rectified = rectified
        for name in ("center", "axes", "deviations", "within", "rest", "means"):
            self.register_buffer(name, torch.empty(0))
        self.register_buffer("counts", torch.empty(0, dtype=torch.int64))
        self.center: Tensor
        """The mean of public features, [channels, height, width]."""
        self.axes: Tensor
        """Their main directions [directions, values], of length 1, and in `deviations` how far they reach there."""
        self.deviations: Tensor
        self.within: Tensor
        """V [directions, values] of the covariance within public classes, and in `rest` d [values]."""
        self.rest: Tensor
        self.means: Tensor
        """The noisy mean of each class in deviations [classes, directions], and in `counts` how many rows to draw."""
        self.counts: Tensor

    def place(self, features: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch directions"]:
        """Where rows lie in the public directions, in deviations."""
        return (features.float() - self.center).flatten(1) @ self.axes.T / self.deviations

    @override
    def draw(self, generator: torch.Generator, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        labels = torch.arange(len(self.counts)).repeat_interleave(self.counts.cpu())
        means = self.center.flatten() + (self.means * self.deviations) @ self.axes
        for drawn in torch.split(labels[torch.randperm(len(labels), generator=generator)], batch_size):
            along = torch.randn(len(drawn), len(self.within), generator=generator).to(means.device)
            apart = torch.randn(len(drawn), means.shape[1], generator=generator).to(means.device)
            rows = (means[drawn.to(means.device)] + along @ self.within + apart * self.rest).view(
                -1, *self.center.shape
            )
            yield rows.clamp(min=0) if self.rectified else rows, drawn
