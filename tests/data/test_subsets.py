import math
import re
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.data.subsets import Wish, deal_stratified, deal_subsets, draw_label_weights, draw_labels, draw_shares
from collab.errors import DataError

NAMES = ["cat", "dog", "fox", "owl"]
EVEN = np.repeat(np.arange(4), 100)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def streams(seed: int = 0) -> Callable[[str], np.random.Generator]:
    return lambda purpose: np.random.default_rng([seed, *purpose.encode()])


def dealt(
    wishes: Mapping[str, Wish], labels: np.ndarray = EVEN, seed: int = 0, alpha: float | None = None, **given: list[int]
) -> dict[str, np.ndarray]:
    held = {name: np.array(rows) for name, rows in given.items()}
    return deal_subsets(labels, wishes, streams(seed), classes=NAMES, alpha=alpha, listed=held)


def counts(labels: np.ndarray, rows: np.ndarray) -> list[int]:
    found: list[int] = np.bincount(labels[rows], minlength=4).tolist()
    return found


def one_by_one(labels: np.ndarray, shares: Mapping[str, float], generator: np.random.Generator) -> dict[str, list[int]]:
    """Stratified subsets as they were before there were others: class by class, entity by entity."""
    parts: dict[str, list[int]] = {name: [] for name in shares}
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label)).tolist()
        for name, share in shares.items():
            count = round(share * int((labels == label).sum()))
            parts[name] += members[:count]
            members = members[count:]
    return {name: sorted(rows) for name, rows in parts.items()}


@given(st.lists(st.integers(6, 30), min_size=2, max_size=5), st.lists(st.floats(0.1, 0.3), min_size=1, max_size=3))
def test_subsets_are_disjoint_and_take_their_share_of_every_class(sizes: list[int], shares: list[float]) -> None:
    labels = rng().permutation(np.repeat(np.arange(len(sizes)), sizes))
    asked = {f"e{i}": share for i, share in enumerate(shares)}
    found = deal_stratified(labels, asked, rng())
    everything = np.concatenate(list(found.values()))
    assert len(np.unique(everything)) == len(everything)
    for name, share in asked.items():
        held = np.bincount(labels[found[name]], minlength=len(sizes))
        assert held.tolist() == [round(share * size) for size in sizes]
    assert {name: rows.tolist() for name, rows in found.items()} == one_by_one(labels, asked, rng())


@pytest.mark.parametrize("alpha", [None, 0.5])
def test_who_comes_later_changes_nothing_for_who_came_before(alpha: float | None) -> None:
    two = dealt({"a": Wish(0.2), "b": Wish(0.3, donor="a", fraction=0.5)}, alpha=alpha)
    more = dealt(
        {"a": Wish(0.2), "b": Wish(0.3, donor="a", fraction=0.5), "c": Wish(0.1, (1, 2)), "d": Wish(0.2)}, alpha=alpha
    )
    assert np.array_equal(two["a"], more["a"])
    assert np.array_equal(two["b"], more["b"])
    other = dealt({"a": Wish(0.2), "b": Wish(0.1, (2,))}, alpha=alpha)
    assert np.array_equal(two["a"], other["a"])


def test_a_larger_share_keeps_what_the_smaller_one_had() -> None:
    small, large = (dealt({"a": Wish(0.2), "b": Wish(share)})["b"] for share in (0.1, 0.4))
    assert set(small) < set(large)


def test_everything_is_everything() -> None:
    labels = np.repeat(np.arange(3), 7)
    assert deal_stratified(labels, {"all": 1.0}, rng())["all"].tolist() == list(range(21))
    assert dealt({"all": Wish(1.0)}, alpha=0.1)["all"].tolist() == list(range(400))


