"""An audit is read for the worst of its attacks: a perfect defense may not be blamed for their number."""

import numpy as np
import pytest

from collab.report.attack_page.cells import judge_attacks
from collab.results.opened import Opened
from collab.results.table import Result
from collab.scenario.reader import read_scenario
from tests.places import TINY
from tests.report.attack_page.false_words import count_false, draw


@pytest.mark.parametrize("victims", [1, 3])
def test_at_most_one_audit_in_twenty_of_a_perfect_defense_speaks_of_leaks(victims: int) -> None:
    """Of 1,000 audits 2 to 4 % do (`python -m tests.report.attack_page.false_words`); before, 43 % with one victim."""
    assert count_false(150, victims=victims) <= 0.05


def test_what_one_attack_finds_clearly_is_told_among_many_that_find_nothing(tmp_path) -> None:  # type: ignore[no-untyped-def]
    scenario, rng = read_scenario(TINY).scenario, np.random.default_rng(0)
    rows = [result for name in ("a1", "a2") for result in draw(rng, name, 12)]

    def found(value: float) -> str:
        more = [
            Result("tiny", "by spy", name, "dpm", "good", "leakage[ssim_max]", at, at - 0.04, at + 0.04, 256, 0)
            for name, at in (("a1", value - 0.1), ("a2", value + 0.1))
        ]
        cells = judge_attacks(Opened.of_results(tmp_path, scenario, [*rows, *more], {}))
        return next(cell.word for cell in cells if cell.attack == "good")

    assert found(0.3) == "leaks"  # on either victim, however much the two differ
    assert found(0.6) == "broken"
    assert found(0.01) == "not broken by this suite"
