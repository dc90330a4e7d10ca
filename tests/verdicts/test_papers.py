"""The papers' figures: as printed, complete, and with no mistake that a check of the data file would find."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import MISSING, fields
from importlib.resources import files
from typing import Any, get_args

import pytest

from collab.papers import Expecting, PrintedTable, figures, paper_figure, paper_tables, papers

RANGES = {"percent": (0.0, 100.0), "points": (-100.0, 100.0), "one": (-math.inf, math.inf), "dB": (0.0, 100.0)}
"""Units of columns and what their values lie between; `one` is a number without unit."""

# copied by hand from the papers, not from the data file: table, row, metric, as printed
PRINTED = [
    ("dp_table1", "resnet50", "top1_poisoned", 78.88),  # Guo et al. 2021, Table 1
    ("dp_table1", "resnet101", "top5_original", 95.03),
    ("dp_table2", "resnet50", "l1_poisoned", 0.2928),  # Table 2
    ("dp_table2", "resnet101", "ssim_original", 0.7009),
    ("dp_table3", "MF", "top1", 4.44),  # Table 3
    ("dp_table3", "GF+DPM", "l1", 0.3450),
    ("dp_table3", "w/o", "ssim", 0.7009),
    ("dp_table4", "DeepObfuscator", "sharing_ssim", 0.8232),  # Table 4
    ("dp_table4", "DPM", "privacy_map", 65.95),
    ("dp_table5", "4", "top5", 30.3),  # Table 5
    ("dp_table5", "11", "top1", 58.4),
    ("dpf_table1", "resnet101", "top1_poisoned", 80.78),  # Deep Poisoning Functions, Table 1
    ("dpf_table2", "resnet50", "ssim_original", 0.6730),
    ("dpf_table3", "w/o", "ssim", 0.7099),  # the misprint is the paper's
    ("dpf_table3", "MF+DPF", "top5", 89.96),
    ("dpf_table4", "raw image", "top5", 95.04),
    ("dpf_table4", "conv2_3", "l1_poisoned", 0.3688),
    ("dpf_table4", "conv3_1", "ssim_poisoned", 0.0097),
    ("apt_table1", "4", "ssim", 0.277),  # Xiao et al. 2020, Table 1
    ("apt_table1", "9", "mcc_smiling", 0.851),
    ("apt_table2", "10", "psnr", 12.899),  # Table 2
    ("apt_table2", "3", "feature_similarity", 0.568),
    ("apt_table3", "conv2 w/", "between_variance", 597.48),  # Table 3
    ("apt_table3", "fc w/o", "lda", 2.58),
    ("vm_headline", "shuffling", "accuracy_loss", 2.35),  # Li et al. 2024, abstract
    ("do_headline", "DeepObfuscator", "ms_ssim", 0.3175),
]


@pytest.mark.parametrize(("table", "row", "metric", "value"), PRINTED)
def test_a_figure_is_as_printed(table: str, row: str, metric: str, value: float) -> None:
    (found,) = [each for each in figures(table) if (each.row, each.metric) == (row, metric)]
    assert found.value == value
    assert found.source.split(",")[0] in ("Headline figures", f"Table {table[-1]}")
    assert found.paper in papers()


def test_every_table_with_numbers_is_there() -> None:
    sizes = {name: len(list(figures(name))) for name, table in paper_tables().items() if table.rows}
    assert sizes == {
        "dp_table1": 8, "dp_table2": 8, "dp_table3": 32, "dp_table4": 16, "dp_table5": 24,
        "dpf_table1": 8, "dpf_table2": 8, "dpf_table3": 32, "dpf_table4": 26,
        "apt_table1": 52, "apt_table2": 35, "apt_table3": 60, "do_headline": 4, "vm_headline": 7,
    }  # fmt: skip


def test_tables_that_print_the_same_thing_say_the_same() -> None:
    assert paper_tables()["dpf_table1"].rows == paper_tables()["dp_table1"].rows
    assert paper_tables()["dpf_table2"].rows == paper_tables()["dp_table2"].rows
    for metric in ("top1", "top5"):  # Table 3's DPM is Table 1's resnet101, poisoned
        assert paper_figure("dp_table3", "DPM", metric) == paper_figure("dp_table1", "resnet101", f"{metric}_poisoned")
    for metric in ("l1", "ssim"):
        assert paper_figure("dp_table3", "DPM", metric) == paper_figure("dp_table2", "resnet101", f"{metric}_poisoned")
        assert paper_figure("dpf_table4", "conv4_1", f"{metric}_original") == paper_figure("dp_table3", "w/o", metric)


def test_lda_is_between_over_within_but_for_the_last_layer() -> None:
    printed = paper_tables()["apt_table3"]
    columns = list(printed.columns)
    assert any(row.startswith("fc") for row in printed.rows)
    for row, values in printed.rows.items():
        cell = {metric: value or 0.0 for metric, value in zip(columns, values, strict=True)}
        ratio = cell["between_variance"] / cell["within_variance"]
        assert cell["lda"] == pytest.approx(1 / ratio if row.startswith("fc") else ratio, abs=0.006)


def test_percent_become_parts_of_one_and_what_is_not_printed_is_none() -> None:
    assert paper_figure("dp_table5", "5", "top1") == pytest.approx(0.811)
    assert paper_figure("dp_table2", "resnet50", "l1_original") == 0.0443
    assert paper_figure("dp_table4", "DPM", "sharing_ssim") is None  # "Denied"


def mistakes_in(text: str) -> list[str]:
    """All that is wrong with the text of a data file."""
    wrong: list[str] = []

    def read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in pairs)  # a key that stands twice would lose figures silently
        wrong.extend(f"{key} stands twice" for key, count in counts.items() if count > 1)
        return dict(pairs)

    content = json.loads(text, object_pairs_hook=read_object)
    allowed = {each.name for each in fields(PrintedTable)}
    needed = {each.name for each in fields(PrintedTable) if each.default is each.default_factory is MISSING}
    assert set(content) == {"papers", "tables"}
    for name, stated in content["tables"].items():
        if astray := (set(stated) - allowed) | (needed - set(stated)):
            wrong.append(f"{name}: {', '.join(sorted(astray))}: missing or unknown")
            continue
        if stated["paper"] not in content["papers"]:
            wrong.append(f"{name}: there is no paper {stated['paper']!r}")
        wrong += [f"{name}: {about}" for about in mistakes_of_table(PrintedTable(**stated))]
    return wrong


def mistakes_of_table(table: PrintedTable) -> Iterator[str]:
    if table.expected_by not in (None, *get_args(Expecting)):
        yield f"expected_by is {table.expected_by!r}; it is one of {', '.join(get_args(Expecting))}, or left out"
    if (table.expected_by is None) != (not table.about):
        yield "`expected_by` and `about` go together"
    for metric, unit in table.columns.items():
        if unit not in RANGES:
            yield f"column {metric} has the unknown unit {unit!r}"
    if bool(table.columns) != bool(table.rows):
        yield f"it has no {'rows' if table.columns else 'columns'}"
    for row, values in table.rows.items():
        if len(values) != len(table.columns):
            yield f"row {row} has {len(values)} values for {len(table.columns)} columns"
            continue
        for (metric, unit), value in zip(table.columns.items(), values, strict=True):
            low, high = RANGES.get(unit, (-math.inf, math.inf))
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (is_number and low <= value <= high):
                yield f"row {row}, {metric}: {value!r} is no value in {unit}"


TEXT = files("collab").joinpath("papers.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"4": [13.5, 30.3]', '"4": [13.5]', "row 4 has 1 values for 2 columns"),
        ('"4": [13.5, 30.3]', '"4": [135, 30.3]', "135 is no value in percent"),
        ('"4": [13.5, 30.3]', '"4": ["13.5", 30.3]', "'13.5' is no value in percent"),
        ('"4": [13.5, 30.3]', '"4": [true, 30.3]', "True is no value in percent"),
        ('"4": [13.5, 30.3]', '"3": [13.5, 30.3]', "3 stands twice"),
        ('"top5": "percent"', '"top5": "per cent"', "unknown unit 'per cent'"),
        ('"paper": "vm"', '"paper": "xx"', "there is no paper 'xx'"),
        ('"expected_by": "sweep"', '"expected_by": "swept"', "expected_by is 'swept'; it is one of scenario, sweep"),
        ('"about": "who gains by refining"', '"about": ""', "`expected_by` and `about` go together"),
        ('"place": "section 4.3"', '"plaice": "section 4.3"', "place, plaice: missing or unknown"),
    ],
)
def test_a_planted_fault_in_the_data_file_is_found(old: str, new: str, words: str) -> None:
    assert old in TEXT
    assert mistakes_in(TEXT) == []
    assert any(words in mistake for mistake in mistakes_in(TEXT.replace(old, new)))


def test_all_faults_of_the_data_file_are_told_at_once() -> None:
    content = json.loads(TEXT)
    content["tables"]["dp_table1"]["rows"] = {}
    content["tables"]["dp_table2"]["paper"] = "xx"
    content["tables"]["dp_fig5"]["rows"] = {"1": []}
    assert mistakes_in(json.dumps(content)) == [
        "dp_table1: it has no rows",
        "dp_table2: there is no paper 'xx'",
        "dp_fig5: it has no columns",
    ]
