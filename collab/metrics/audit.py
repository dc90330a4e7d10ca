"""What scores of an attack prove about ε: a lower bound of it, from how rarely outsiders score like members."""

import math

import numpy as np
from jaxtyping import Float

from collab.errors import CollabError

LEAST_SCORES = 4
"""Of a kind: half of them choose the threshold."""


def epsilon_lower_bound(
    members: Float[np.ndarray, " members"],
    others: Float[np.ndarray, " others"],
    *,
    delta: float,
    confidence: float = 0.95,
) -> float:
    r"""The ε that a mechanism has at least, if scores are of runs with and without a unit; 0 where nothing is proven.

    $$ \ln \frac{\mathrm{TPR} - \delta}{\mathrm{FPR}} \le \epsilon $$

    at the threshold that proves most on every second score, with Clopper-Pearson bounds of both rates on the others
    (Jagielski et al., NeurIPS 2020). With members and other images of one run, which were not drawn by lot, it is an
    indication. Raises CollabError for fewer than four scores of a kind, or a NaN.
    """
    if min(len(members), len(others)) < LEAST_SCORES or bool(np.isnan(members).any() or np.isnan(others).any()):
        raise CollabError(
            f"{len(members)} and {len(others)} scores, some perhaps NaN, prove nothing. Give four of each."
        )
    thresholds = np.unique(others[::2])
    best = max(thresholds, key=lambda at: _bound(members[::2], others[::2], at, delta, confidence))
    return max(0.0, _bound(members[1::2], others[1::2], best, delta, confidence))


def _bound(members: np.ndarray, others: np.ndarray, threshold: float, delta: float, confidence: float) -> float:
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    hits, alarms = int((members > threshold).sum()), int((others > threshold).sum())
    true = float(beta.ppf(tail, hits, len(members) - hits + 1)) if hits else 0.0
    false = float(beta.ppf(1 - tail, alarms + 1, len(others) - alarms)) if alarms < len(others) else 1.0
    return math.log((true - delta) / false) if true > delta else -math.inf
