"""Runs side by side: what their scenarios differ in, and the same rows beside each other with differences."""

from collections.abc import Mapping, Sequence
from typing import Any

from collab.report.cells import ABSENT, Table, format_cell
from collab.report.pages.summary import summarize
from collab.report.tables.crossings import sum_crossings
from collab.results.catalog import entry_of, is_points
from collab.results.gains import name_reference
from collab.results.opened import Opened
from collab.results.paired import subtract
from collab.results.results import Key
from collab.results.table import Result
from collab.results.words import format_signed, format_size, join_names, measure_gain, state_basis
from collab.scenario.rows import list_played_rows
from collab.tasks import MAIN_METRIC

_MAIN = tuple(main.name for main in MAIN_METRIC.values())

UTILITY, POISONING, ATTACKS, REST = (
    "How well the task is done (Table 5)",
    "What poisoning costs and hides (Tables 1 and 2)",
    "Attacks by collaborators",
    "Everything else",
)
"""The tables of numbers, in their order."""


def name_runs(count: int) -> tuple[str, ...]:
    """A short name for each run: A, B, ..., then R27, R28, ..."""
    return tuple(chr(ord("A") + at) if at < 26 else f"R{at + 1}" for at in range(count))


def tabulate_runs(runs: Sequence[Opened]) -> Table:
    """Which run is which."""
    lines = tuple(
        (
            letter,
            run.scenario.name,
            run.name,
            str(run.scenario.seed),
            str(run.record.get("compute", ABSENT)),
            str(run.record.get("torch", ABSENT)),
            f"{run.record.get('seconds', 0):.0f}",
        )
        for letter, run in zip(name_runs(len(runs)), runs, strict=True)
    )
    columns = ("run", "scenario", "began", "seed", "computed on", "torch", "seconds")
    return Table("The runs", columns, lines)


def compare_scenarios(runs: Sequence[Opened]) -> Table:
    """Every key whose values differ, by its path; entities by name and refinements by row."""
    flat = [_flat(run.scenario.model_dump(mode="json", by_alias=True)) for run in runs]
    paths = dict.fromkeys(path for values in flat for path in values)
    lines = []
    for path in paths:
        values = tuple(values.get(path, ABSENT) for values in flat)
        if len(set(values)) > 1:
            lines.append((path, *values))
    return Table("What the scenarios differ in", ("key", *name_runs(len(runs))), tuple(lines))


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """The leaves of a scenario by path; lists of plain values are one leaf."""
    if isinstance(value, Mapping):
        return {key: leaf for name, each in value.items() for key, leaf in _flat(each, f"{path}.{name}").items()}
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        leaves: dict[str, str] = {}
        for at, each in enumerate(value):
            name = each.get("name", each.get("row", at)) if isinstance(each, Mapping) else at
            leaves |= _flat(each, f"{path}.{name}")
        return leaves
    if isinstance(value, list):
        return {path.lstrip("."): ", ".join(map(str, value)) or "none"}
    return {path.lstrip("."): "none" if value is None else str(value)}


def compare_results(runs: Sequence[Opened]) -> tuple[Table, ...]:
    """Gains, then every number of any run: main metrics in the order of Table 5, Tables 1 and 2, attacks, the rest."""
    of_runs = [run.results.by_key for run in runs]
    stated = dict.fromkeys(str(row.name) for run in runs for row in run.scenario.refinements)
    played = dict.fromkeys(
        [*stated, "c_public", *(str(row.name) for run in runs for row in list_played_rows(run.scenario))]
    )
    order = {name: at for at, name in enumerate(played)}
    parts: dict[str, list[Key]] = {title: [] for title in (UTILITY, POISONING, ATTACKS, REST)}
    for key in dict.fromkeys(key for rows in of_runs for key in rows):
        parts[_part(key)].append(key)
    parts[UTILITY].sort(key=lambda key: order.get(key[0], len(order)))
    made = (_gains(runs), *(_table(title, of_part, of_runs) for title, of_part in parts.items()))
    return tuple(table for table in made if table.lines)


def _part(key: Key) -> str:
    """Which table a number stands in."""
    row, _, metric, attack = key
    part = entry_of(metric).part
    if attack:
        return ATTACKS if part in ("images", "negatives") else REST
    if row == "tables_1_2":
        return POISONING if part in ("images", "task") else REST
    return UTILITY if metric in _MAIN else REST


