"""Who holds which private rows: alike for all, skewed in labels or sizes, and shared by two where that is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64, Int64

from collab.data.partition import LEAST, Rows
from collab.data.words import say_names
from collab.errors import DataError

Counts = Int64[np.ndarray, " classes"]
Weights = Float64[np.ndarray, " classes"]
Streams = Callable[[str], np.random.Generator]
"""A fresh generator for each purpose."""


@dataclass(frozen=True)
class Wish:
    """`share` of the rows of `classes` (of all if None), of which `fraction` are also held by `donor`, asked before."""

    share: float
    classes: tuple[int, ...] | None = None
    donor: str | None = None
    fraction: float = 0.0


def deal_stratified(labels: Rows, shares: Mapping[str, float], rng: np.random.Generator) -> dict[str, Rows]:
    """Disjoint subsets with round(share × size) rows of every class each: without skew, overlap or lists."""
    names = [str(label) for label in range(int(labels.max(initial=0)) + 1)]
    return deal_subsets(labels, {name: Wish(share) for name, share in shares.items()}, lambda _: rng, classes=names)


def deal_subsets(
    labels: Rows,
    wishes: Mapping[str, Wish],
    streams: Streams,
    *,
    classes: Sequence[str],
    alpha: float | None = None,
    listed: Mapping[str, Rows] | None = None,
) -> dict[str, Rows]:
    """The rows of each name in `listed` and `wishes`, ascending; `labels` counts within `classes`, which errors name.

    Cut from one permutation of each class, `streams("subsets")`, in the order of `wishes`: who comes later changes
    nothing for who came before. Subsets are disjoint, and disjoint from what is `listed`, but for what a wish has of
    its donor: round(fraction × rows) of them, drawn from the donor's.

    `alpha` None: round(share × size) rows of every class asked for, whatever overlaps. Otherwise round(share × rows)
    rows with labels drawn from a q of the entity's own, see `draw_label_weights`. Raises DataError for the impossible.
    """
    held = dict(listed or {})
    stock = _Stock(labels, np.concatenate([*held.values(), np.empty(0, np.int64)]), len(classes), streams("subsets"))
    for name, wish in wishes.items():
        donated = held[wish.donor] if wish.donor is not None else np.empty(0, np.int64)
        is_asked = np.isin(np.arange(len(classes)), range(len(classes)) if wish.classes is None else wish.classes)
        available = np.bincount(labels[donated], minlength=len(classes)) * is_asked
        demand, rng = _Demand(name, wish, stock, is_asked, available, classes), streams(f"labels {name}")
        shared, fresh = demand.stratify(rng) if alpha is None else demand.skew(alpha, rng)
        rows = [stock.take(fresh)]
        rows += [rng.choice(donated[labels[donated] == n], shared[n], replace=False) for n in np.flatnonzero(shared)]
        held[name] = np.sort(np.concatenate(rows)).astype(np.int64)
        if len(held[name]) < LEAST:
            raise DataError(f"entity {name!r} would get {len(held[name])} images; it needs {LEAST}. Raise its share.")
    return held


def draw_shares(shares: Mapping[str, float], alpha: float, rng: np.random.Generator) -> dict[str, float]:
    r"""Shares with the same total, drawn around the stated ones.

    $$ s \sim S \cdot \mathrm{Dir}(\alpha\, n\, s_1 / S, \dots, \alpha\, n\, s_n / S), \qquad S = \sum_i s_i $$

    Of equal shares this is Dir(alpha, ..., alpha), the quantity skew of Li et al. (ICDE 2022).
    """
    means = np.array(list(shares.values()), dtype=np.float64)
    drawn = _normalize(_draw_log_dirichlet(alpha * len(means) * means / means.sum(), rng)) * means.sum()
    return dict(zip(shares, drawn.tolist(), strict=True))


def draw_label_weights(sizes: Counts, alpha: float, rng: np.random.Generator) -> Weights:
    r"""The logarithm of an entity's label distribution, up to a constant; minus infinity where `sizes` is 0.

    $$ q \sim \mathrm{Dir}(\alpha\, p), \qquad p_k = n_k / \sum_j n_j $$

    Source: Hsu, Qi, Brown (2019), section 3. Its alpha is the sum of all concentrations: with K even classes it is
    K times that of Dir(alpha, ..., alpha).
    """
    weights = np.full(len(sizes), -np.inf)
    weights[sizes > 0] = _draw_log_dirichlet(alpha * sizes[sizes > 0] / sizes.sum(), rng)
    return weights


def draw_labels(weights: Weights, count: int, available: Counts, rng: np.random.Generator) -> Counts:
    """How often each label comes up in `count` draws from `weights` (logarithms), at most as often as is `available`.

    A label that is exhausted is drawn no more: what is left of the weights is renormalized, as in Hsu et al. Drawing
    anew what went to an exhausted label does that for many draws at a time. `available` must add up to `count` or more.
    """
    counts = np.zeros_like(available)
    while (missing := count - int(counts.sum())) > 0:
        left = np.where(counts < available, weights, -np.inf)
        counts += np.minimum(rng.multinomial(missing, _normalize(left)), available - counts)
    return counts


def _draw_log_dirichlet(concentrations: Weights, rng: np.random.Generator) -> Weights:
    """Logarithm of a Dirichlet draw up to a constant; exact where the draw itself would be 0 in floating point.

    log Gamma(a) = log Gamma(a + 1) + log(U) / a in distribution, and -log(U) is exponential.
    """
    exponential = rng.standard_exponential(len(concentrations))
    return np.log(rng.standard_gamma(concentrations + 1)) - exponential / concentrations


def _normalize(logs: Weights) -> Weights:
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


@final
class _Stock:
    """Rows that nobody holds yet, in a random order for each class.

    `sizes` counts all rows of each class, `left` those still here; `room` is what `left` would be without rounding,
    so that a demand that is too large can be told from one that was rounded up.
    """

    def __init__(self, labels: Rows, held: Rows, classes: int, rng: np.random.Generator) -> None:
        heaps = [rng.permutation(np.flatnonzero(labels == label)) for label in range(classes)]
        self.sizes = np.array([len(heap) for heap in heaps], dtype=np.int64)
        self._heaps = [heap[~np.isin(heap, held)] for heap in heaps]
        self.room = self.left.astype(np.float64)

    @property
    def left(self) -> Counts:
        return np.array([len(heap) for heap in self._heaps], dtype=np.int64)

    def take(self, counts: Counts) -> Rows:
        """The next rows of each class; they are here no more."""
        rows = [heap[:count] for heap, count in zip(self._heaps, counts, strict=True)]
        self._heaps = [heap[count:] for heap, count in zip(self._heaps, counts, strict=True)]
        return np.concatenate(rows)


@final
@dataclass(frozen=True)
class _Demand:
    """One entity before the stock: how many rows of each class it shares with its donor, and how many it takes."""

    name: str
    wish: Wish
    stock: _Stock
    is_asked: np.ndarray
    donated: Counts
    """Rows of its donor, by class; 0 where the class is not asked for."""
    classes: Sequence[str]

    def stratify(self, rng: np.random.Generator) -> tuple[Counts, Counts]:
        """Shared and new rows of each class, together round(share × size)."""
        stock, exact = self.stock, self.wish.share * self.stock.sizes * self.is_asked
        for label in np.flatnonzero(exact > stock.room + self.donated + 1e-6):
            raise self._refuse(exact[label], np.arange(len(exact)) == label)
        counts = np.minimum(np.rint(exact).astype(np.int64), stock.left + self.donated)
        for label in np.flatnonzero((exact > 0) & (counts < 1)):
            size = int(stock.sizes[label])
            least = f"Give it at least {min(1.0, 0.5 / size + 1e-4):.4f}, or use more images."
            raise DataError(
                f"entity {self.name!r} with share {self.wish.share:g} would get no image of class "
                f"{self.classes[int(label)]}, which has {size}. "
                + (least if exact[label] < 0.5 else "Those before it, rounded up, hold all: lower a share a little.")
            )
        least, most = np.maximum(counts - stock.left, 0), np.minimum(counts, self.donated)
        count = self._count_shared(int(counts.sum()), int(most.sum()))
        if count < least.sum():
            raise DataError(
                f"entity {self.name!r} would have to share {least.sum()} images with {self.wish.donor!r}, not {count}: "
                "too few of its classes are held by nobody. Raise its `fraction`, or lower the shares."
            )
        shared = least + rng.multivariate_hypergeometric(most - least, count - least.sum())
        stock.room -= exact - shared
        return shared, counts - shared

    def skew(self, alpha: float, rng: np.random.Generator) -> tuple[Counts, Counts]:
        """Shared and new rows of each class, together round(share × rows), both with labels from one q."""
        stock = self.stock
        exact, left = self.wish.share * float(stock.sizes[self.is_asked].sum()), stock.left * self.is_asked
        count = self._count_shared(round(exact), int(self.donated.sum()))
        if exact - count > stock.room[self.is_asked].sum() + 1e-6:
            raise self._refuse(exact - count, self.is_asked)
        weights = draw_label_weights(stock.sizes * self.is_asked, alpha, rng)
        shared = draw_labels(weights, count, self.donated, rng)
        fresh = draw_labels(weights, min(round(exact) - count, int(left.sum())), left, rng)
        stock.room -= fresh * (exact - count) / max(int(fresh.sum()), 1)
        return shared, fresh

    def _count_shared(self, rows: int, most: int) -> int:
        """round(fraction × rows); DataError if that is none, or more than the `most` that its donor could give."""
        if self.wish.donor is None:
            return 0
        count = round(self.wish.fraction * rows)
        if not 1 <= count <= most:
            raise DataError(
                f"entity {self.name!r} would share {count} of its {rows} images with {self.wish.donor!r}, "
                f"which could give it 1 to {most}. Change its `fraction`, {self.wish.fraction:g}, or the shares."
            )
        return count

    def _refuse(self, count: float, among: np.ndarray) -> DataError:
        names = say_names([self.classes[int(label)] for label in np.flatnonzero(among)])
        return DataError(
            f"entity {self.name!r} with share {self.wish.share:g} asks for {round(count)} images of {names}; of "
            f"{self.stock.sizes[among].sum()} there are {self.stock.left[among].sum()} that nobody holds yet. "
            "Lower the shares of these classes."
        )
