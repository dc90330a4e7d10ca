"""Whom an audit hits: the images of one entity in the order in which they are given away, and the rest without them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from collab.metrics.leakage import HIGHER_DISCLOSES
from collab.metrics.membership import auc
from collab.metrics.paired import interval_of_means
from collab.metrics.singling_out import certainty_of_members, way_to_the_image
from collab.results.figure import Figure, reject_in_family
from collab.store.judged import Judged

SHARES = (0.01, 0.05, 0.1)
"""Parts of the images that are left out, the most exposed first."""


@dataclass(frozen=True)
class Exposed:
    """Images of one entity, the most exposed first: `rows` [n] are their numbers among its own, from 0.

    `exposure` [n] in [0, 1] is the largest over all attacks `by` that tell anything beyond chance, `worst` [n] the
    place of that one in `by`. Where none does, `by` is empty, and the order is that of what all attacks have by chance.
    """

    rows: np.ndarray
    exposure: np.ndarray
    worst: np.ndarray
    by: tuple[Judged, ...]
    tried: int

    def most(self, share: float) -> np.ndarray:
        """The numbers of the most exposed images: this share of those that were looked at, one at least."""
        return self.rows[: max(round(share * len(self.rows)), 1)] if len(self.rows) else self.rows


def find_exposed(tried: Sequence[Judged], *, has_module: bool = False) -> Exposed:
    """Ranks the images that attacks were `tried` on, those that need the victim's module only if `has_module`.

    An image has the largest exposure that any attack has of it. Attacks that chance explains do not count (Holm, over
    all that were tried): else each would have a worst image of its own.
    """
    asked = [each for each in tried if len(each.rows) and (has_module or not each.needs_module)]
    clear = reject_in_family([find_chance(each) for each in asked])
    by = tuple(each for each, is_clear in zip(asked, clear, strict=True) if is_clear)
    most: dict[int, tuple[float, int]] = {}
    for place, each in enumerate(by or asked):
        for row, value in zip(each.rows.tolist(), np.clip(expose(each), 0, 1).tolist(), strict=True):
            if row not in most or value > most[row][0]:
                most[row] = value, place
    order = sorted(most, key=lambda row: (-most[row][0], row))
    exposure, worst = (np.array([most[row][part] for row in order]) for part in (0, 1))
    return Exposed(np.array(order, np.int64), exposure.astype(np.float64), worst.astype(np.int64), by, len(asked))


def expose(judged: Judged) -> np.ndarray:
    """What one attack has of each image [n], at most 1: of the way to the image, 1 / rank, or certainty of a member."""
    scores = judged.scores
    if judged.answers == "images":
        return way_to_the_image(scores["ssim_max"], scores["ssim_max_guess"])
    if judged.answers == "matches":
        return 1 / scores["rank"]
    return certainty_of_members(scores["member"], scores["other"])


def find_chance(judged: Judged) -> float:
    """One-sided p: how likely an attack that knows nothing finds as much as this one did on the average."""
    scores = judged.scores
    if judged.answers == "images":
        change = scores["ssim_max"] - scores["ssim_max_guess"]
        return Figure(
            float(change.mean()), *interval_of_means(change), len(change), freedom=len(change) - 1
        ).chance_above(0.0)
    if judged.answers == "matches":
        hits, chance = float((scores["rank"] <= 1).mean()), 1 / float(scores["candidates"][0])
        return _normal_tail((hits - chance) / math.sqrt(chance * (1 - chance) / len(judged.rows)))
    members, others = scores["member"], scores["other"]
    count, rest = len(members), len(others)  # Mann and Whitney (1947)
    deviation = math.sqrt((count + rest + 1) / (12 * count * rest))
    return _normal_tail((auc(members, others) - 0.5) / deviation)


def measure_rest(judged: Judged, left_out: np.ndarray) -> float | None:
    """What an attack has of the images that are not `left_out`: leakage, the share matched, or AUC of members.

    Leakage is the larger of both distances, as in the audit. None where no image is left, or leakage has no scale. The
    attack is not played again: a smaller shard would teach it less.
    """
    kept = ~np.isin(judged.rows, left_out)
    if not kept.any():
        return None
    scores = judged.scores
    if judged.answers == "matches":
        return float((scores["rank"][kept] <= 1).mean())
    if judged.answers == "members":
        return auc(scores["member"][kept], scores["other"])
    leakages = []
    for name, rises in HIGHER_DISCLOSES.items():
        if name in scores:
            made, opened, guess = (float(scores[name + of][kept].mean()) for of in ("", "_open", "_guess"))
            sign = 1 if rises else -1
            if sign * (opened - guess) > 0:
                leakages.append((made - guess) / (opened - guess))
    return max(leakages, default=None)


def _normal_tail(z: float) -> float:
    return math.erfc(z / math.sqrt(2)) / 2
