"""The source of a scenario: one of ours, by its part, or a plugin, by its options."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, SerializeAsAny, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from collab.scenario.kinds import find_options
from collab.scenario.sources import PARTS, SOURCES, Data


def _validate(value: Any, ours: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    if isinstance(value, Data):
        return value
    source = value.get("source") if isinstance(value, dict) else None
    if not isinstance(source, str) or (model := find_options("sources", source, SOURCES, info)) is None:
        return ours(value)
    return model.model_validate(value, context=info.context)


if TYPE_CHECKING:
    AnyData = Data
else:
    AnyData = SerializeAsAny[Annotated[reduce(or_, PARTS), Field(discriminator="source"), WrapValidator(_validate)]]
