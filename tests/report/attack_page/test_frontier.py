"""The frontier of a sweep that was attacked: gains beside what each class of adversary got, as a table and drawn."""

from dataclasses import replace

import pytest

from collab.report.attack_page.frontier import (
    Attacked,
    draw_attacked_frontier,
    gather_attacked,
    name_attacked,
    tabulate_attacked,
)
from collab.report.attack_page.got import Got, find_most
from collab.results.aggregate import Mean, Point
from collab.results.figure import Figure
from collab.tasks import find_main_metric

PLAIN, NOISY = ((("publishes", name),) for name in ("plain", "noisy"))
MAIN = find_main_metric(["top1"])


def got(share: float, adversary: str = "outsider", what: str = "rows", defense: str = "dpm", of: str = "a2") -> Got:
    rows = ("shared", "also") if defense == "dpm" else ()
    return Got(defense, (of,), rows, adversary, "matching", what, Figure(share))


def mean(point: Point, row: str, metric: str, value: float, attack: str | None = None) -> Mean:
    return Mean(point, row, "a2", metric, Figure(value, n=1), attack)


def gain(point: Point, row: str, entity: str, value: float) -> Mean:
    return Mean(point, row, entity, "gain[top1]", Figure(value, value - 0.02, value + 0.02))


MEANS = [
    mean(PLAIN, "publish", "bytes_published", 2_000_000),
    mean(NOISY, "publish", "bytes_published", 60_000),
    mean(NOISY, "tables_1_2", "dp_epsilon", 8),
    mean(NOISY, "by eve", "dp_epsilon_found", 3.5, "another"),
    mean(NOISY, "by eve", "dp_epsilon_found", 1.25, "matching"),
    mean(PLAIN, "by eve", "dp_epsilon_found", 3.5, "matching"),
    gain(PLAIN, "shared", "a1", 0.1),
    gain(PLAIN, "also", "a3", 0.06),
    gain(PLAIN, "all", "a3", 0.5),
]
OF_PLAIN = [[got(0.9), got(1.0, "insider", "images"), got(0.3, what="members")]] * 2
FOUND = {PLAIN: OF_PLAIN, NOISY: [[got(0.1)]]}


def test_a_line_has_gain_bytes_each_class_members_and_what_is_proven_of_epsilon() -> None:
    table = tabulate_attacked(MAIN, ["publishes"], gather_attacked(MEANS, FOUND))
    assert table is not None
    assert table.columns == ("publishes", "gain", "published", "outsider", "insider", "members", "ε (proven)")
    assert table.lines == (
        (
            "plain", "+8.0 ±2.0", "2.0 MB", "90 % of rows, matching",
            "100 % of images, matching", "30 % of members, matching", "—",
        ),
        ("noisy", "—", "60.0 kB", "10 % of rows, matching", "—", "—", "8 (1.25)"),
    )  # fmt: skip


def test_without_a_guarantee_there_is_no_column_of_it_and_without_attacks_no_table() -> None:
    table = tabulate_attacked(MAIN, ["publishes"], gather_attacked(MEANS, {PLAIN: OF_PLAIN}))
    assert table is not None
    assert table.columns[-1] == "members"
    assert "ε" not in table.notes[1]
    assert gather_attacked(MEANS, {PLAIN: [[]]}) == []
    assert tabulate_attacked(MAIN, ["publishes"], []) is None


def test_defenses_beside_each_other_have_a_line_each_with_the_rows_that_read_it_alone() -> None:
    found = {PLAIN: [[*OF_PLAIN[0], got(0.2, defense="none", of="b")]]}
    points = gather_attacked(MEANS, found)
    assert [(each.defense, each.gain and round(each.gain.value, 9), each.published) for each in points] == [
        ("dpm", 0.08, 2_000_000),
        ("none", None, None),
    ]
    table = tabulate_attacked(MAIN, ["publishes"], points)
    assert table is not None
    assert (table.columns[:2], [line[1] for line in table.lines]) == (("publishes", "defense"), ["dpm", "none"])
    without_axes = gather_attacked([replace(each, values=()) for each in MEANS], {(): OF_PLAIN})
    assert name_attacked(without_axes) == [("dpm",)]


