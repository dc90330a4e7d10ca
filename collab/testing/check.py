"""What the conformance kit says of one thing that a plugin must keep."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One check: `problem` says what failed and what to do, or is empty; `figure` is what was seen."""

    name: str
    problem: str = ""
    figure: str = ""


Checks = tuple[Check, ...]
