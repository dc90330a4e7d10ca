"""Defenses and attacks as what their validated options say."""

from dataclasses import fields, is_dataclass
from typing import Any, Self

from collab.training.loop import Recipe


class FromOptions:
    """Made of options by the names of its fields, if it is a dataclass; `recipe` is what they say of training."""

    @classmethod
    def from_options(cls, options: Any) -> Self:
        """The one that validated options of its kind ask for."""
        named: list[str] = [part.name for part in fields(cls)] if is_dataclass(cls) else []
        return cls(**{name: Recipe.of(options) if name == "recipe" else getattr(options, name) for name in named})
