"""The options of each kind that a scenario names, found without its plugin where its package says them apart.

Our packages do, in a module `options` beside the plugins: options need no torch, so neither does a scenario's check.
"""

from collections.abc import Collection, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, get_args

from pydantic import ConfigDict, PlainValidator, PydanticUserError, SerializeAsAny, TypeAdapter, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from collab.architectures import ARCHITECTURES
from collab.errors import PluginError
from collab.meant import did_you_mean
from collab.plugins.discovery import GROUPS, INSTALLED, Origin, Plugins
from collab.scenario.base import (
    FEATURES_TO_FEATURES,
    AttackOptions,
    DefenseOptions,
    EntityOptions,
    Form,
    MetricOptions,
    Part,
    TrackerOptions,
)
from collab.scenario.network import Model, Network
from collab.scenario.sources import SOURCES, Data

OPTIONS: Mapping[str, type[Part]] = {
    "entities": EntityOptions,
    "defenses": DefenseOptions,
    "attacks": AttackOptions,
    "sources": Data,
    "backbones": Network,
    "trackers": TrackerOptions,
    "metrics": MetricOptions,
}
"""What the options of each group subclass."""

OURS: Mapping[str, Mapping[str, type[Part]]] = {"sources": SOURCES, "backbones": dict.fromkeys(ARCHITECTURES, Model)}
"""By group, the kinds that are ours and no plugins, with what may be stated of each."""


class AsWritten(EntityOptions):
    """Options of a plugin that is not asked for them, of whichever group."""

    model_config = ConfigDict(extra="allow")
    form: ClassVar[Form] = FEATURES_TO_FEATURES
    needs_classes: ClassVar[bool] = False


class SourceAsWritten(Data):
    """The same of a source."""

    model_config = ConfigDict(extra="allow")


class NetworkAsWritten(Network):
    """The same of a backbone."""

    model_config = ConfigDict(extra="allow")


class TrackerAsWritten(TrackerOptions):
    """The same of a tracker."""

    model_config = ConfigDict(extra="allow")


class MetricAsWritten(MetricOptions):
    """The same of a metric."""

    model_config = ConfigDict(extra="allow")


AS_WRITTEN: Mapping[str, type[Part]] = {
    "sources": SourceAsWritten,
    "backbones": NetworkAsWritten,
    "trackers": TrackerAsWritten,
    "metrics": MetricAsWritten,
}
"""Where options are not those of `AsWritten`."""


class Kinds:
    """What the kinds of one scenario are, found once; `origins` are those of foreign plugins, `broken` what failed.

    Without `plugins` only our own kinds are checked, and others keep their options as written: the files of a run can
    be read where its plugins are not.
    """

    def __init__(self, plugins: Plugins | None) -> None:
        self._plugins = plugins
        self._options: dict[tuple[str, str], type[Part]] = {}
        self.origins: dict[tuple[str, str], Origin] = {}
        self.broken: dict[tuple[str, str], PluginError] = {}

    def options(self, group: str, kind: str) -> type[Part]:
        """The options model of `kind`. Raises PluginError, the same for every entity that names a broken plugin."""
        key = group, kind
        if key in self.broken:
            raise self.broken[key]
        if key not in self._options:
            try:
                self._options[key] = self._find(group, kind)
            except PluginError as error:
                self.broken[key] = error
                raise
        return self._options[key]

    def names(self, group: str) -> tuple[str, ...]:
        """The kinds of a group in alphabetical order; none if every kind is let pass."""
        return tuple(self._plugins.installed(group)) if self._plugins else ()

    def knows(self, group: str, kind: str) -> bool:
        """Whether there is a plugin of this kind, or none is looked for."""
        return self._plugins is None or kind in self._plugins.installed(group)

    def find_origins(self, group: str, kind: str) -> tuple[Origin, ...]:
        """Where plugins of this kind come from."""
        return self._plugins.origins(group, kind) if self._plugins else ()

    def _find(self, group: str, kind: str) -> type[Part]:
        if kind in OURS.get(group, ()):
            return OURS[group][kind]
        if self._plugins is None:
            is_ours = any(origin.is_ours for origin in INSTALLED.installed(group).get(kind, ()))
            if is_ours:
                return _options_of(INSTALLED, group, kind)
            return AS_WRITTEN.get(group, AsWritten)
        origin = self._plugins.origin(group, kind)
        if not origin.is_ours:
            self.origins[group, kind] = origin
        return _options_of(self._plugins, group, kind)


def _options_of(plugins: Plugins, group: str, kind: str) -> type[Part]:
    """The options model of `kind`: the class in the module `options` beside it that says `kind`, else its class'."""
    plugin = f"the plugin {kind!r} ({plugins.origin(group, kind)})"
    apart = [
        each
        for each in vars(plugins.options_module(group, kind) or SimpleNamespace()).values()
        if isinstance(each, type) and issubclass(each, OPTIONS[group]) and _says(each, kind)
    ]
    if len(apart) > 1:
        names = " and ".join(each.__name__ for each in apart)
        raise PluginError(f"{plugin} has two classes of options that say its kind: {names}. Rename the kind of one.")
    options = apart[0] if apart else getattr(plugins.load(group, kind), "Options", OPTIONS[group])
    checked = check_options(options, group, plugin)
    if issubclass(checked, Data | Network) and kind not in checked.opens:
        raise PluginError(
            f"{plugin} does not say which class its options open. Nest `class Options({OPTIONS[group].__name__})` in "
            f'the class of the {GROUPS[group]}, or state `opens: ClassVar = {{"{kind}": "module:Class"}}` in it.'
        )
    return checked


def _says(options: type[Part], kind: str) -> bool:
    return kind in options.opens if issubclass(options, Data | Network) else kind_of(options) == kind


