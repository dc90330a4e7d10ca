"""How well scores tell members from others (SCIENCE 5.3): which images an entity has, told from what it published."""

import math

import numpy as np
from jaxtyping import Float

from collab.errors import CollabError


def auc(members: Float[np.ndarray, " members"], others: Float[np.ndarray, " others"]) -> float:
    """The chance that a member scores above another image, ties counted half: .5 tells nothing; below, turn the sign.

    Raises CollabError where one side is empty or a score is NaN.
    """
    _check(members, others)
    ordered = np.sort(others)
    below, not_above = (np.searchsorted(ordered, members, side) for side in ("left", "right"))
    return float((below + not_above).mean() / (2 * len(others)))


def tpr_at_fpr(members: Float[np.ndarray, " members"], others: Float[np.ndarray, " others"], fpr: float) -> float:
    """The largest share of members above a threshold that at most a share `fpr` of the others exceeds.

    No interpolation between thresholds: with fewer others than 1 / fpr not one of them may pass.

    Raises CollabError where one side is empty, a score is NaN, or `fpr` is outside [0, 1].
    """
    _check(members, others)
    if not 0 <= fpr <= 1:
        raise CollabError(f"the rate of true positives at {fpr} false ones was asked; that rate lies in [0, 1].")
    passing = math.floor(fpr * len(others) + 1e-9)  # .29 of 100 is 28.999999999999996
    if passing == len(others):
        return 1.0
    threshold = np.partition(others, len(others) - 1 - passing)[len(others) - 1 - passing]
    return float((members > threshold).mean())


def _check(members: np.ndarray, others: np.ndarray) -> None:
    broken = int(np.isnan(members).sum() + np.isnan(others).sum())
    if not len(members) or not len(others) or broken:
        raise CollabError(
            f"{len(members)} members were to be told from {len(others)} others by scores of which {broken} are NaN; "
            "it needs one of each, and numbers only."
        )
