"""What every part of a scenario is, and the words that may stand in it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from collab.architectures import RECONSTRUCTOR

KIND = r"^[a-z][a-z0-9_]*$"
NAME = r"^[a-z][a-z0-9_-]{0,31}$"
ROW = r"^[a-z][a-z0-9_-]{0,63}$"  # of control rows too, whose names are made from others
MEMORY = r"^([1-9]\d*(?:\.\d+)?) ?(KiB|MiB|GiB|TiB)$"
PATTERNS = {
    KIND: "must be lower-case letters, digits and _, a letter first",
    NAME: "must be 1 to 32 of a-z, 0-9, _ and -, a letter first",
    ROW: "must be of a-z, 0-9, _ and -, a letter first",
    MEMORY: "must be a number and KiB, MiB, GiB or TiB, such as 8GiB",
    RECONSTRUCTOR: "must be p or r, x1 to x9, s2 or s4, and perhaps -c, such as px2s2",
}
"""What each pattern means, for who did not follow it."""

Kind = Annotated[str, Field(pattern=KIND)]
Name = Annotated[str, Field(pattern=NAME)]
Share = Annotated[float, Field(gt=0, le=1)]


class Part(BaseModel):
    """A piece of a scenario: immutable; a misspelled key is an error, and `true` or `"5"` is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


def long_form(value: Any) -> Any:
    """`{kind: word}` for a word alone."""
    return {"kind": value} if isinstance(value, str) else value