def _gains(runs: Sequence[Opened]) -> Table:
    """What sharing brought each entity in each run, and what it sent."""
    gains, bytes_sent = list[dict[str, str]](), list[dict[str, str]]()
    for run in runs:
        entities = [entity.name for entity in run.scenario.entities]
        sent = sum_crossings(entities, run.crossings, run.scenario.data.image_size)
        made = summarize(run.scenario, run.rows, sent, run.pictures).gains
        gains.append({gain.entity: format_signed(gain.change, gain.main.scale) for gain in made})
        bytes_sent.append({boundary.entity: format_size(boundary.published) for boundary in sent})
    names = dict.fromkeys(entity.name for run in runs for entity in run.scenario.entities)
    lines = [(name, *(cells.get(name, ABSENT) for cells in (*gains, *bytes_sent))) for name in names]
    named, points = name_runs(len(runs)), dict.fromkeys(run.scenario.data.main_metric.points for run in runs)
    columns = ("entity", *(f"gain in {letter}" for letter in named), *(f"sent in {letter}" for letter in named))
    notes = (
        f"gain: {join_names(list(points))} with the largest pool, beyond "
        f"{name_reference(result.row for run in runs for result in run.rows)}.",
    )
    return Table("What sharing brings, and what is sent", columns, tuple(lines), notes)


def _table(title: str, keys: Sequence[Key], of_runs: Sequence[Mapping[Key, Result]]) -> Table:
    """The numbers under `keys` of all runs beside each other; a column of names that are all the same is left out."""
    named = name_runs(len(of_runs))
    has_attack = any(attack for *_, attack in keys)
    has_row = {row for row, *_ in keys} != {"tables_1_2"}
    metrics = {metric for _, _, metric, _ in keys}
    has_metric = len(metrics) > 1
    if metrics <= set(_MAIN):
        units = [f"{main.title} in {main.unit}" for main in MAIN_METRIC.values() if main.name in metrics]
        title += f", {join_names(units)}"
    lines, measured = [], list[Result]()
    for key in keys:
        row, entity, metric, attack = key
        first, *others = results = [of_run.get(key) for of_run in of_runs]
        measured += filter(None, results)
        scale, digits = (100, 1) if is_points(metric) else (1, 3)
        apart = [subtract(other, first) for other in others]
        clear = [letter for letter, change in zip(named[1:], apart, strict=True) if change and change.direction]
        names = (*[row] * has_row, entity or ABSENT, *[attack] * has_attack, *[metric] * has_metric)
        shown = (_format(result, scale, digits) for result in results)
        lines.append((*names, *shown, *(format_signed(change, scale, digits) for change in apart), ", ".join(clear)))
    columns = (
        *["row"] * has_row, "entity", *["attack"] * has_attack, *["metric"] * has_metric, *named,
        *(f"{letter} − A" for letter in named[1:]), "clear",
    )  # fmt: skip
    return Table(title, columns, tuple(lines), tuple(filter(None, (state_basis(measured),))))


def _format(result: Result | None, scale: float, digits: int) -> str:
    """A count without places, anything else as in other tables."""
    if scale == 1 and result and result.value is not None and result.low is None and result.value.is_integer():
        return f"{result.value:,.0f}"
    return format_cell(result, scale, digits)


def describe_differences(runs: Sequence[Opened], differing: Table) -> tuple[str, ...]:
    """What a reader wants to know first: what was changed, and what of the task is clearly done otherwise than in A."""
    sentences = []
    if not differing.lines:
        sentences.append(
            "The scenarios are the same, seed included: what differs below comes from the machine or the code."
        )
    elif len(differing.lines) <= 4:
        sentences.append(f"The scenarios differ in {join_names([line[0] for line in differing.lines])}.")
    else:
        sentences.append(f"The scenarios differ in {len(differing.lines)} keys.")
    first = runs[0].results.by_key
    for letter, run in zip(name_runs(len(runs))[1:], runs[1:], strict=True):
        other = run.results.by_key
        main = run.scenario.data.main_metric
        shared = [key for key in other if key in first and key[2:] == (main.name, "")]
        ways = [
            change.direction for key in shared if (change := measure_gain(main, other[key], first[key])) is not None
        ]
        if not ways:
            sentences.append(f"Runs A and {letter} share no row of Table 5.")
            continue
        up, down = ways.count(1), ways.count(-1)
        shown = f"{len(ways)} row{'s' * (len(ways) != 1)}"
        sentences.append(
            f"Of {shown} in both, {letter} is clearly better than A in {up} and clearly worse in {down}; "
            "what is left is within the noise of the held-out images."
        )
    return tuple(sentences)
