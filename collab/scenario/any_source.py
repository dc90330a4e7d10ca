"""The sources of a scenario: one of ours, by its part, or a plugin, by its options."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, SerializeAsAny, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from collab.scenario.base import Part
from collab.scenario.kinds import SourceAsWritten, find_options
from collab.scenario.sources import PARTS, SOURCES, Data, OwnSource, as_own_source


class OwnAsWritten(OwnSource):
    """The options of a plugin that is not asked for them, beside the source that is dealt."""

    model_config = ConfigDict(extra="allow")
    part = SourceAsWritten


def _find_plugin(value: Any, info: ValidationInfo) -> type[Part] | None:
    source = value.get("source") if isinstance(value, dict) else None
    return find_options("sources", source, SOURCES, info) if isinstance(source, str) else None


def _validate(value: Any, ours: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    if isinstance(value, Data):
        return value
    model = _find_plugin(value, info)
    return ours(value) if model is None else model.model_validate(value, context=info.context)


def validate_own(value: Any, ours: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """The source that stands beside the one that is dealt: `ours` says what it is where it is no plugin."""
    if isinstance(value, OwnSource):
        return value
    model = _find_plugin(value, info)
    if model is None or not issubclass(model, Data):
        return ours(value)
    own = find_own_options(model).model_validate(value, context=info.context)
    model.model_validate(own.source_options() | {"source": own.source}, context=info.context)  # what it checks itself
    return own


def find_own_options(model: type[Data]) -> type[OwnSource]:
    """What a scenario may state of a source beside the one that is dealt, by the part or options of that source."""
    return OwnAsWritten if model is SourceAsWritten else as_own_source(model)


if TYPE_CHECKING:
    AnyData = Data
else:
    AnyData = SerializeAsAny[Annotated[reduce(or_, PARTS), Field(discriminator="source"), WrapValidator(_validate)]]
