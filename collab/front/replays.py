"""The papers' tables as they were replayed: `replays.json` as a list to read, and to play again from the cache.

Run as a module it writes the table of docs/papers.md.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collab.errors import CollabError, ScenarioError
from collab.meant import did_you_mean
from collab.report.cells import ABSENT, Table
from collab.results.figure import Figure
from collab.results.words import format_duration

if TYPE_CHECKING:
    from collab.runtime.sweep import Outlook
    from collab.verdicts.verdicts import Verdict

AGREES, DIRECTION, DISAGREES, OPEN = "agrees", "direction only", "disagrees", "cannot be decided"
"""What becomes of a table, from all that the paper claims of it."""

MARKS = "<!-- written by `python -m collab.front.replays` -->\n", "<!-- to here -->\n"
"""Where the table of docs/papers.md begins and ends."""


@dataclass(frozen=True)
class Opponent:
    """What must succeed on plain features before its failure on others says anything: a mean of a row, and how much."""

    row: str
    quantity: str
    of: str
    least: float


@dataclass(frozen=True)
class Replay:
    """One or more tables of a paper, what plays them, and what was found when it was last played.

    `state` is `full` or `partial`, `paper` and `ours` are figures in words, `opponent` is what was found of the one of
    `of_opponent`. `reading` is how sure it is what the paper's rows stand for. `missing` is what would decide it.
    `is_photographs`: it needs `data.root`.
    """

    item: str
    tables: tuple[str, ...]
    scenario: str
    state: str
    paper: str
    ours: str
    opponent: str
    verdict: str
    reading: str
    missing: str
    seeds: int = 1
    of_opponent: Opponent | None = None
    is_photographs: bool = False


@dataclass(frozen=True)
class Replayed:
    """What came of a replay: `ours` has of each claim the line that is worst for it, with its interval."""

    replay: Replay
    verdict: str
    ours: str
    opponent: str
    seconds: float


@cache
def list_replays() -> tuple[Replay, ...]:
    """All of them, in the order of docs/papers.md."""
    stated = json.loads(files("collab.front").joinpath("replays.json").read_text(encoding="utf-8"))
    return tuple(_read(each) for each in stated)


def _read(stated: Mapping[str, Any]) -> Replay:
    opponent = stated.get("of_opponent")
    changed = {"tables": tuple(stated["tables"]), "of_opponent": Opponent(**opponent) if opponent else None}
    return Replay(**{**stated, **changed})


def pick(names: Sequence[str], replays: Sequence[Replay]) -> tuple[Replay, ...]:
    """Replays of these scenarios, all if none is named. Raises ScenarioError for one that is not on the list."""
    known = list(dict.fromkeys(each.scenario for each in replays))
    for name in names:
        if name not in known:
            raise ScenarioError(
                f"no replay of a paper is called {name!r}{did_you_mean(name, known)}: {', '.join(known)}."
            )
    return tuple(each for each in replays if not names or each.scenario in names)


def tabulate(replays: Sequence[Replay]) -> Table:
    """The list as it was last played: what docs/papers.md has."""
    columns = (
        "paper and table", "scenario", "state", "the paper", "ours", "opponent, on plain features", "verdict",
        "row reading", "what would decide it",
    )  # fmt: skip
    lines = tuple(
        (each.item, each.scenario, each.state, each.paper, each.ours, each.opponent, each.verdict, each.reading,
         each.missing)
        for each in replays
    )  # fmt: skip
    return Table("The papers' tables", columns, lines)


def tabulate_in_short(replays: Sequence[Replay]) -> Table:
    """The columns of the list that fit a terminal."""
    columns = ("scenario", "state", "paper and table", "ours", "opponent, on plain features", "verdict")
    lines = tuple((each.scenario, each.state, each.item, each.ours, each.opponent, each.verdict) for each in replays)
    return Table("The papers' tables", columns, lines, ("docs/papers.md has all columns; --json too.",))


def tabulate_replayed(found: Sequence[Replayed]) -> Table:
    """What was just played, beside the verdict that the list has."""
    columns = ("scenario", "took", "paper and table", "ours", "opponent", "verdict", "listed as")
    lines = tuple(
        (each.replay.scenario, format_duration(each.seconds), each.replay.item, each.ours, each.opponent, each.verdict,
         each.replay.verdict)
        for each in found
    )  # fmt: skip
    return Table("The papers' tables, played", columns, lines)


@dataclass(frozen=True)
class Ahead:
    """About how long all takes: `seconds` of those that can be guessed, and the scenarios that cannot."""

    seconds: float
    cells: int
    finished: int
    unknown: tuple[str, ...]

    def describe(self) -> str:
        """A sentence for whoever is about to wait."""
        unknown = f", not counting {', '.join(self.unknown)}" if self.unknown else ""
        return f"{self.finished} of {self.cells} cells are finished; the others take about " + (
            f"{format_duration(self.seconds)} on this machine's cores{unknown}"
        )


def look_ahead(replays: Iterable[Replay], folder: Path, root: str | None = None, **options: Any) -> Ahead:
    """What `play` of them would do; `options` are those of `collab.forecast`."""
    from collab.front.playing import forecast

    seconds, cells, finished, unknown = 0.0, 0, 0, list[str]()
    for each in _once(replays):
        try:
            outlook: Outlook = forecast(_file(folder, each), **_asked(each, root), **options)
        except CollabError:
            unknown.append(each.scenario)
            continue
        cells += len(outlook.cells)
        finished += sum(cell.is_finished for cell in outlook.cells)
        seconds += outlook.seconds or 0.0
        if outlook.seconds is None or outlook.unknown:
            unknown.append(each.scenario if outlook.seconds is None else f"parts of {each.scenario}")
    return Ahead(seconds, cells, finished, tuple(unknown))


def play(replays: Sequence[Replay], folder: Path, root: str | None = None, **options: Any) -> Iterator[Replayed]:
    """Plays them one after the other, each when it is asked for; `options` are those of `collab.sweep`.

    What cannot be played says why and the others go on; an interrupted call is given again and goes on from there.
    """
    from collab.front.playing import sweep

    for first in _once(replays):
        of_scenario = [each for each in replays if each.scenario == first.scenario]
        try:
            swept = sweep(_file(folder, first), **_asked(first, root), **options)
        except CollabError as error:
            why = f"not played: {str(error).splitlines()[0]}"
            yield from (Replayed(each, why, ABSENT, ABSENT, 0.0) for each in of_scenario)
            continue
        means = swept.list_means()
        for each in of_scenario:
            claims = [line for line in swept.verdicts if line.source in each.tables]
            opponent = find_opponent(each.of_opponent, means)
            verdict = conclude(claims, each.of_opponent, opponent)
            if swept.failures:
                verdict = f"not played: {swept.failures[0].reason.splitlines()[0]}"
            told = ABSENT if opponent is None else _say(opponent)
            yield Replayed(each, verdict, "; ".join(_list_worst(claims)) or ABSENT, told, swept.seconds)


def conclude(claims: Sequence["Verdict"], wanted: Opponent | None, opponent: Figure | None) -> str:
    """One word for a table: the lines of its claims together, those that are ours alone left out.

    `agrees`: each holds. `disagrees`: one contradicts, whether or not the scenario states so. `direction only`: none
    contradicts, and every number lies where it should, some intervals reach beyond. Else it `cannot be decided`, as
    where the opponent fails on plain features.
    """
    lines = [line for line in claims if not line.sentence.startswith("Ours") and not _is_silent(line)]
    if wanted is not None and (opponent is None or opponent.value < wanted.least):
        return f"{OPEN}: no valid opponent"
    if any("off by" in line.verdict for line in lines):
        return DISAGREES
    if not lines or any(line.is_outside or line.value is None for line in lines):
        return OPEN
    return DIRECTION if any(line.is_undecided for line in lines) else AGREES


def find_opponent(wanted: Opponent | None, means: Sequence[tuple[str, str, Figure]]) -> Figure | None:
    """The worst of an opponent's scores over entities and points, of means as row, metric and figure."""
    from collab.metric import MetricName

    if wanted is None:
        return None
    of_it = [
        figure
        for row, metric, figure in means
        if row == wanted.row and MetricName.parse(metric).is_mean_of(wanted.quantity, wanted.of)
    ]
    return min(of_it, key=lambda figure: figure.value, default=None)


