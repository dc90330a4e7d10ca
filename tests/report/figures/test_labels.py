"""The figure and the table of who holds which classes tell what the record of a run says."""

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.report.figures.labels import (
    MOST_COUNTED,
    MOST_COUNTS,
    MOST_NAMES,
    count_effective_classes,
    describe_partition,
    draw_label_map,
    tabulate_counts,
    tabulate_holdings,
)
from collab.report.pages.page import write_page
from collab.results.table import write_results
from collab.scenario.reader import read_scenario, to_yaml
from collab.store.ledger import write_ledger
from tests.places import TINY

CLASSES = ["cat", "dog", "fox"]
LABELS = {"a1": [10, 30, 0], "a2": [0, 0, 7], "a3": [5, 5, 5], "a4": [1, 1, 2]}


@given(st.integers(1, 50), st.integers(1, 9), st.integers(0, 9))
def test_effective_classes_of_even_ones_are_their_number(size: int, classes: int, others: int) -> None:
    assert count_effective_classes([size] * classes + [0] * others) == pytest.approx(classes)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=9))
def test_effective_classes_are_at_most_those_held_and_do_not_depend_on_the_number_of_images(counts: list[int]) -> None:
    found = count_effective_classes(counts)
    held = sum(count > 0 for count in counts)
    assert min(held, 1) - 1e-9 <= found <= held + 1e-9
    assert count_effective_classes([7 * count for count in counts]) == pytest.approx(found)


def test_effective_classes_of_two_have_a_closed_form() -> None:
    assert count_effective_classes([1, 3]) == pytest.approx(4 / 27**0.25)  # exp(ln 4 - 3/4 ln 3)
    assert count_effective_classes([]) == 0


def test_a_line_says_what_an_entity_holds() -> None:
    first, second, *_ = tabulate_holdings(LABELS, CLASSES, "").lines
    assert first == ("a1", "40", "2 of 3", "1.8", "dog (75.0 %)")
    assert second[2:4] == ("1 of 3", "1.0")
    assert second[4].endswith("(100.0 %)")
    assert [line[1] for line in tabulate_counts(LABELS, CLASSES).lines] == ["10", "30", "0"]


def texts(svg: str) -> list[str]:
    """Everything written in the figure; also proves that it is well-formed."""
    element = ElementTree.fromstring(svg.replace("xlink:href", "href"))
    return [each.text or "" for each in element.iter() if each.tag == "text"]


def colors(svg: str) -> list[str]:
    mesh = svg[svg.index('id="QuadMesh_1"') :]
    return re.findall(r"fill: (#[0-9a-f]{6})", mesh[: mesh.index("</g>")])


def test_the_map_has_every_name_and_count_and_a_shade_for_each_share() -> None:
    svg = draw_label_map(LABELS, CLASSES)
    told = texts(svg)
    assert {"a1 (40)", "a2 (7)", "a3 (15)", *CLASSES} <= set(told)
    assert [text for text in told if text.isdecimal()] == [str(count) for counts in LABELS.values() for count in counts]
    shades = [int(color[1:3], 16) for color in colors(svg)]  # of Blues the redder, the lighter
    shares = [count / sum(counts) for counts in LABELS.values() for count in counts]
    assert len(shades) == len(shares) == 12
    order = sorted(range(12), key=lambda at: shares[at])
    assert [shades[at] for at in order] == sorted(shades, reverse=True)
    assert len(set(shades)) == len({round(share, 9) for share in shares})


def test_the_map_is_the_same_for_the_same_labels_and_its_ink_follows_the_page() -> None:
    svg = draw_label_map(LABELS, CLASSES)
    assert svg == draw_label_map(LABELS, CLASSES)
    assert svg != draw_label_map({**LABELS, "a2": [0, 7, 0]}, CLASSES)
    assert not re.search(r'id="patch_1">\s*<path [^>]*fill: #ffffff', svg)
    assert "#000000" not in svg  # black ink is lost on a dark page
    assert "currentColor" in svg
    assert "http" not in svg


def test_names_that_mean_something_to_others_are_written_as_they_are() -> None:
    told = texts(draw_label_map({"a1": [1, 1, 1]}, ["$x_1$", "<b>&", "猫" + 40 * "y"]))
    assert {"$x_1$", "<b>&", "猫" + 22 * "y" + "…"} <= set(told)


@pytest.mark.parametrize("classes", [MOST_COUNTS, MOST_COUNTS + 1, MOST_NAMES, MOST_NAMES + 1, 500])
def test_many_classes_leave_out_what_has_no_room_and_stay_small(classes: int) -> None:
    names = [f"class_{at}" for at in range(classes)]
    svg = draw_label_map({f"e{at}": [at + 1] * classes for at in range(8)}, names)
    told = texts(svg)
    assert (set(names) <= set(told)) == (classes <= MOST_NAMES)
    assert any(text.isdecimal() for text in told) == (classes <= MOST_COUNTS)
    assert len(svg) < 250_000


