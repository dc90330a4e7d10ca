"""Differences of rows: planted answers with a known interval, and rules that any pairing keeps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from collab.results.figure import Figure
from collab.results.paired import combine, estimate, subtract
from collab.results.table import Result
from collab.store.answers import Answers

IMAGES = "a" * 64


def row(values: np.ndarray, metric: str = "top1", *, images: str = IMAGES, seed: int = 0, **more: object) -> Result:
    """A row with these answers [repeats, images], and the interval that it has by itself."""
    kind = "hits" if values.dtype == np.bool_ else "errors"
    answers = Answers(kind, values, images=images)
    own = estimate([(1.0, answers)], metric)
    return Result(
        "s", "7", "a1", None, None, metric, float(values.mean()), own.low, own.high, own.n, seed, answers=answers
    )


def hits(first: int, second: int, both: int, neither: int) -> tuple[Result, Result]:
    """Two rows of which the first alone has so many images right, the second alone, both, neither."""
    counts = [first, second, both, neither]
    a, b = (
        np.repeat(np.array(each), counts)[None] for each in ([True, False, True, False], [False, True, True, False])
    )
    return row(a), row(b)


def ends(figure: Figure | None) -> tuple[float, float]:
    assert figure is not None
    assert figure.low is not None
    assert figure.high is not None
    return figure.low, figure.high


def test_planted_hits_have_the_interval_of_the_closed_form() -> None:
    found = subtract(*hits(90, 40, 500, 370))
    assert found is not None
    assert (found.value, found.n) == (pytest.approx(0.05), 1000)
    imagined = np.repeat([1.0, -1.0, 0.0], [91, 41, 870])
    assert ends(found) == pytest.approx(tuple(stats.ttest_1samp(imagined, 0).confidence_interval()))


def test_planted_errors_have_the_interval_of_a_paired_test() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(0, 30, (1, 300)).astype(np.float16) for _ in range(2))
    found = subtract(row(a, "degrees"), row(b, "degrees"))
    expected = stats.ttest_rel(a[0].astype(float), b[0].astype(float)).confidence_interval()
    assert ends(found) == pytest.approx(tuple(expected), abs=0.02)  # the rows' own means are those of fp16


COUNTS = st.tuples(*[st.integers(0, 200)] * 4).filter(lambda counts: sum(counts) > 1)


@given(COUNTS)
def test_the_other_way_round_the_sign_flips(counts: tuple[int, int, int, int]) -> None:
    a, b = hits(*counts)
    (low, high), back = ends(subtract(a, b)), ends(subtract(b, a))
    assert (low, high) == pytest.approx((-back[1], -back[0]))


@given(COUNTS, st.integers(1, 500), st.booleans())
def test_images_that_both_rows_answer_alike_add_nothing_but_their_number(
    counts: tuple[int, int, int, int], more: int, are_right: bool
) -> None:
    """What one row has right more often, in images, and how far that may be off, stay as they are."""
    first, second, both, neither = counts
    before, after = hits(*counts), hits(first, second, both + more * are_right, neither + more * (not are_right))
    found, wider = subtract(*before), subtract(*after)
    assert found is not None
    assert wider is not None
    n = sum(counts)
    assert wider.n == n + more
    assert (n + more) * wider.value == pytest.approx(n * found.value)
    if n > 100:
        reaches = [(each.n or 0) * (each.reach or 0) for each in (found, wider)]
        assert reaches[1] == pytest.approx(reaches[0], rel=0.5)


def test_pairing_is_narrower_where_rows_agree_and_as_wide_where_they_do_not() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random((1, 4000))
    a, b, other = (row(each < 0.6) for each in (hard + rng.normal(0, 0.1, hard.shape), hard, rng.random((1, 4000))))

    def ratio(second: Result) -> float:
        paired, unpaired = subtract(a, second), subtract(a, replace(second, answers=None))
        assert paired is not None
        assert unpaired is not None
        assert paired.value == pytest.approx(unpaired.value)
        return (unpaired.reach or 0) / (paired.reach or 1)

    assert ratio(b) > 1.9
    assert ratio(other) == pytest.approx(1, abs=0.05)


def test_rows_of_other_images_are_no_pairs() -> None:
    a, b = hits(90, 40, 500, 370)
    elsewhere = replace(b, answers=replace(b.answers, images="b" * 64))
    assert ends(subtract(a, elsewhere)) == ends(subtract(a, replace(b, answers=None)))
    assert ends(subtract(a, elsewhere)) != ends(subtract(a, b))


def test_attributes_are_resampled_together() -> None:
    """A row against itself is exactly zero; scores that are noisier by a little are paired."""
    rng = np.random.default_rng(2)
    truth = rng.random((500, 4)) < 0.4
    scores = rng.normal(size=(500, 4)) + truth

    def of(values: np.ndarray, value: float) -> Result:
        answers = Answers("scores", values[None].astype(np.float16), truth, IMAGES)
        return Result("s", "7", "a1", None, None, "map", value, value - 0.05, value + 0.05, 500, 0, answers=answers)

    assert ends(subtract(of(scores, 0.6), of(scores, 0.6))) == (0, 0)
    noisier = of(scores + rng.normal(0, 0.3, scores.shape), 0.58)
    low, high = ends(subtract(of(scores, 0.6), noisier))
    assert high - low < 0.07  # 0.14 unpaired
    assert low < 0.02 < high


def test_a_difference_of_differences_is_paired_too() -> None:
    a, b = hits(90, 40, 500, 370)
    assert ends(combine([(1.0, a), (-2.0, b), (1.0, b)])) == pytest.approx(ends(subtract(a, b)), abs=2e-3)
    assert combine([(1.0, a), (-1.0, None)]) is None


@pytest.mark.parametrize(("seeds", "between"), [(2, 0.0), (3, 0.0), (2, 0.1), (3, 0.1), (5, 0.1)])
def test_intervals_of_seeds_and_images_cover_95_percent(seeds: int, between: float) -> None:
    """Each seed has images of its own; two rows whose true difference is .05, and that differ by seed.

    Where seeds do not differ, the interval is never narrower than images alone make it, and covers more.
    """
    rng, trials, n, covered = np.random.default_rng(1), 500, 300, 0
    for _ in range(trials):
        pairs = []
        for seed in range(seeds):
            gain = 0.05 + between * rng.normal()
            a, b = (rng.random((1, n)) < share for share in (0.5 + gain, 0.5))
            pairs.append([row(each, images=f"{seed}", seed=seed) for each in (a, b)])
        means = [replace(of_row[0], answers=None, of_seeds=of_row) for of_row in zip(*pairs, strict=True)]
        low, high = ends(subtract(*means))
        covered += low <= 0.05 <= high
    assert covered / trials >= 0.93
    if between:
        assert covered / trials <= 0.97
