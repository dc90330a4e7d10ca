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

LLOYD = 20
"""Rounds of k-means: by then groups hardly move."""

COUNT_WEIGHT = 0.25
"""How far one row moves its class's count, in largest lengths of a row: so counts take 3 % of the sensitivity."""


@dataclass(frozen=True)
class PublicGaussian(DrawingDefense):
    r"""Publishes draws from $N(\mu_Q + B^T \Lambda^{1/2} \tilde m_c,\ V^T V + \mathrm{diag}(d^2))$ for each class c.

    $\mu_Q$, the main directions B with variances $\Lambda$, and the covariance within classes are those of public
    features. With `modes` so is a division of all rows into groups, by k-means of public features: each class has a
    mean in each group. Private are $u = \Lambda^{-1/2} B (f - \mu_Q)$, clipped to a length, alone: their sums and
    counts for each class, with Gaussian noise. Draws follow from these, so that any number of them tells no more
    (FedPFT of Beitollahi et al. 2024 has the same for mixtures).
    """

    Options = options.PublicGaussian

    directions: int
    clip: float
    modes: int
    rows: int | None
    dp: Dp | None

    @override
    def guarantee(self, rows: int, people: int | None = None) -> Guarantee | None:
        """One Gaussian mechanism on all sums and counts; its noise does not depend on how many there are."""
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
        is_of_people = self.dp is not None and self.dp.unit == "identity"
        cells = labels * self.modes + find_nearest(clipped, module.centers)
        weight, generator = self._longest * COUNT_WEIGHT, view.stream.torch("noise")
        sums, counts = noisy_sums(
            clipped, cells, view.task.outputs * self.modes, weight, scale, generator,
            people=view.people if is_of_people else None,
        )  # fmt: skip
        means = sums / counts.clamp(min=1)[:, None]  # of clipped rows: none can be longer than these
        module.means = (means * (self._longest / means.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1)).float()
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
        center = torch.cat(parts).double().mean(0).float()
        values, count, cpu = center.numel(), len(images), torch.device("cpu")

        def about_center() -> Iterator[Tensor]:
            return ((part.float() - center).flatten(1) for part in parts)

        rank = min(self.directions, count - 1, values)
        axes, _ = split_covariance(about_center, rank, values, count, generator, cpu)
        module.deviations = axes.norm(dim=1).clamp(min=1e-6)
        module.axes, module.center = axes / module.deviations[:, None], center
        placed = torch.cat([module.place(part) for part in parts])
        module.centers = find_centers(placed, self.modes, view.stream.torch("modes"))
        _, classes = torch.unique(classes * self.modes + find_nearest(placed, module.centers), return_inverse=True)
        groups: tuple[Tensor, ...] = torch.split(classes, [len(part) for part in parts])
        within = measure_means(zip((part.float() for part in parts), groups, strict=True), int(classes.max()) + 1)

        def about_classes() -> Iterator[Tensor]:
            return ((part.float() - within[group]).flatten(1) for part, group in zip(parts, groups, strict=True))

        module.within, module.rest = split_covariance(about_classes, rank, values, count, generator, cpu)


def find_centers(
    placed: Float[Tensor, "rows directions"], modes: int, generator: torch.Generator
) -> Float[Tensor, "modes directions"]:
    """Centers of so many groups of rows by k-means (Lloyd 1982); one without rows stays.

    It begins with random rows, each as likely as it lies far, squared, from those before (Arthur and Vassilvitskii
    2007).
    """
    if modes == 1:
        return placed.mean(0, keepdim=True)
    centers = placed[torch.randint(len(placed), (1,), generator=generator)]
    while len(centers) < modes:
        far = torch.cdist(placed, centers).min(1).values.double().square() + 1e-12
        centers = torch.cat([centers, placed[torch.multinomial(far, 1, generator=generator)]])
    for _ in range(LLOYD):
        of_mode = nn.functional.one_hot(find_nearest(placed, centers), len(centers)).to(placed)
        counts = of_mode.sum(0)[:, None]
        centers = torch.where(counts > 0, of_mode.T @ placed / counts.clamp(min=1), centers)
    return centers


def find_nearest(
    placed: Float[Tensor, "rows directions"], centers: Float[Tensor, "modes directions"]
) -> Int[Tensor, " rows"]:
    """The number of the center that is nearest to each row."""
    return torch.cdist(placed, centers).argmin(1)


def noisy_sums(
    clipped: Float[Tensor, "rows directions"],
    labels: Int[Tensor, " rows"],
    classes: int,
    count_weight: float,
    deviation: float,
    generator: torch.Generator,
    *,
    people: Int[Tensor, " rows"] | None = None,
) -> tuple[Float[Tensor, "classes directions"], Float[Tensor, " classes"]]:
    """Sums and counts of each class in fp64, with Gaussian noise of this deviation on sums and on weighted counts.

    The mechanism itself: one row of length L at most moves what noise is added to by sqrt(L² + count_weight²). With
    `people`, numbers of whom rows show, each counts by the mean of theirs, as one row: a mean is no longer than the
    longest, so that a person with all rows moves no more.
    """
    of_class = nn.functional.one_hot(labels, classes).double()
    if people is not None:
        of_class = of_class / torch.bincount(people)[people, None]
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
        for name in ("center", "axes", "deviations", "centers", "within", "rest", "means"):
            self.register_buffer(name, torch.empty(0))
        self.register_buffer("counts", torch.empty(0, dtype=torch.int64))
        self.center: Tensor
        """The mean of public features, [channels, height, width]."""
        self.axes: Tensor
        """Their main directions [directions, values], of length 1, and in `deviations` how far they reach there."""
        self.deviations: Tensor
        self.centers: Tensor
        """Of groups of public rows in deviations [modes, directions]."""
        self.within: Tensor
        """V [directions, values] of the covariance within public classes, and in `rest` d [values]."""
        self.rest: Tensor
        self.means: Tensor
        """The noisy mean of each group of each class in deviations [classes · modes, directions], those of a class one
        after the other, and in `counts` how many rows to draw."""
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
            yield rows.clamp(min=0) if self.rectified else rows, drawn // len(self.centers)