def test_weights_of_a_federated_row_are_a_line_of_their_own_with_its_gain_bytes_and_epsilon() -> None:
    """The attacks on what a2 publishes prove nothing of the row's ε, and the other way round."""
    means = [
        mean(PLAIN, "fed", "bytes_sent", 500_000), mean(PLAIN, "fed", "dp_epsilon", 8),
        mean(PLAIN, "by eve", "dp_epsilon_found", 0.25, "rounds"),
        gain(PLAIN, "fed", "a1", 0.2), gain(PLAIN, "fed", "a2", 0.9),
        Mean(PLAIN, "fed", "a1", "gain[top1]_local", Figure(0.7)),
    ]  # fmt: skip
    rounds = Got("weights of fed", ("a2",), ("fed",), "outsider", "rounds", "members", Figure(0.05))
    points = gather_attacked([*MEANS, *means], {PLAIN: [[*OF_PLAIN[0], rounds]]})
    of_rows, of_weights = points
    assert (of_rows.epsilon, of_rows.published) == (None, 2_000_000)
    assert of_weights.gain is not None
    assert (of_weights.gain.value, of_weights.published) == (pytest.approx(0.2), 500_000)
    assert (of_weights.epsilon, of_weights.proven) == (8, 0.25)


def test_weights_that_are_the_same_at_each_point_are_one_line() -> None:
    rounds = Got("weights of fed", ("a2",), ("fed",), "outsider", "rounds", "members", Figure(0.05))
    alike = {point: [[*FOUND[point][0], rounds]] for point in (PLAIN, NOISY)}
    points = gather_attacked(MEANS, alike)
    assert name_attacked(points) == [("plain", "dpm"), ("noisy", "dpm"), ("any", "weights of fed")]
    other = replace(rounds, share=Figure(0.06))
    apart = gather_attacked(MEANS, {**alike, NOISY: [[*FOUND[NOISY][0], other]]})
    assert [name for name, defense in name_attacked(apart) if defense == "weights of fed"] == ["plain", "noisy"]


def attacked(name: str, gain: float | None, *shares: tuple[str, float]) -> Attacked:
    found = [[Got("dpm", ("a2",), (), adversary, "matching", "rows", Figure(share)) for adversary, share in shares]]
    figure = None if gain is None else Figure(gain, gain - 0.02, gain + 0.02)
    return Attacked((("publishes", name),), "dpm", figure, None, None, None, find_most(found), None)


def test_a_point_is_named_where_both_were_measured_and_one_alone_is_not_drawn() -> None:
    plain, answers = attacked("plain", 0.1, ("outsider", 0.9)), attacked("answers", 0.05, ("insider", 0.1))
    drawn = draw_attacked_frontier(MAIN, [plain, answers])
    assert ">plain</text>" in drawn
    assert ">answers</text>" in drawn
    assert draw_attacked_frontier(MAIN, [plain]) == ""
    assert draw_attacked_frontier(MAIN, [plain, attacked("answers", None, ("insider", 0.1))]) == ""
    assert draw_attacked_frontier(MAIN, [plain, attacked("answers", 0.05)]) == ""


def test_who_reads_the_store_alone_is_drawn_apart_from_who_has_more() -> None:
    def marks(*shares: tuple[str, float]) -> int:
        other = attacked("answers", 0.05, ("insider", 0.1))
        return draw_attacked_frontier(MAIN, [attacked("plain", 0.1, *shares), other]).count("<use ")

    more = marks(("outsider", 0.4), ("module leaked", 0.9)) - marks(("module leaked", 0.9))
    assert more > 0  # the filled mark of the outsider
    assert marks(("collaborator", 0.4), ("insider", 0.9)) == marks(("outsider", 0.4), ("insider", 0.9))