@pytest.mark.parametrize("alpha", [None, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("seed", range(3))
def test_sizes_stay_whatever_the_skew_and_subsets_that_fill_everything_fit(alpha: float | None, seed: int) -> None:
    labels = np.repeat(np.arange(4), [200, 100, 60, 40])
    found = dealt({"a": Wish(0.25), "b": Wish(0.5), "c": Wish(0.25)}, labels, seed, alpha)
    assert [len(rows) for rows in found.values()] == [100, 200, 100]
    assert np.array_equal(np.sort(np.concatenate(list(found.values()))), np.arange(400))


def test_a_large_alpha_is_without_skew() -> None:
    labels = np.repeat(np.arange(4), [40_000, 30_000, 20_000, 10_000])
    held = counts(labels, dealt({"a": Wish(0.2)}, labels, alpha=1e6)["a"])
    for count, expected in zip(held, [8000, 6000, 4000, 2000], strict=True):
        assert abs(count - expected) < 5 * math.sqrt(expected)


def test_a_small_alpha_gives_one_class_each_as_often_as_that_class_is() -> None:
    labels = np.repeat(np.arange(4), [400, 300, 200, 100])
    tops = []
    for seed in range(300):
        held = counts(labels, dealt({"a": Wish(0.05)}, labels, seed, alpha=1e-4)["a"])
        assert sorted(held)[:3] == [0, 0, 0]
        tops.append(int(np.argmax(held)))
    share = np.bincount(tops, minlength=4) / 300
    np.testing.assert_allclose(share, [0.4, 0.3, 0.2, 0.1], atol=4 * math.sqrt(0.24 / 300))


@pytest.mark.parametrize("alpha", [0.3, 2.0, 20.0])
def test_label_distributions_have_the_moments_of_the_dirichlet(alpha: float) -> None:
    sizes, draws = np.array([500, 300, 0, 200]), 4000
    logs = np.array([draw_label_weights(sizes, alpha, rng(seed)) for seed in range(draws)])
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    assert (weights[:, 2] == 0).all()
    p = sizes / sizes.sum()
    variance = p * (1 - p) / (alpha + 1)
    np.testing.assert_allclose(weights.mean(axis=0), p, atol=4 * math.sqrt(variance.max() / draws))
    np.testing.assert_allclose(weights.var(axis=0), variance, rtol=0.12)


def test_held_labels_have_the_variance_of_the_dirichlet_multinomial() -> None:
    alpha, rows, draws = 3.0, 20, 1500
    held = np.array([counts(EVEN, dealt({"a": Wish(0.05)}, EVEN, seed, alpha)["a"]) for seed in range(draws)])
    assert (held.sum(axis=1) == rows).all()
    variance = rows * 0.25 * 0.75 * (rows + alpha) / (1 + alpha)
    np.testing.assert_allclose(held.mean(axis=0), rows / 4, atol=4 * math.sqrt(variance / draws))
    np.testing.assert_allclose(held.var(axis=0), variance, rtol=0.15)


def test_alpha_counts_within_the_chosen_classes() -> None:
    alpha, rows, draws = 3.0, 10, 1500
    wish = {"a": Wish(0.05, (1, 3))}
    held = np.array([counts(EVEN, dealt(wish, EVEN, seed, alpha)["a"]) for seed in range(draws)])
    variance = rows * 0.5 * 0.5 * (rows + alpha) / (1 + alpha)
    np.testing.assert_allclose(held[:, [1, 3]].var(axis=0), variance, rtol=0.15)


def test_each_entity_has_a_label_distribution_of_its_own() -> None:
    found = dealt({name: Wish(0.05) for name in "abcdefgh"}, alpha=0.01)
    assert len({int(np.argmax(counts(EVEN, rows))) for rows in found.values()}) > 1


def test_rounding_up_leaves_fewer_for_the_last() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 3])
    found = dealt({"a": Wish(0.35), "b": Wish(0.35), "c": Wish(0.3)}, labels, alpha=1.0)
    assert [len(rows) for rows in found.values()] == [4, 4, 2]  # 3.5, 3.5 and 3 of 10


def test_draws_from_what_runs_out_are_those_of_drawing_one_at_a_time() -> None:
    weights, available, count, runs = np.log([0.7, 0.2, 0.1]), np.array([3, 4, 9]), 8, 3000

    def slowly(generator: np.random.Generator) -> list[int]:
        held = [0, 0, 0]
        for _ in range(count):
            left = np.where(held < available, np.exp(weights), 0)
            held[generator.choice(3, p=left / left.sum())] += 1
        return held

    fast = np.array([draw_labels(weights, count, available, rng(seed)) for seed in range(runs)])
    slow = np.array([slowly(rng(seed + runs)) for seed in range(runs)])
    assert (fast <= available).all()
    assert (fast.sum(axis=1) == count).all()
    np.testing.assert_allclose(fast.mean(axis=0), slow.mean(axis=0), atol=0.12)
    np.testing.assert_allclose(fast.std(axis=0), slow.std(axis=0), atol=0.12)


