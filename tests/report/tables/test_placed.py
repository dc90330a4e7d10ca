"""A metric that a catalog entry places in a table has its column there, or its line, and nothing else names it."""

from dataclasses import replace

import pytest

from collab.report.cells import Table
from collab.report.tables.tables import make_tables
from collab.results.catalog import CATALOG, Entry, Place
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from tests.places import SCENARIOS
from tests.report.made_up import row, scenario

SHARPNESS = Entry("sharpness", "sharpness", "how sharp images are", scale=10.0, digits=2)
EXPOSED = scenario("exposure={decoders: [{name: small}, {name: large}], attributes: [glasses]}", "data.task=attributes")


def find_table(title: str, stated: Scenario, *placed: tuple[str, str], entity: str = "a1") -> Table:
    """A table of results that have a sharpness (or several) by the row and the name of each."""
    rows = [
        row("tables_1_2", entity, "map_original", 0.9), row("tables_1_2", entity, "map_poisoned", 0.8),
        row("tables_1_2", entity, "vfe[8]_published", 9.0), row("exposure", entity, "lda", 0.5),
        row("exposure", entity, "knn[glasses]", 0.6), row("inference", entity, "privacy_map_plain", 0.7),
        *(row(name, entity, metric, 0.314) for name, metric in placed),
    ]  # fmt: skip
    return next(table for table in make_tables(stated, rows) if table.title.startswith(title))


@pytest.mark.parametrize(
    ("place", "title", "name", "metric"),
    [
        ("equivalence", "Table 1", "tables_1_2", "sharpness"),
        ("attributes", "Single attributes", "exposure", "sharpness[glasses]"),
        ("decoders", "What published features", "exposure", "sharpness"),
    ],
)
def test_a_placed_metric_has_a_column(
    place: Place, title: str, name: str, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "sharpness" not in find_table(title, EXPOSED, (name, metric)).columns
    monkeypatch.setitem(CATALOG, "sharpness", replace(SHARPNESS, place=place))
    table = find_table(title, EXPOSED, (name, metric))
    assert table.lines[0][table.columns.index("sharpness")] == "3.14 ±0.10"


def test_a_metric_of_a_decoder_stands_on_its_line_and_one_of_the_entity_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOG, "sharpness", replace(SHARPNESS, place="decoders"))
    table = find_table("What published features", EXPOSED, ("exposure", "sharpness[large]"))
    places = [table.columns.index(head) for head in ("decoder", "LDA", "sharpness")]
    assert [tuple(line[place] for place in places) for line in table.lines] == [
        ("small", "0.500 ±0.010", "—"), ("large", "0.500 ±0.010", "3.14 ±0.10"),
    ]  # fmt: skip


def test_columns_stand_in_the_order_of_the_catalog() -> None:
    names = [("exposure", name) for name in ("lda", "decoded_ssim11[small]", "feature_similarity")]
    assert find_table("What published", EXPOSED, *names).columns[3:] == ("feature sim.", "SSIM", "LDA")


def test_a_question_of_the_catalog_has_a_line_with_all_its_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = replace(SHARPNESS, quantity="sight_{reader}", title="sight", place="inference")
    monkeypatch.setitem(CATALOG, entry.quantity, entry)
    placed = [("inference", f"sight_{suffix}") for suffix in ("fresh", "plain", "chance")]
    table = find_table("Private facts", EXPOSED, *placed)
    assert [line[2:] for line in table.lines] == [
        ("private attributes, mAP %", "70.0 ±1.0", "—", "—", "—"),
        ("sight", "3.14 ±0.10", "—", "3.14 ±0.10", "0.314 ±0.010"),  # a guess has an entry of its own, if any
    ]


def test_every_question_ends_with_its_reader() -> None:
    questions = [entry.quantity for entry in CATALOG.values() if entry.place == "inference"]
    assert questions
    assert all(quantity.endswith("_{reader}") for quantity in questions)


def test_a_metric_of_published_images_has_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = read_scenario(SCENARIOS / "visualmixer.yaml").scenario
    name = next(entity.name for entity in stated.entities if entity.form.publishes_images)
    monkeypatch.setitem(CATALOG, "sharpness", replace(SHARPNESS, place="published"))
    table = find_table("Published images", stated, ("tables_1_2", "sharpness_published"), entity=name)
    assert table.lines[0][table.columns.index("sharpness published")] == "3.14 ±0.10"
