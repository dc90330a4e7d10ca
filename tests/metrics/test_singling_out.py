"""How far one image is given away: closed forms, and what chance gives."""

import numpy as np
import pytest

from collab.metrics.singling_out import certainty_of_members, way_to_the_image


def test_the_guess_is_0_the_image_1_and_half_of_the_way_a_half() -> None:
    guess = np.array([0.2, 0.2, 0.2, -0.5, 1.0])
    likeness = np.array([0.2, 1.0, 0.6, -0.8, 1.0])
    np.testing.assert_allclose(way_to_the_image(likeness, guess), [0, 1, 0.5, -0.2, 0], atol=1e-12)


def test_a_member_above_all_others_is_as_sure_as_the_others_are_many() -> None:
    """t = 1/2 and f = 1/(m + 1): the better of two members above m others."""
    for count in (9, 99, 999):
        sure, _ = certainty_of_members(np.array([2.0, 1.0]), np.zeros(count))
        assert sure == pytest.approx((0.5 - 1 / (count + 1)) / (0.5 + 1 / (count + 1)))


def test_it_is_the_chance_of_a_member_by_bayes() -> None:
    members, others = np.array([3.0, 3.0, 1.0, 0.0]), np.array([3.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    true, false = 3 / 4, (3 + 1) / 8  # three of four members score 1 or more, and three others
    posterior = true / (true + false)
    assert certainty_of_members(members, others)[2] == pytest.approx(2 * posterior - 1)


def test_who_cannot_be_told_is_not_certain() -> None:
    rng = np.random.default_rng(0)
    certainty = certainty_of_members(rng.normal(size=4000), rng.normal(size=4000))
    assert abs(float(np.median(certainty))) < 0.02
    assert float(certainty.mean()) < 0.05


def test_order_alone_counts_and_turning_it_makes_members_less_than_certain() -> None:
    rng = np.random.default_rng(1)
    members, others = rng.normal(1, 1, 300), rng.normal(0, 1, 300)
    np.testing.assert_array_equal(
        certainty_of_members(np.exp(members), np.exp(others)), certainty_of_members(members, others)
    )
    assert certainty_of_members(members, others).mean() > 0.2 > 0 > certainty_of_members(-members, -others).mean()
