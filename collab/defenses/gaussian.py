"""A Gaussian for each class, one covariance for all of them: features like those of a class that are no image's."""

from collections.abc import Callable, Iterable, Iterator
from functools import reduce

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from collab.models.filters import Features, Keyed
from collab.models.fitted import Fitted

Rows = Callable[[], Iterable[tuple[Features, Int[Tensor, " batch"]]]]
"""One pass over features and their classes, in the same order each time it is called."""

PASSES = 4
"""Passes of the subspace iteration: they leave its error far below that of a covariance of some thousand rows."""


class ClassGaussian(Fitted, Keyed):
    r"""For a row of class $c$ a draw from $N(\mu_c, V V^T + \mathrm{diag}(d^2))$: nothing of the row but its class.

    $V$ has `rank` columns; the covariance is that of rows about the mean of their class, the same for all classes, as
    in linear discriminant analysis. What a row gets follows from `key` and the row, as in `Noise`. Own rows are known
    by their number, so that their class is that of their label; any other row is taken for the class under which it is
    likeliest. With `rectified` values below 0 become 0.
    """

    def __init__(self, rank: int, *, rectified: bool) -> None:
        super().__init__()
        self.rank, self.rectified = rank, rectified
        for name in ("means", "directions", "rest"):
            self.register_buffer(name, torch.empty(0))
        for name in ("rows", "classes"):
            self.register_buffer(name, torch.empty(0, dtype=torch.int64))
        self.means: Tensor
        """The mean of each class, [classes, channels, height, width]; for a class without rows, that of all rows."""
        self.directions: Tensor
        """V, [rank, channels, height, width]; fewer where rows or values are."""
        self.rest: Tensor
        """d, [channels, height, width]: what V leaves of the deviation of each value."""
        self.rows: Tensor
        """Numbers of the own rows, rising, and in `classes` the class of each."""
        self.classes: Tensor

    def fit(self, key: int, sources: Rows, rows: Rows, generator: torch.Generator) -> None:
        """Measures means and covariance of `rows`; `sources` are what they were made of.

        Four passes and one for each of PASSES; V by subspace iteration from random directions.
        """
        self.key.fill_(key)
        classes_by_number = sorted(
            (number, int(label))
            for source, labels in sources()
            for number, label in zip(self.numbers(source), labels, strict=True)
        )
        self.rows, self.classes = (torch.tensor(part) for part in zip(*classes_by_number, strict=True))
        outputs = int(self.classes.max()) + 1
        means = measure_means(rows(), outputs)

        def centered() -> Iterator[Tensor]:
            for features, labels in rows():
                yield (features - means[labels.to(features.device)]).flatten(1)

        count = len(classes_by_number)
        rank = min(self.rank, max(count - outputs, 1), means[0].numel())
        directions, rest = split_covariance(centered, rank, means[0].numel(), count, generator, means.device)
        shape = means.shape[1:]
        self.means, self.directions, self.rest = means, directions.reshape(-1, *shape), rest.reshape(shape)

    def classes_of(self, numbers: list[int], features: Features) -> Int[Tensor, " batch"]:
        """The class of each own row by its label, that of any other by the density of `features`."""
        asked = torch.tensor(numbers)
        at = torch.searchsorted(self.rows.cpu(), asked).clamp(max=len(self.rows) - 1)
        classes = self.classes.cpu()[at]
        is_other = torch.nonzero(self.rows.cpu()[at] != asked)[:, 0]
        if len(is_other):
            classes[is_other] = self._likeliest(features[is_other.to(features.device)]).cpu()
        return classes

    def _likeliest(self, features: Features) -> Int[Tensor, " batch"]:
        """The class of the least Mahalanobis distance, by the Woodbury identity."""
        least = 1e-3 * self.rest.square().mean().sqrt() + 1e-12
        scale = self.rest.clamp(min=float(least)).flatten()
        wide = self.directions.flatten(1) / scale
        lower = torch.linalg.cholesky(torch.eye(len(wide), device=wide.device) + wide @ wide.T)
        distances = []
        for mean in self.means:
            away = (features - mean).flatten(1) / scale
            within = torch.linalg.solve_triangular(lower, wide @ away.T, upper=False)
            distances.append(away.square().sum(1) - within.square().sum(0))
        return torch.stack(distances).argmin(0)

    @override
    def forward(self, features: Features, source: Features | None = None) -> Features:
        with torch.autocast(features.device.type, enabled=False):  # bf16 has no Cholesky factors
            return self._draw(features.float(), self.numbers(features if source is None else source))

    def _draw(self, features: Features, numbers: list[int]) -> Features:
        classes = self.classes_of(numbers, features).to(features.device)
        along, apart = torch.empty(len(features), len(self.directions)), torch.empty(features.shape)
        for place, number in enumerate(numbers):
            generator = torch.Generator().manual_seed(number)
            torch.randn(along.shape[1:], generator=generator, out=along[place])
            torch.randn(apart.shape[1:], generator=generator, out=apart[place])
        drawn = self.means[classes] + torch.tensordot(along.to(features.device), self.directions, 1)
        drawn = drawn + self.rest * apart.to(features.device)
        return drawn.clamp(min=0) if self.rectified else drawn


def split_covariance(
    centered: Callable[[], Iterator[Tensor]],
    rank: int,
    values: int,
    count: int,
    generator: torch.Generator,
    device: torch.device,
) -> tuple[Float[Tensor, "rank values"], Float[Tensor, " values"]]:
    r"""$V$ and $d$ with $V^T V + \mathrm{diag}(d^2)$ near the covariance of `count` rows with mean 0, in fp32.

    V by subspace iteration from random directions, longest first; d is what it leaves of the deviation of each value.
    """
    start = torch.randn(values, rank + min(rank, 10), generator=generator)
    basis = torch.linalg.qr(start.to(device))[0]
    for _ in range(PASSES):
        basis = torch.linalg.qr(reduce(torch.add, (part.T @ (part @ basis) for part in centered())))[0]
    inner = reduce(torch.add, ((part @ basis).T @ (part @ basis) for part in centered())) / count
    variances, turned = torch.linalg.eigh(inner.double())
    directions = (basis.double() @ turned * variances.clamp(min=0).sqrt()).flip(1)[:, :rank].T
    total = reduce(torch.add, (part.square().sum(0) for part in centered())).double() / count
    return directions.float(), (total - directions.square().sum(0)).clamp(min=0).sqrt().float()


def measure_means(
    rows: Iterable[tuple[Features, Tensor]], outputs: int
) -> Float[Tensor, "classes channel height width"]:
    """The mean of each class in fp64, then in the type of `rows`; that of all rows for a class that has none."""
    total, counts = torch.zeros(()), torch.zeros(outputs, dtype=torch.float64)
    for features, labels in rows:
        is_of = nn.functional.one_hot(labels.cpu(), outputs).double()
        total = total.to(features.device) + torch.tensordot(is_of.T.to(features.device), features.double(), 1)
        counts += is_of.sum(0)
    everything = total.sum(0) / counts.sum()
    share = counts.clamp(min=1).view(-1, 1, 1, 1).to(total.device)
    return torch.where(counts.view(-1, 1, 1, 1).to(total.device) > 0, total / share, everything).float()
