"""A table as plain text cells, and numbers as they stand in them."""

import re
from dataclasses import dataclass

from collab.errors import CollabError
from collab.results.catalog import scale_and_digits
from collab.results.table import Result


@dataclass(frozen=True)
class Table:
    """A titled table of text cells; `rules` are the numbers of lines that a rule stands above.

    The last of `notes` says what the figures rest on, and what they cost. Raises CollabError for a line of more or
    fewer cells than there are columns: its figures would stand under the wrong heads.
    """

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    rules: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for line in self.lines:
            if len(line) != len(self.columns):
                raise CollabError(
                    f"table {self.title!r} has {len(self.columns)} columns ({', '.join(self.columns)}) and a line of "
                    f"{len(line)} cells ({', '.join(line)}). This is a fault of the program; please report it."
                )

    @property
    def numeric(self) -> frozenset[int]:
        """Columns of numbers, by place; the first names its line and is none."""
        places = range(1, len(self.columns))
        return frozenset(at for at in places if all(_NUMBER.fullmatch(line[at]) for line in self.lines))

    @property
    def long(self) -> frozenset[int]:
        """Columns that hold a sentence, by place: there a line is broken, and nowhere else."""
        return frozenset(
            at for at in range(1, len(self.columns)) if any(len(line[at]) > MOST_UNBROKEN for line in self.lines)
        )


MOST_UNBROKEN = 48
"""Characters of a cell that stand in one line."""

_NUMBER = re.compile(r"(?:[+\-±]?[\d.,]+(?: %| [kMGT]?B| bytes)?(?: [±→] ?[\d.,]+)*)|—|")


def text(value: object) -> str:
    """A value of an axis, as it stands in a cell: `0.1`, `true`, `conv3_1`."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def cell(row: Result | None) -> str:
    """A number with its interval, scaled and rounded as the catalog says of its metric."""
    return "—" if row is None or row.figure is None else row.figure.told(*scale_and_digits(row.metric))


def percent(row: Result | None) -> str:
    """A share as percent with its interval: `71.4 ±1.2`; an em dash where nothing was measured."""
    return scaled(row, 100)


def scaled(row: Result | None, scale: float) -> str:
    """`scale` times a number with its interval, to one decimal place."""
    return "—" if row is None or row.figure is None else row.figure.told(scale, 1)


def plain(row: Result | None, digits: int = 3) -> str:
    """A number with its interval."""
    return "—" if row is None or row.figure is None else row.figure.told(digits=digits)
