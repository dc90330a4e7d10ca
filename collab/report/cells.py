"""A table as plain text cells, and numbers as they stand in them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from collab.errors import CollabError
from collab.results.catalog import scale_and_digits
from collab.results.results import Results
from collab.results.table import Result
from collab.scenario.model import EntityPart

ABSENT = "—"
"""What stands in a cell where nothing was measured, or there is no name."""


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

    def __str__(self) -> str:
        """Lines of text, each column as wide as its widest cell."""
        cells = [self.columns, *self.lines]
        widths = [max(len(line[at]) for line in cells) for at in range(len(self.columns))]
        rows = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
        ]
        return "\n".join((self.title, *rows, *self.notes))

    def _repr_html_(self) -> str:
        """What a notebook shows: the bare table, which takes the notebook's style."""
        head = "".join(f"<th>{escape(column)}</th>" for column in self.columns)
        lines = ("".join(f"<td>{escape(cell)}</td>" for cell in line) for line in self.lines)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        notes = "".join(f"<div><small>{escape(note)}</small></div>" for note in self.notes)
        return f"<b>{escape(self.title)}</b><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"

    @property
    def numeric(self) -> frozenset[int]:
        """Columns of numbers, by their index; the first names its line and is none."""
        return frozenset(
            at for at in range(1, len(self.columns)) if all(_NUMBER.fullmatch(line[at]) for line in self.lines)
        )

    @property
    def long(self) -> frozenset[int]:
        """Columns that hold a sentence, by their index: there a line is broken, and nowhere else."""
        return frozenset(
            at for at in range(1, len(self.columns)) if any(len(line[at]) > MOST_UNBROKEN for line in self.lines)
        )


MOST_UNBROKEN = 48
"""Characters of a cell that stand in one line."""

_NUMBER = re.compile(r"(?:[+\-±]?[\d.,]+(?: %| [kMGT]?B| bytes)?(?: [±→] ?[\d.,]+)*)|—|")


def format_value(value: object) -> str:
    """A value of an axis, as it stands in a cell: `0.1`, `true`, `conv3_1`."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def format_cell(result: Result | None, scale: float | None = None, digits: int = 1) -> str:
    """A number with its interval: `71.4 ±1.2`; a dash where nothing was measured.

    It is scaled and rounded as the catalog says of its metric, or shown `scale` times to `digits` places.
    """
    if result is None or result.figure is None:
        return ABSENT
    return result.figure.format(*(scale_and_digits(result.metric) if scale is None else (scale, digits)))


def fill_lines(
    results: Results, row: str, asked: Iterable[tuple[EntityPart, str, Sequence[str]]]
) -> tuple[tuple[tuple[str, ...], ...], list[Result]]:
    """Lines of a table, and the results that they hold.

    Each of `asked` is a line: an entity, what stands behind its defense (nothing, where it is empty), and the metrics
    of its cells, found in `row`. Where none was measured there is no line.
    """
    lines, measured = [], list[Result]()
    for entity, about, metrics in asked:
        scores = [results.find(row, entity.name, metric) for metric in metrics]
        if any(scores):
            lines.append((entity.name, entity.protection, *filter(None, [about]), *map(format_cell, scores)))
            measured += filter(None, scores)
    return tuple(lines), measured