def test_the_next_class_follows_where_one_is_far_too_likely_to_be_left_out() -> None:
    weights = np.array([0.0, -1e5, -1e6, -np.inf])  # the second is never drawn while the first is there
    assert draw_labels(weights, 12, np.array([10, 5, 5, 0]), rng()).tolist() == [10, 2, 0, 0]


def test_skewed_shares_keep_their_total_and_their_means() -> None:
    shares, alpha, draws = {"a": 0.1, "b": 0.3, "c": 0.2}, 2.0, 3000
    drawn = np.array([list(draw_shares(shares, alpha, rng(seed)).values()) for seed in range(draws)])
    np.testing.assert_allclose(drawn.sum(axis=1), 0.6, rtol=1e-12)
    p = np.array([1, 3, 2]) / 6
    variance = 0.36 * p * (1 - p) / (3 * alpha + 1)
    np.testing.assert_allclose(drawn.mean(axis=0), [0.1, 0.3, 0.2], atol=4 * math.sqrt(variance.max() / draws))
    np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.12)


def test_equal_shares_at_the_ends_of_quantity_skew() -> None:
    shares = dict.fromkeys("abcd", 0.2)
    assert list(draw_shares(shares, 1e6, rng()).values()) == pytest.approx([0.2] * 4, rel=0.01)
    assert max(draw_shares(shares, 1e-6, rng()).values()) == pytest.approx(0.8)


@given(st.floats(0.05, 1), st.floats(0.05, 0.4), st.sampled_from([None, 0.3, 30.0]))
def test_an_overlap_is_exactly_its_fraction_and_all_else_is_disjoint(
    fraction: float, share: float, alpha: float | None
) -> None:
    wishes = {"a": Wish(0.4), "b": Wish(share, donor="a", fraction=fraction), "c": Wish(0.15)}
    found = dealt(wishes, alpha=alpha)
    a, b, c = (set(rows.tolist()) for rows in found.values())
    assert len(b) == (4 * round(100 * share) if alpha is None else round(400 * share))
    assert len(a & b) == round(fraction * len(b))
    assert not c & (a | b)
    if alpha is None:
        assert counts(EVEN, found["b"]) == [round(100 * share)] * 4


@pytest.mark.parametrize("seed", range(5))
def test_shared_images_and_others_follow_one_label_distribution(seed: int) -> None:
    every_other = list(range(0, 400, 2))  # fifty of every class
    found = dealt({"b": Wish(0.05, donor="even", fraction=0.5)}, seed=seed, alpha=1e-4, even=every_other)
    shared = np.intersect1d(found["b"], every_other)
    assert len(shared) == 10
    assert set(EVEN[shared]) == set(EVEN[found["b"]])
    assert len(set(EVEN[shared])) == 1


def test_an_overlap_leaves_what_it_shares_to_others() -> None:
    found = dealt({"a": Wish(0.5), "b": Wish(0.5, donor="a", fraction=1.0), "c": Wish(0.5)})
    assert np.array_equal(found["a"], found["b"])
    assert len(np.intersect1d(found["a"], found["c"])) == 0


def test_what_two_share_is_spread_over_classes_by_chance() -> None:
    shared = []
    for seed in range(400):
        found = dealt({"a": Wish(0.2), "b": Wish(0.1, donor="a", fraction=0.5)}, seed=seed)
        shared.append(counts(EVEN, np.intersect1d(found["a"], found["b"])))
    assert all(sum(each) == 20 for each in shared)
    variance = 20 * 0.25 * 0.75 * (40 - 20) / (40 - 1)  # hypergeometric: 20 of b's 40 rows, of which 10 are of a class
    np.testing.assert_allclose(np.mean(shared, axis=0), [5] * 4, atol=4 * math.sqrt(variance / 400))
    np.testing.assert_allclose(np.var(shared, axis=0), [variance] * 4, rtol=0.3)


def test_chosen_classes_bound_what_is_held() -> None:
    found = dealt({"a": Wish(0.5, (1, 3)), "b": Wish(0.5)})
    assert counts(EVEN, found["a"]) == [0, 50, 0, 50]
    assert counts(EVEN, found["b"]) == [50, 50, 50, 50]
    skewed = dealt({"a": Wish(0.5, (1, 3)), "b": Wish(0.25)}, alpha=0.5)
    assert counts(EVEN, skewed["a"])[::2] == [0, 0]
    assert len(skewed["a"]) == 100


