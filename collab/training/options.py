"""Plugins as what their options say: of which kind they are, and how defenses and attacks are made."""

from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Self

from collab.scenario.base import Part
from collab.scenario.kinds import kind_of
from collab.training.loop import Recipe


class Plugin:
    """A class that scenarios name by its `kind`: the one that its `Options` say, unless it says one itself."""

    kind: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        options = vars(cls).get("Options")
        kind = kind_of(options) if isinstance(options, type) and issubclass(options, Part) else None
        if kind is not None and "kind" not in vars(cls):
            cls.kind = kind


class FromOptions(Plugin):
    """Made of options by the names of its fields, if it is a dataclass; `recipe` is what they say of training."""

    @classmethod
    def from_options(cls, options: Any) -> Self:
        """The one that validated options of its kind ask for."""
        named: list[str] = [part.name for part in fields(cls)] if is_dataclass(cls) else []
        return cls(**{name: Recipe.of(options) if name == "recipe" else getattr(options, name) for name in named})
