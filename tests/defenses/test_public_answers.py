"""Options of answers about public images, and whom each decider of a committee has seen."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from collab.defenses.options import PublicAnswers as Options
from collab.defenses.public_answers import PublicAnswers
from collab.errors import EntityError
from collab.seeding import Stream


def defense(**stated: Any) -> PublicAnswers:
    return PublicAnswers.from_options(Options(kind="public_answers", **stated))


def view(rows: int) -> Any:
    return SimpleNamespace(features=SimpleNamespace(rows=rows), stream=Stream(0, "a2", "poison"))


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_each_own_image_is_unseen_by_exactly_one_decider(parts: int) -> None:
    seen = defense(cross_fit=parts)._parts(view(23))
    assert len(seen) == parts
    counts = sum(np.bincount(rows, minlength=23) for rows in seen if rows is not None)
    assert np.array_equal(counts, np.full(23, parts - 1))
    assert all(rows is not None and (np.diff(rows) > 0).all() for rows in seen)


def test_one_decider_sees_all_and_a_few_images_are_not_divided() -> None:
    assert defense()._parts(view(23)) == [None]
    with pytest.raises(EntityError, match="cross_fit: 4 of 7 own images"):
        defense(cross_fit=4)._parts(view(7))


@pytest.mark.parametrize(("stated", "told"), [
    ({"choose": "unsure"}, "no effect without `images`"),
    ({"cross_fit": 2, "dp": {"epsilon": 8}}, "`dp` does not account for"),
    ({"bits": 0}, "greater than or equal to 1"),
    ({"mixes": 16}, "less than or equal to 15"),
])  # fmt: skip
def test_options_without_effect_or_guarantee_are_refused(stated: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Options(kind="public_answers", **stated)
