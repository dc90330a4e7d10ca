"""The table of half widths, paired and not."""

from dataclasses import replace

import numpy as np
import pytest

from collab.report.tables.half_widths import tabulate_half_widths
from collab.results.results import Results
from collab.store.answers import Answers
from tests.report.made_up import row, scenario


def test_it_has_a_line_for_each_row_that_reads_others_and_says_what_pairing_is_worth() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random((1, 1000))

    def answered(name: str, share: float) -> object:
        hits = hard + rng.normal(0, 0.05, hard.shape) < share
        value = float(hits.mean())
        reach = 1.96 * (value * (1 - value) / 1000) ** 0.5
        return replace(row(name, "a1", "top1", value, reach, n=1000), answers=Answers("hits", hits, images="x"))

    made = [
        answered("7", 0.62),
        answered("c_own_a1", 0.6),
        row("8", "a2", "top1", 0.5),
        row("c_own_a2", "a2", "top1", 0.5),
    ]
    (line,) = tabulate_half_widths(scenario(), Results(made)).lines  # type: ignore[arg-type]
    name, entity, _, paired, unpaired, ratio, n, repeats = line
    assert (name, entity, n, repeats) == ("7", "a1", "1000", "1")
    assert float(unpaired) == pytest.approx(1.96 * 100 * (2 * 0.24 / 1000) ** 0.5, abs=0.1)
    assert float(ratio) > 2
    assert float(ratio) == pytest.approx(float(unpaired) / float(paired), abs=0.1)
