"""What the part of a source says of the class that reads it, which the scenario may not import."""

from importlib import import_module
from typing import get_args

import pytest

from collab.data.targets import WithAttributes, WithIdentities, WithPose
from collab.scenario.base import Part
from collab.scenario.sources import PARTS, SOURCES, Data, as_own_source

METHODS = {"attributes": WithAttributes, "pose": WithPose, "identities": WithIdentities}


def test_a_part_has_the_sources_that_it_opens() -> None:
    assert len(SOURCES) == sum(len(part.opens) for part in PARTS) == 14
    for part in PARTS:
        assert get_args(part.model_fields["source"].annotation) == tuple(part.opens)


@pytest.mark.parametrize("source", SOURCES)
def test_what_a_part_says_of_its_source_is_true(source: str) -> None:
    module, name = SOURCES[source].opens[source].split(":")
    kind = getattr(import_module(module), name)
    assert module.startswith("collab.data.")
    assert all(callable(getattr(kind, method)) for method in ("labels", "images", "notices", "digest"))
    tells = {what for what, method in METHODS.items() if hasattr(kind, next(iter(vars(method).keys() & {what})))}
    assert tells == set(SOURCES[source].tells)


@pytest.mark.parametrize("source", SOURCES)
def test_a_part_has_the_options_that_its_source_takes(source: str) -> None:
    import inspect

    module, name = SOURCES[source].opens[source].split(":")
    takes = set(inspect.signature(getattr(import_module(module), name)).parameters) - {"image_size", "seed"}
    assert takes == SOURCES[source].model_fields.keys() - Data.model_fields.keys()


@pytest.mark.parametrize("part", [SOURCES["list"], as_own_source(SOURCES["list"])])
def test_a_window_is_of_two_finite_numbers_the_smaller_first(part: type[Part]) -> None:
    assert part.model_validate({"source": "list", "root": "x", "window": (-160, 240)}).window == (-160, 240)  # type: ignore[attr-defined]
    for window in ((4, 4), (5, 1), (0, float("inf")), (1,)):
        with pytest.raises(ValueError, match="window"):
            part.model_validate({"source": "list", "root": "x", "window": window})