def test_what_is_given_stays_and_is_given_to_nobody_else() -> None:
    found = dealt(
        {"a": Wish(0.8), "b": Wish(0.1, donor="listed", fraction=0.25)}, listed=[*range(10), *range(100, 110)]
    )
    assert found["listed"].tolist() == [*range(10), *range(100, 110)]
    assert not set(found["a"].tolist()) & set(found["listed"].tolist())
    assert len(set(found["b"].tolist()) & set(found["listed"].tolist())) == 10
    assert counts(EVEN, found["a"]) == [80, 80, 80, 80]


WRONG = {
    "shares above 1": (
        {"a": Wish(0.6), "b": Wish(0.6)},
        None,
        r"entity 'b' with share 0\.6 asks for 60 images of cat; of 100 there are 40 that nobody holds yet\. Lower",
    ),
    "shares above 1, skewed": (
        {"a": Wish(0.6), "b": Wish(0.6)},
        1.0,
        r"'b' with share 0\.6 asks for 240 images of cat, dog, fox, owl; of 400 there are 160 that",
    ),
    "shares of a class above 1": ({"a": Wish(0.6, (1,)), "b": Wish(0.5)}, None, r"'b'.* 50 images of dog; of 100"),
    "no image of a class": ({"a": Wish(0.004)}, None, r"'a' with share 0\.004 would get no image of class cat, which"),
    "one image": ({"a": Wish(0.003, (1, 2, 3))}, 1.0, r"'a' would get 1 images; it needs 2\. Raise its share"),
    "no image shared": (
        {"a": Wish(0.5), "b": Wish(0.1, donor="a", fraction=0.01)},
        None,
        r"'b' would share 0 of its 40 images with 'a', which could give it 1 to 40\. Change its `fraction`, 0\.01",
    ),
    "more than the donor has": (
        {"a": Wish(0.1), "b": Wish(0.5, donor="a", fraction=0.5)},
        None,
        r"would share 100 of its 200 images with 'a', which could give it 1 to 40",
    ),
    "more than the donor has, skewed": (
        {"a": Wish(0.1), "b": Wish(0.5, donor="a", fraction=0.5)},
        1.0,
        r"would share 100 of its 200 images with 'a', which could give it 1 to 40",
    ),
    "a donor of other classes": (
        {"a": Wish(0.1, (0,)), "b": Wish(0.5, (1,), "a", 0.5)},
        None,
        r"would share 25 of its 50 images with 'a', which could give it 1 to 0",
    ),
    "a donor with too few of the classes, skewed": (
        {"a": Wish(0.4, (0, 1)), "b": Wish(0.5, (1, 2), "a", 0.5)},
        1e6,
        r"would share 50 of its 100 images with 'a', which could give it 1 to \d\d\.",
    ),
    "must share more": (
        {"a": Wish(0.8), "b": Wish(0.4, donor="a", fraction=0.1)},
        None,
        r"'b' would have to share 80 images with 'a', not 16: .* Raise its `fraction`",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wishes_that_cannot_be_had_are_refused(name: str) -> None:
    wishes, alpha, words = WRONG[name]
    with pytest.raises(DataError) as told:
        dealt(wishes, alpha=alpha)
    assert re.search(words, str(told.value)), told.value


def test_the_share_that_an_error_proposes_is_enough() -> None:
    labels = np.repeat(np.arange(3), 20)
    with pytest.raises(DataError, match=r"'b' with share 0\.01 would get no image of class 0, which has 20") as caught:
        deal_stratified(labels, {"a": 0.5, "b": 0.01}, rng())
    least = float(str(caught.value).split("at least ")[1].split(",")[0])
    assert len(deal_stratified(labels, {"a": 0.5, "b": least}, rng())["b"]) == 3


def test_who_finds_nothing_because_others_were_rounded_up_is_told_so() -> None:
    labels = np.zeros(10, dtype=np.int64)
    wishes = {name: Wish(0.15) for name in "abcdef"}  # 1.5 each, rounded to 2: the sixth finds none
    with pytest.raises(DataError, match=r"entity .f. .* Those before it, rounded up, hold all: lower a share a little"):
        deal_subsets(labels, wishes, lambda purpose: np.random.default_rng(0), classes=["x"])
