"""What is in it for each party is told of its own held-out images, and first."""

from pathlib import Path

import numpy as np
import pytest

from collab.participants.assignment import assign
from collab.participants.sources import Sources
from collab.report.pages.page import write_page
from collab.report.tables.tables import make_tables
from collab.results.local import list_local
from collab.results.opened import open_run
from collab.results.paired import subtract
from collab.results.results import Results
from collab.results.table import Result
from collab.runtime.play import Played
from collab.scenario.reader import read_scenario
from collab.store.answers import Answers
from collab.tasks import MAIN_METRIC
from tests.parties.three_parties import read_parties
from tests.places import TINY


def test_rows_of_a_party_and_of_nobody_are_scored_on_its_own_images(
    root: Path, watched: tuple[Played, dict[str, set[str]]]
) -> None:
    run = open_run(watched[0].run)
    results = Results(run.rows)
    given = assign(read_parties(root), Sources.open(read_parties(root)))
    own = {name: np.isin(given.heldout.rows, given.held_out_of(name).rows) for name in "abc"}
    for row, of, names in (("3", "b", "b"), ("1", "b", "b"), ("2", None, "abc"), ("c_public", None, "abc")):
        whole = results.find(row, of, "top1")
        assert whole is not None
        assert whole.answers is not None
        for name in "abc":
            local = results.find(row, name, "top1_local")
            assert (local is not None) == (name in names)
            if local is not None:
                assert local.value == whole.answers.values[:, own[name]].mean()
                assert local.n == own[name].sum()
                assert local.low is not None
                assert local.low <= local.value <= (local.high or 0)
    shared = weigh(results, {name: int(at.sum()) for name, at in own.items()})
    assert shared == pytest.approx(results.find("c_public", None, "top1").value)  # type: ignore[union-attr]


def weigh(results: Results, counts: dict[str, int]) -> float:
    """The released network on all images, from its figures on those of each party."""
    figures = {name: results.find("c_public", name, "top1_local") for name in counts}
    return sum(counts[name] * (each.value or 0) for name, each in figures.items() if each) / sum(counts.values())


def test_a_gain_on_own_images_is_paired_over_them_and_stands_first_in_the_report(
    watched: tuple[Played, dict[str, set[str]]], tmp_path: Path
) -> None:
    run = open_run(watched[0].run)
    results = Results(run.rows)
    gain = results.find("3", "b", "gain[top1]_local")
    with_pool = results.find("3", "b", "top1_local")
    best = max(
        (results.find(row, "b", "top1_local") for row in ("c_own_b", "c_public")), key=lambda each: each.value or 0  # type: ignore[union-attr]
    )  # fmt: skip
    paired = subtract(with_pool, best)
    assert gain is not None
    assert paired is not None
    assert (gain.value, gain.low, gain.high) == (paired.value, paired.low, paired.high)
    titles = [table.title for table in make_tables(run.scenario, run.rows)]
    assert titles.index("Each on images of its own") < titles.index("Table 5: refinement")
    page = write_page(run, tmp_path / "page.html").read_text()
    told = page[page.index("Who gained") :]
    assert told.index("Each on held-out images of its own:") < told.index("On the held-out images of all:")
    assert "on own images</th>" in told


def test_classes_are_ones_own_where_one_source_is_dealt_and_nothing_is_added_where_all_have_the_same() -> None:
    def places(*overrides: str) -> dict[str, np.ndarray]:
        scenario = read_scenario(TINY, overrides).scenario
        return assign(scenario, Sources.open(scenario)).find_local(entity.name for entity in scenario.entities)

    assert places() == {}
    scenario = read_scenario(TINY).scenario
    private = assign(scenario, Sources.open(scenario)).classes
    given = assign(scenario, Sources.open(scenario))
    two = places(f"entities.a2.classes=[{private[0]}, {private[1]}]", "entities.a2.share=0.2")
    assert set(given.heldout.labels[two["a2"]].tolist()) == {0, 1}
    assert len(two["a1"]) == len(given.heldout)


def test_answers_of_any_kind_are_restricted_to_places() -> None:
    def row(metric: str, answers: Answers, entity: str | None = None) -> Result:
        return Result("s", "7", entity, None, None, metric, 0.5, answers=answers)

    hits = Answers("hits", np.array([[1, 0, 1, 1]], bool), images="x")
    made = list_local(MAIN_METRIC["classification"], [row("top1", hits), row("top1_sd", hits)], {
        "a": np.array([0, 1]), "b": np.array([2, 3]),
    })  # fmt: skip
    assert [(each.entity, each.metric, each.value, each.n) for each in made] == [
        ("a", "top1_local", 0.5, 2), ("b", "top1_local", 1.0, 2),
    ]  # fmt: skip
    assert len({each.answers.images for each in made if each.answers} - {"x"}) == 2
    assert list_local(MAIN_METRIC["classification"], [row("top1", hits, "c")], {"a": np.array([0])}) == []
    errors = Answers("errors", np.array([[1, 3, 8]], np.float16), images="x")
    (pose,) = list_local(MAIN_METRIC["pose"], [row("degrees", errors, "a")], {"a": np.array([0, 1])})
    assert (pose.metric, pose.value) == ("degrees_local", 2.0)
