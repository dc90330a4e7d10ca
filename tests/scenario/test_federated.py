"""What a federation may state, and what of it changes nothing that was played before there was such."""

import pytest
from pydantic import ValidationError

from collab.scenario.federated import Federation

PLAIN = {"row": "fed", "entities": ("a1", "a2"), "rounds": 3}


def test_plain_averaging_has_no_extras_and_all_else_is_told_by_what_differs() -> None:
    assert Federation.model_validate(PLAIN).extras == {}
    assert Federation.model_validate({**PLAIN, "clients": 0.5, "momentum": 0.9}).extras == {
        "clients": 0.5,
        "momentum": 0.9,
    }


@pytest.mark.parametrize("stated", [{"schedule_over": "rounds"}, {"dp": {"epsilon": 8.0}}])
def test_what_depends_on_the_number_of_rounds_says_it(stated: dict[str, object]) -> None:
    assert Federation.model_validate({**PLAIN, **stated}).extras["rounds"] == 3


@pytest.mark.parametrize(("stated", "told"), [
    ({"clip": 2.0}, "`clip` has no effect without `dp`"),
    ({"dp": {"epsilon": 1.0}, "proximal": 0.1}, "does not go with"),
    ({"clients": 0.0}, "greater than 0"), ({"dropout": 1.0}, "less than 1"), ({"momentum": 1.0}, "less than 1"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused(stated: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Federation.model_validate({**PLAIN, **stated})
