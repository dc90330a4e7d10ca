"""What sharing brings against what attacks got: which share stands for a point, and what is drawn."""

import pytest

from collab.report.figures.frontier import draw_attacked_frontier, list_got
from collab.results.aggregate import Mean
from collab.results.figure import Figure

POINTS = [(("publishes", name),) for name in ("plain", "answers")]


def found(point: int, metric: str, value: float, attack: str | None = "matching") -> Mean:
    return Mean(POINTS[point], "by eve", "a2", metric, Figure(value, n=1), attack)


def gain(point: int, value: float, entity: str = "a1") -> Mean:
    return Mean(POINTS[point], "shared", entity, "gain[top1]", Figure(value, value - 0.02, value + 0.02, 1))


MEANS = [
    Mean(POINTS[0], "shared", "a1", "top1", Figure(0.7, n=1)),
    found(0, "leakage[ssim_max]", 0.4, "leaked_pairs[64]"),
    found(0, "match_top1", 0.9),
    found(0, "match_chance", 0.001),
    found(0, "leakage[ssim_max]_worst", 1.5, "leaked_pairs[64]"),
    found(1, "membership_tpr[1]", 0.05, "answer_membership"),
    found(1, "membership_auc", 0.6, "answer_membership"),
    found(1, "match_top1", 1.0, None),
]


def test_what_attacks_got_are_shares_that_a_guess_has_nothing_of() -> None:
    assert list_got(MEANS, POINTS[0]) == [0.4, 0.9]
    assert list_got(MEANS, POINTS[1]) == pytest.approx([0.04])
    assert list_got([found(0, "leakage[pdist]", -0.3)], POINTS[0]) == [0.0]


def test_a_point_is_named_where_both_were_measured_and_one_alone_is_not_drawn() -> None:
    gains = [gain(0, 0.1), gain(0, 0.06, "a3"), gain(1, 0.05)]
    drawn = draw_attacked_frontier(MEANS, gains)
    assert ">plain</text>" in drawn
    assert ">answers</text>" in drawn
    assert draw_attacked_frontier(MEANS, gains[:2]) == ""
    assert draw_attacked_frontier(MEANS[:-3], gains) == ""
    assert draw_attacked_frontier(MEANS, []) == ""
