"""Whom attacks hit: planted victims come first, chance hits nobody, and the rest is what is left without them."""

from collections.abc import Mapping

import numpy as np
import pytest

from collab.results.exposed import expose, find_chance, find_exposed, measure_rest
from collab.store.judged import Judged

COUNT = 200


def judged(answers: str, scores: Mapping[str, np.ndarray], name: str = "", *, needs_module: bool = False) -> Judged:
    return Judged("spy", name or answers, "a1", answers, needs_module, np.arange(COUNT)[::-1], scores)


def images(rng: np.random.Generator, gained: np.ndarray | float = 0.0) -> Judged:
    guess = rng.uniform(0.1, 0.3, COUNT)
    made = {
        "ssim_max": guess + gained + rng.normal(0, 0.05, COUNT),
        "ssim_max_open": guess + 0.5,
        "ssim_max_guess": guess,
    }
    return judged("images", made)


def matches(rng: np.random.Generator, found: np.ndarray | None = None) -> Judged:
    rank = rng.integers(1, 101, COUNT).astype(float)
    if found is not None:
        rank[found] = 1
    return judged("matches", {"rank": rank, "candidates": np.array([100.0])})


def members(rng: np.random.Generator, shift: np.ndarray | float = 0.0) -> Judged:
    return judged("members", {"member": rng.normal(size=COUNT) + shift, "other": rng.normal(size=300)})


def test_planted_victims_of_different_attacks_come_first() -> None:
    rng, hit = np.random.default_rng(0), np.zeros(COUNT)
    hit[:40] = 0.4  # the first forty scores, whose images have the numbers 199 to 160
    found = find_exposed([images(rng, hit), matches(rng, np.arange(40, 80)), members(rng)])
    assert {each.answers for each in found.by} == {"images", "matches"}
    assert found.tried == 3
    planted = set(range(120, 200))
    assert len(planted & set(found.rows[:80].tolist())) > 70  # chance matches one in a hundred of the others
    assert found.exposure[0] == 1.0  # a match at rank 1
    assert (np.diff(found.exposure) <= 0).all()
    matched = [found.by[place].answers for place in found.worst[:40]]
    assert matched == ["matches"] * 40


@pytest.mark.parametrize("seed", range(4))
def test_what_chance_explains_counts_for_nobody(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = find_exposed([images(rng), matches(rng), members(rng)])
    assert found.by == ()
    assert len(found.rows) == COUNT  # in an order that nobody is to believe


def test_who_has_the_module_counts_where_it_is_public() -> None:
    rng = np.random.default_rng(0)
    stolen = judged("images", images(rng, 0.4).scores, needs_module=True)
    assert find_exposed([stolen]).by == ()
    assert find_exposed([stolen], has_module=True).by == (stolen,)


def test_shares_are_of_the_images_that_were_looked_at_and_one_at_least() -> None:
    found = find_exposed([images(np.random.default_rng(0), 0.3)])
    assert [len(found.most(share)) for share in (0.001, 0.01, 0.05, 0.1)] == [1, 2, 10, 20]
    assert np.array_equal(found.most(0.05), found.rows[:10])
    assert len(find_exposed([]).most(0.1)) == 0


def test_the_rest_is_what_the_same_attack_scores_on_it() -> None:
    rng = np.random.default_rng(3)
    for each in (images(rng, 0.2), matches(rng, np.arange(50)), members(rng, 0.8)):
        left_out = find_exposed([each]).most(0.25)
        kept = ~np.isin(each.rows, left_out)
        alone = Judged(*(each.attacker, each.attack, each.victim, each.answers, False), each.rows[kept], {
            name: values[kept] if len(values) == COUNT else values for name, values in each.scores.items()
        })  # fmt: skip
        nobody = left_out[:0]
        assert measure_rest(each, left_out) == measure_rest(alone, nobody)
        assert measure_rest(each, left_out) < measure_rest(each, nobody)  # type: ignore[operator]
        assert measure_rest(each, each.rows) is None


def test_leakage_has_its_closed_form_and_none_without_a_scale() -> None:
    guess, made = np.full(COUNT, 0.2), np.full(COUNT, 0.3)
    parts = {"ssim_max": made, "ssim_max_open": np.full(COUNT, 0.6), "ssim_max_guess": guess}
    assert measure_rest(judged("images", parts), np.zeros(0)) == pytest.approx(0.25)
    by_distance = {"pdist": np.full(COUNT, 0.4), "pdist_open": np.full(COUNT, 0.1), "pdist_guess": np.full(COUNT, 0.5)}
    assert measure_rest(judged("images", parts | by_distance), np.zeros(0)) == pytest.approx(0.25)
    by_distance["pdist"] = np.full(COUNT, 0.3)
    assert measure_rest(judged("images", parts | by_distance), np.zeros(0)) == pytest.approx(0.5)  # the larger of both
    blind = {**parts, "ssim_max_open": guess}
    assert measure_rest(judged("images", blind), np.zeros(0)) is None


def test_chances_agree_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(5)
    some = members(rng, 0.1)
    expected = stats.mannwhitneyu(
        some.scores["member"], some.scores["other"], alternative="greater", use_continuity=False
    )
    assert find_chance(some) == pytest.approx(expected.pvalue, rel=1e-3)
    made = images(rng, 0.01)
    change = made.scores["ssim_max"] - made.scores["ssim_max_guess"]
    assert find_chance(made) == pytest.approx(stats.ttest_1samp(change, 0, alternative="greater").pvalue, rel=1e-3)
    assert expose(matches(rng, np.arange(COUNT))).tolist() == [1.0] * COUNT
