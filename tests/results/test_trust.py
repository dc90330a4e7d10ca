"""When a reconstructor is no opponent: each fault alone, and an honest one that has none."""

from dataclasses import replace

import pytest

from collab.results.trust import FEWEST, Tried
from collab.types import Measure

HONEST = Tried(images=500, ssim=0.53, shows=0.3, least=0.28, changed=0.27, l1=0.1, stated=0.09)


def test_an_honest_one_has_no_fault() -> None:
    assert list(HONEST.list_faults(None)) == []
    assert list(HONEST.list_faults(0.5)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"shows": -0.1, "least": -0.12}, "no more of own plain features than a guess by class"),
        ({"shows": 0.01, "least": -0.01}, "no more of own plain features"),
        ({"changed": 0.2}, "it is brittle: of 0.300 SSIM that it shows beyond a guess 0.200 are left"),
        ({"l1": 0.19}, "its L1 is 0.190 on own images, where its release states 0.090"),
    ],
)
def test_each_fault_is_told_by_itself(changed: dict[str, float], said: str) -> None:
    (fault,) = replace(HONEST, **changed).list_faults(None)  # type: ignore[arg-type]
    assert said in fault


def test_who_asks_for_more_is_told_what_there_is() -> None:
    (fault,) = HONEST.list_faults(0.6)
    assert fault == "it rebuilds images from plain features with SSIM 0.530, and 0.6 is asked for"


def test_of_few_images_nothing_is_told_and_without_a_stated_figure_nothing_of_it() -> None:
    assert list(replace(HONEST, images=FEWEST - 1, shows=-1.0, least=-1.0).list_faults(0.9)) == []
    assert list(replace(HONEST, l1=9.0, stated=None).list_faults(None)) == []


def test_it_is_read_from_measures_whatever_the_window() -> None:
    names = ("ssim[7]", "shows[7]", "shows_changed[7]", "l1", "l1_stated")
    values = (HONEST.ssim, HONEST.shows, HONEST.changed, HONEST.l1, HONEST.stated)
    measures = [
        Measure(f"reconstructor_{name}", float(value or 0), n=500) for name, value in zip(names, values, strict=True)
    ]
    measures[1] = replace(measures[1], low=0.28)
    assert Tried.of(measures) == HONEST
    assert Tried.of(measures[1:]) is None