def write_page(page: Path) -> None:
    """Puts the list between the marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    page.write_text("".join((before, MARKS[0], markdown(tabulate(list_replays())), MARKS[1], after)), encoding="utf-8")


def markdown(table: Table) -> str:
    """A table as Markdown has it; names of scenarios, in the second column, as code."""
    named = ((cells[0], f"`{cells[1]}`", *cells[2:]) for cells in table.lines)
    lines = (table.columns, ("---",) * len(table.columns), *named)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _once(replays: Iterable[Replay]) -> list[Replay]:
    """The first of each scenario."""
    return list({each.scenario: each for each in reversed(list(replays))}.values())[::-1]


def _file(folder: Path, replay: Replay) -> Path:
    return folder / f"{replay.scenario}.yaml"


def _asked(replay: Replay, root: str | None) -> dict[str, Any]:
    return {"seeds": replay.seeds, "set": {"data.root": root} if replay.is_photographs and root else ()}


def _is_silent(line: "Verdict") -> bool:
    return line.verdict.startswith("not comparable")


def _list_worst(claims: Sequence["Verdict"]) -> Iterator[str]:
    """Of each claim the line that is worst for it."""
    from collab.verdicts.verdicts import format_found

    for name in dict.fromkeys(line.claim for line in claims if not _is_silent(line)):
        lines = [line for line in claims if line.claim == name and not _is_silent(line)]
        worst = max(lines, key=lambda line: ("off by" in line.verdict, line.is_outside, line.is_undecided))
        yield f"{worst.expected}: {format_found(worst) or worst.verdict}"


def _say(figure: Figure) -> str:
    ends = "" if figure.low is None or figure.high is None else f" [{figure.low:.2f}, {figure.high:.2f}]"
    return f"{figure.value:.2f}{ends}"


if __name__ == "__main__":
    write_page(Path("docs/papers.md"))
