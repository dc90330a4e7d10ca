"""How well scores tell members from others (SCIENCE 5.3): which images an entity has, told from what it published."""

import numpy as np
from jaxtyping import Float

from collab.errors import CollabError


def auc(members: Float[np.ndarray, " members"], others: Float[np.ndarray, " others"]) -> float:
    """The chance that a member scores above another image, ties counted half: .5 tells nothing; below, turn the sign.

    Raises CollabError where one side is empty or a score is NaN.
    """
    _check(members, others)
    # roc_auc_score adds up areas of trapezoids, which changes the last bit, and takes 35 times as long.
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
        raise CollabError(f"there is no rate of true positives at {fpr} false ones. Take a rate in [0, 1].")
    from sklearn.metrics import roc_curve

    is_member = np.repeat([True, False], [len(members), len(others)])
    false, true, _ = roc_curve(is_member, np.concatenate((members, others)), drop_intermediate=False)
    return float(true[false <= fpr + 1e-12].max())


def _check(members: np.ndarray, others: np.ndarray) -> None:
    broken = int(np.isnan(members).sum() + np.isnan(others).sum())
    if not len(members) or not len(others) or broken:
        raise CollabError(
            f"{len(members)} members cannot be told from {len(others)} others by scores of which {broken} are NaN. "
            "Give one of each at least, and numbers only."
        )