def kind_of(options: type[Part]) -> str | None:
    """The kind that a class of options says: as the only word that its field `kind` takes, or as a value of its own."""
    field = options.model_fields.get("kind")
    words = get_args(field.annotation) if field else (vars(options).get("kind"),)
    return words[0] if len(words) == 1 else None


class Plugin:
    """A class that scenarios name by its `kind`: the one that its `Options` say, unless it says one itself."""

    kind: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        options = vars(cls).get("Options")
        kind = kind_of(options) if isinstance(options, type) and issubclass(options, Part) else None
        if kind is not None and "kind" not in vars(cls):
            cls.kind = kind


def check_options(options: Any, group: str, plugin: str) -> type[Part]:
    """`options`, the model of a plugin's options. Raises PluginError if it is none."""
    base = OPTIONS[group]
    if not (isinstance(options, type) and issubclass(options, base)):
        raise PluginError(
            f"{plugin} has {options!r} as Options, which is no model of options. "
            f"Subclass collab.scenario.base.{base.__name__}."
        )
    if (reason := _why_no_schema(options)) is not None:
        raise PluginError(
            f"{plugin} has options that no JSON Schema describes, so that no file can hold them: {reason}"
        )
    return options


@cache
def _why_no_schema(options: type[Part]) -> str | None:
    """What keeps a JSON Schema from describing `options`; asked once, since a sweep reads its kinds for every cell."""
    try:
        options.model_json_schema()
    except PydanticUserError as error:
        return error.message
    return None


def validate_kind(kind: str, info: ValidationInfo) -> str:
    """`kind`, if it is one of an entity."""
    _options("entities", kind, info)
    return kind


def validate_options(value: Any, info: ValidationInfo) -> Any:
    """The options of an entity as its kind has them; what an entity without `options` gets, it must get by default."""
    if "kind" not in info.data:  # told already
        return EntityOptions()
    model = _options("entities", info.data["kind"], info)
    if isinstance(value, model):
        return value
    return model.model_validate({} if type(value) is EntityOptions else _mapping(value), context=info.context)


def validate_defense(value: Any, info: ValidationInfo) -> Any:
    """The options of a defense, or of several in a list, as their kinds have them; a name stands for all defaults.

    A list of one is that one.
    """
    if not isinstance(value, list | tuple):
        return _named("defenses", value, info)
    if not value:
        raise _wrong("names no defense; write `none`, or list one or more")
    defenses = _CHAIN.validate_python(value, context=info.context)
    return defenses if len(defenses) > 1 else defenses[0]


AnyAttack = Annotated[
    SerializeAsAny[AttackOptions],
    PlainValidator(lambda value, info: _named("attacks", value, info), json_schema_input_type=str | dict[str, Any]),
]
"""An attack by its name or with its options, wherever options hold one."""

AnyTracker = Annotated[
    SerializeAsAny[TrackerOptions],
    PlainValidator(lambda value, info: _named("trackers", value, info), json_schema_input_type=str | dict[str, Any]),
]
"""The same of a tracker."""

AnyMetric = Annotated[
    SerializeAsAny[MetricOptions],
    PlainValidator(lambda value, info: _named("metrics", value, info), json_schema_input_type=str | dict[str, Any]),
]
"""The same of a metric."""


def _named(group: str, value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, OPTIONS[group]):
        return value
    value = {"kind": value} if isinstance(value, str) else _mapping(value)
    kind = value.get("kind")
    try:
        if "kind" not in value:
            raise _wrong(f"is missing; one of {', '.join(_kinds(info).names(group))}")
        if not isinstance(kind, str):
            raise _wrong("must be a text")
        model = _options(group, kind, info)
    except PydanticCustomError as cause:
        where = InitErrorDetails(type=cause, loc=("kind",), input=kind)
        raise ValidationError.from_exception_data(GROUPS[group], [where]) from None
    return model.model_validate(value, context=info.context)


_CHAIN = TypeAdapter(tuple[Annotated[Any, PlainValidator(lambda value, info: _named("defenses", value, info))], ...])
"""Says of each of several defenses, by its place in the list, what is wrong."""


def _options(group: str, kind: str, info: ValidationInfo) -> type[Part]:
    kinds = _kinds(info)
    try:
        return kinds.options(group, kind)
    except PluginError as cause:
        names = kinds.names(group)
        allowed = f"must be one of {', '.join(names)}{did_you_mean(kind, names)}"
        raise _wrong(str(cause) if kind in names else allowed) from None


def find_options(group: str, kind: str, ours: Collection[str], info: ValidationInfo) -> type[Part] | None:
    """The options of `kind` where it is a plugin, and None where it is one of `ours` or none at all.

    What is wrong with a plugin, also that it is called as one of ours, is told at `kind`.
    """
    kinds = _kinds(info)
    try:
        if kind not in ours:
            return kinds.options(group, kind) if kinds.knows(group, kind) else None
        if others := kinds.find_origins(group, kind):
            raise PluginError(
                f"the plugin {kind!r} ({others[0]}) is called as a {GROUPS[group]} that comes with collab."
            )
    except PluginError as cause:
        where = InitErrorDetails(type=_wrong(str(cause)), loc=(GROUPS[group],), input=kind)
        raise ValidationError.from_exception_data(GROUPS[group], [where]) from None
    return None


def _kinds(info: ValidationInfo) -> Kinds:
    """The context that a scenario is validated in; what is installed, where a part is made in Python."""
    return info.context if isinstance(info.context, Kinds) else Kinds(INSTALLED)


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _wrong("must be a mapping of keys to values")


def _wrong(text: str) -> PydanticCustomError:
    return PydanticCustomError("kind", "{text}", {"text": text})  # the text may hold braces of its own
