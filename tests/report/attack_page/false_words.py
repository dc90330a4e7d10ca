"""Audits of a defense that gives nothing away: how many say that it leaks, or is broken.

    python -m tests.report.attack_page.false_words 1000

All scores are drawn as they are where there is nothing to find, independently of each other, which is the worst case
for a family; the words are those of the audit itself.
"""

import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from collab.metrics.intervals import share_interval
from collab.report.attack_page.cells import judge_attacks
from collab.report.attack_page.verdicts import judge_defenses
from collab.results.opened import Opened
from collab.results.table import Result
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from tests.places import TINY

ROWS, CANDIDATES = 256, 64
FALSE = ("leaks", "broken")

wilson = lru_cache(maxsize=None)(share_interval)


def draw(rng: np.random.Generator, name: str, attacks: int) -> Iterator[Result]:
    """What so many attacks score on one victim of a perfect defense: images, matches, members and attributes."""

    def result(attack: str, metric: str, value: float, low: float | None = None, high: float | None = None) -> Result:
        return Result("tiny", "by spy", name, "dpm", attack, metric, value, low, high, ROWS, 0)

    def normal(attack: str, metric: str, truth: float, error: float) -> Result:
        value = truth + error * float(rng.normal())
        return result(attack, metric, value, value - 1.96 * error, value + 1.96 * error)

    for number in range(attacks):
        yield normal(f"images_{number}", "leakage[ssim_max]", 0.0, 0.06)
        yield normal(f"images_{number}", "leakage[pdist]", 0.0, 0.06)
        yield normal(f"images_{number}", "ssim_max[7]", 0.15, 0.01)
    for number in range(2):
        hits = int(rng.binomial(ROWS, 1 / CANDIDATES))
        yield result(f"matches_{number}", "match_top1", hits / ROWS, *wilson(hits, ROWS))
        yield result(f"matches_{number}", "match_chance", 1 / CANDIDATES)
    yield normal("members", "membership_auc", 0.5, 0.025)
    for color in ("red", "green", "blue"):
        yield normal("attributes", f"attribute_r2[{color}]", 0.3, 0.04)
        yield result("attributes", f"attribute_r2[{color}]_prior_class_mean", 0.3)


def count_false(audits: int, *, victims: int = 2, attacks: int = 9, seed: int = 0) -> float:
    """The share of audits that call a perfect defense leaking or broken."""
    scenario, rng, false = read_scenario(TINY).scenario, np.random.default_rng(seed), 0
    names = [entity.name for entity in scenario.entities][:victims]
    for _ in range(audits):
        rows = [result for name in names for result in draw(rng, name, attacks)]
        false += is_false(scenario, rows)
    return false / audits


def is_false(scenario: Scenario, rows: list[Result]) -> bool:
    """Whether the audit of these rows finds anything."""
    run = Opened.of_results(Path(), scenario, rows, {})
    return any(judgement.cell.word in FALSE for judgement in judge_defenses(judge_attacks(run)))


if __name__ == "__main__":
    audits = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for victims in (1, 2, 3):
        share = count_false(audits, victims=victims)
        print(f"{victims} victims, {audits:,} audits of a perfect defense: {100 * share:.1f} % false words", flush=True)
