"""Where the images of a scenario come from: all sources, of which each part says what opens it and what it tells.

A part stands in `drawn_sources`, `file_sources` or `published_sources`, what all have in common in `source_parts`.
"""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializeAsAny, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from collab.scenario.drawn_sources import DRAWN_SOURCES
from collab.scenario.file_sources import FILE_SOURCES
from collab.scenario.published_sources import PUBLISHED_SOURCES
from collab.scenario.source_parts import Data, OwnSource, Told, as_own_source

__all__ = ["PARTS", "SOURCES", "AnyOwnSource", "Data", "OwnSource", "as_own_source", "list_sources_that_tell"]


class EachItsOwn(Data):
    """Nothing is dealt: every entity has `data` of its own, and `public` is a source of its own."""

    opens: ClassVar = {"own": "collab.data.source:NoImages"}
    source: Literal["own"] = Field(description="Each entity has its own source.")


PARTS: tuple[type[Data], ...] = (*DRAWN_SOURCES, *FILE_SOURCES, *PUBLISHED_SOURCES, EachItsOwn)
"""The part of every source."""

SOURCES: Mapping[str, type[Data]] = {source: part for part in PARTS for source in part.opens}
"""The part of a source by its name."""

OWN_PARTS = tuple(as_own_source(part) for part in PARTS if part is not EachItsOwn)


def _validate_own(value: Any, ours: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    from collab.scenario.any_source import validate_own  # knows plugins, whose options are parts as these are

    return validate_own(value, ours, info)


if TYPE_CHECKING:
    AnyOwnSource = OwnSource
else:
    _Own = Annotated[reduce(or_, OWN_PARTS), Field(discriminator="source"), WrapValidator(_validate_own)]
    AnyOwnSource = SerializeAsAny[_Own]
    for part in (Data, *PARTS):
        part.model_rebuild(_types_namespace={"AnyOwnSource": AnyOwnSource})


def list_sources_that_tell(what: Told) -> tuple[str, ...]:
    """The sources that tell this of their images."""
    return tuple(source for source, part in SOURCES.items() if what in part.tells)
