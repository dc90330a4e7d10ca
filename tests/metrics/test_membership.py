import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from collab.errors import CollabError
from collab.metrics.membership import auc, tpr_at_fpr

SCORES = st.lists(st.integers(-3, 3), min_size=1, max_size=15)


@given(members=SCORES, others=SCORES, fpr=st.sampled_from([0.0, 0.001, 0.1, 0.29, 0.5, 1.0]))
def test_rates_agree_with_scikit_learn(members: list[int], others: list[int], fpr: float) -> None:
    truth, scores = [1] * len(members) + [0] * len(others), members + others
    assert auc(np.array(members, float), np.array(others, float)) == pytest.approx(roc_auc_score(truth, scores))
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    expected = true[false <= fpr + 1e-12].max()
    assert tpr_at_fpr(np.array(members, float), np.array(others, float), fpr) == pytest.approx(expected)


def test_two_bells_have_closed_forms() -> None:
    rng = np.random.default_rng(0)
    members, others = rng.normal(1, 1, 200_000), rng.normal(0, 1, 200_000)
    assert auc(members, others) == pytest.approx(0.5 * (1 + math.erf(1 / 2)), abs=0.003)  # Phi(1 / sqrt 2)
    threshold = 2.3263479  # of a bell 1 % lies above it
    expected = 0.5 * (1 - math.erf((threshold - 1) / math.sqrt(2)))
    assert tpr_at_fpr(members, others, 0.01) == pytest.approx(expected, abs=0.004)


def test_turning_the_sign_turns_the_area() -> None:
    rng = np.random.default_rng(1)
    members, others = rng.integers(0, 20, 70).astype(float), rng.integers(0, 10, 90).astype(float)
    assert auc(members, others) + auc(-members, -others) == pytest.approx(1)
    assert auc(members, others) == pytest.approx(1 - auc(others, members))
    assert auc(members, others) > 0.55


@pytest.mark.parametrize("count", [100, 1000, 3000])
@pytest.mark.parametrize("fpr", [0.001, 0.01, 0.29])
def test_the_rate_of_false_positives_is_used_up(count: int, fpr: float) -> None:
    ladder = np.arange(count, dtype=float)
    allowed = round(fpr * count) if fpr * count >= 1 else 0
    assert tpr_at_fpr(ladder, ladder, fpr) == allowed / count


@pytest.mark.parametrize(("members", "others"), [([], [1]), ([1], []), ([math.nan], [1]), ([1], [1, math.nan])])
def test_scores_are_needed_on_both_sides(members: list[float], others: list[float]) -> None:
    for rate in (auc, lambda a, b: tpr_at_fpr(a, b, 0.1)):
        with pytest.raises(CollabError, match=f"{len(members)} members"):
            rate(np.array(members, float), np.array(others, float))


@pytest.mark.parametrize("fpr", [-0.1, 1.1, math.nan])
def test_a_rate_lies_between_0_and_1(fpr: float) -> None:
    with pytest.raises(CollabError, match="false ones"):
        tpr_at_fpr(np.zeros(2), np.zeros(2), fpr)