@pytest.mark.parametrize("entities", [MOST_COUNTED, MOST_COUNTED + 1])
def test_counts_of_many_entities_would_hide_one_another(entities: int) -> None:
    told = texts(draw_label_map({f"e{at}": [at + 1, 2] for at in range(entities)}, ["cat", "dog"]))
    assert any(text.isdecimal() for text in told) == (entities <= MOST_COUNTED)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The files of a run that was stopped before its first task ended."""
    (tmp_path / "scenario.yaml").write_text(
        to_yaml(read_scenario(TINY, ["partition={kind: dirichlet, alpha: 0.5}"]).scenario), encoding="utf-8"
    )
    write_results(tmp_path / "results.parquet", [])
    write_ledger(tmp_path / "ledger.parquet", [])
    record = {
        "classes": ["cat", "dog", "<i>fox"],
        "labels": LABELS,
        "images": {name: sum(counts) for name, counts in LABELS.items()},
        **{"seconds": 1.0, "cores": 2, "python": "3", "torch": "2"},
    }
    (tmp_path / "record.json").write_text(json.dumps(record))
    return tmp_path


class Cells(HTMLParser):
    """The text of every table cell, line by line."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[list[str]] = []
        self._is_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.lines.append([])
        if tag in ("td", "th"):
            self.lines[-1].append("")
        self._is_cell = tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        self._is_cell = False

    def handle_data(self, data: str) -> None:
        if self._is_cell:
            self.lines[-1][-1] += data


def test_the_page_of_a_run_shows_and_tells_who_holds_what(run: Path) -> None:
    page = write_page(run).read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert re.search(r'<figure role="img" aria-label="[^"]+">\s*<svg', page)
    lines = Cells(page).lines
    assert ["a1", "40", "2 of 3", f"{4 / 27**0.25:.1f}", "dog (75.0 %)"] in lines
    assert ["a2", "7", "1 of 3", "1.0", "<i>fox (100.0 %)"] in lines
    assert ["class", "a1", "a2", "a3", "a4"] in lines
    assert ["<i>fox", "0", "7", "5", "2"] in lines
    assert "Partition: dirichlet, alpha 0.5." in page
    assert "<i>" not in page


def test_a_run_of_before_labels_were_recorded_still_has_a_page(run: Path) -> None:
    record = json.loads((run / "record.json").read_text())
    del record["labels"]
    (run / "record.json").write_text(json.dumps(record))
    page = write_page(run).read_text(encoding="utf-8")
    assert "<svg" not in page
    assert "What was sent" in page


def test_counts_of_hundreds_of_classes_are_left_to_the_record(run: Path) -> None:
    record = json.loads((run / "record.json").read_text())
    record |= {"classes": [f"c{at}" for at in range(200)], "labels": {"a1": [1] * 200}, "images": {"a1": 200}}
    (run / "record.json").write_text(json.dumps(record))
    page = write_page(run).read_text(encoding="utf-8")
    assert ["a1", "200", "200 of 200", "200.0", "c0 (0.5 %)"] in Cells(page).lines
    assert "Images of each class" not in page


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "Partition: iid."),
        (["partition={kind: dirichlet, alpha: 0.5}"], "Partition: dirichlet, alpha 0.5."),
        (["entities.a4.overlap={with: a1, fraction: 0.5}"], "Partition: iid; a4 shares 50 % of its images with a1."),
        (["entities.a4.classes=[species_00, species_01]"], "Partition: iid; a4 draws from 2 classes only."),
        (["a3", "a4"], "Partition: iid; images listed by the scenario (`rows`): a3 and a4."),
        (["a1", "a2", "a3", "a4"], "Partition: none; the scenario lists every entity's images (`rows`)."),
    ],
)
@pytest.mark.parametrize("audit", [None, "quick"])  # auditors list nothing, and nothing is dealt to them by a partition
def test_the_page_says_how_images_were_really_dealt(overrides: list[str], words: str, audit: str | None) -> None:
    """`partition` has a default, which says nothing of images that are listed one by one."""
    listed = [name for name in overrides if "=" not in name]
    stated = read_scenario(TINY, [each for each in overrides if "=" in each], audit=audit).scenario
    dealt = tuple(
        each.model_copy(update={"rows": "rows.txt", "share": None}) if each.name in listed else each
        for each in stated.entities
    )
    assert describe_partition(stated.model_copy(update={"entities": dealt})) == words
