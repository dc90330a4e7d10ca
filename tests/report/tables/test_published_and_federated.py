"""Tables, curves and claims of published images and of federations, from made-up figures."""

import pytest

from collab.report.tables.federated import draw_exchange, find_ways, tabulate_exchange
from collab.report.tables.published import draw_entropy, tabulate_published_images
from collab.report.tables.tables import describe, make_tables
from collab.results.results import Results
from collab.results.table import Result
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.verdicts.verdicts import judge
from tests.report.made_up import TINY, row

ENTITIES = (
    "entities=[{name: a1, share: 0.1, defense: none}, "
    "{name: a2, share: 0.1, defense: {kind: visual_mixer, gain: 1.5}}, "
    "{name: a3, share: 0.1, defense: {kind: pixel_noise, gain: 1.5}}]"
)
ROWS = (
    "refinements=[{row: raw, entity: a2, own: images}, {row: m, entity: a2, own: published}, "
    "{row: n, entity: a3, own: published}, {row: both, entity: a2, own: published, pool: [a3]}, "
    "{row: with, entity: a1, own: features, pool: [a2, a3]}]"
)
FEDERATED = "federated=[{row: fed, entities: [a1, a2], rounds: 2}]"


def scenario(*more: str) -> Scenario:
    return read_scenario(TINY, (ENTITIES, ROWS, "controls=false", "expect={paper: vm_headline}", *more)).scenario


def shown(
    mixed: float = 0.7, noisy: float = 0.5, vfe: tuple[float, float] = (9.0, 8.9), reach: float = 0.01
) -> list[Result]:
    made = [row("raw", "a2", "top1", 0.8), row("c_public", None, "top1", 0.4), row("with", "a1", "top1", 0.6)]
    for name, line, top1, entropy in (("a2", "m", mixed, vfe[0]), ("a3", "n", noisy, vfe[1])):
        made += [
            row("tables_1_2", name, "vfe[8]_original", 6.0), row("tables_1_2", name, "vfe[8]_published", entropy),
            row("tables_1_2", name, "ssim[7]_published", 0.2), row(line, name, "top1_published", top1, reach),
            row(line, name, "top1", 0.3), row("publish", name, "bytes_published", 1e6, None),
        ]  # fmt: skip
    made += [row("tables_1_2", "a2", "is_saturated", 0.1), row("publish", "a1", "bytes_published", 2e6, None)]
    return made


def federated() -> list[Result]:
    made = []
    for name in ("a1", "a2"):
        made += [row("fed", name, metric, value) for metric, value in (
            ("top1", 0.65), ("top1_round[1]", 0.55), ("top1_round[2]", 0.65), ("rounds", 2.0),
            ("bytes_sent", 4e5), ("bytes_read", 4e5))]  # fmt: skip
    return made


def test_images_have_a_line_for_each_entity_that_publishes_them() -> None:
    table = tabulate_published_images(scenario(), Results(shown()))
    assert [line[:2] for line in table.lines] == [("a2", "visual_mixer"), ("a3", "pixel_noise")]
    assert table.lines[0][4:6] == ("1.50", "10.0 ±1.0")
    assert table.lines[1][5] == "—"  # noise is never out of reach
    assert table.lines[0][-2:] == ("70.0 ±1.0", "30.0 ±1.0")
    assert [describe(each) for each in scenario().refinements[1:4]] == [
        "M(a2), from scratch", "M(a3), from scratch", "M(a2) ∪ M(a3), from scratch"
    ]  # fmt: skip
    assert any(each.title == "Published images" for each in make_tables(scenario(), shown()))
    assert "visual_mixer" in draw_entropy(scenario(), shown())


def test_without_published_images_there_is_no_table_and_no_curve() -> None:
    plain = read_scenario(TINY).scenario
    assert not tabulate_published_images(plain, Results([])).lines
    assert not draw_entropy(plain, [])
    assert not tabulate_exchange(plain, Results([])).lines
    assert not draw_exchange(plain, [])


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (shown(), "holds"),
        (shown(0.51, 0.5, reach=0.05), "undecided"),
        (shown(0.4, 0.5), "off by 10 points"),
        (
            shown(0.7, 0.5, vfe=(7.0, 9.0)),
            "not comparable: a3 is the nearest, and a2 has -22 % of its visual feature entropy",
        ),
    ],
)
def test_shuffling_must_keep_more_than_noise_of_no_more_entropy(rows: list[Result], told: str) -> None:
    (verdict,) = [each for each in judge(scenario(), rows) if each.claim == "shuffling keeps more"]
    assert verdict.verdict == told
    assert verdict.expected == "a2 above a3"
    assert verdict.has_failed == told.startswith("off")


def test_entropy_must_rise() -> None:
    for published, fails in ((9.0, False), (5.0, True)):
        made = judge(scenario(), shown(vfe=(published, 8.9)))
        (verdict,) = [each for each in made if each.claim == "shuffling raises entropy"]
        assert verdict.has_failed is fails


def test_figures_of_the_paper_are_not_comparable() -> None:
    figures = [each for each in judge(scenario(), shown()) if each.claim == "figures"]
    assert figures
    assert all(each.verdict.startswith("not comparable: means over four data sets") for each in figures)


def test_both_ways_stand_side_by_side() -> None:
    made, stated = shown() + federated(), scenario(FEDERATED)
    first, second, third = find_ways(stated, Results(made))
    assert (first.entity, first.row, first.rounds, first.sent, first.read) == ("a1", "with", 1, 2e6, 2e6)
    assert (second.row, second.rounds, list(second.points)) == ("fed", 2, [(4e5, pytest.approx(0.55)), (8e5, 0.65)])
    assert third.entity == "a2"
    table = tabulate_exchange(stated, Results(made))
    assert [line[:2] for line in table.lines] == [
        ("a1", "c_public"), ("a1", "with"), ("a1", "fed"), ("a2", "c_public"), ("a2", "fed")
    ]  # fmt: skip
    assert table.lines[2][3:5] == ("65.0 ±1.0", "2")
    assert "entity a2" in draw_exchange(stated, made)
