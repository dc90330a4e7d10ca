"""The task network of a scenario: one of ours, or a plugin with its options."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import SerializeAsAny, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from collab.architectures import ARCHITECTURES
from collab.scenario.kinds import find_options
from collab.scenario.network import Model, Network


def _validate(value: Any, ours: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    if isinstance(value, Network):
        return value
    backbone = value.get("backbone") if isinstance(value, dict) else None
    if not isinstance(backbone, str) or (options := find_options("backbones", backbone, ARCHITECTURES, info)) is None:
        return ours(value)
    return options.model_validate(value, context=info.context)


if TYPE_CHECKING:
    AnyNetwork = Network
else:
    AnyNetwork = SerializeAsAny[Annotated[Model, WrapValidator(_validate)]]
