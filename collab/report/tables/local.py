"""What is in it for each: rows scored on an entity's own held-out images, where entities differ in what they have."""

from collections.abc import Callable

from collab.report.cells import ABSENT, Table, format_cell
from collab.results.gains import find_gain, name_reference
from collab.results.local import LOCAL
from collab.results.results import Results
from collab.results.words import format_signed, state_basis
from collab.scenario.model import Refinement, Scenario
from collab.scenario.rows import list_played_rows
from collab.scenario.stage_rows import PUBLIC


def tabulate_local(scenario: Scenario, results: Results, describe: Callable[[Refinement], str]) -> Table:
    """The rows of each entity, and those that are nobody's, on its own images; no lines where all have the same."""
    main, played = scenario.data.main_metric, list_played_rows(scenario)
    measured = [each for each in results.rows if each.metric == main.name + LOCAL]
    lines, rules = list[tuple[str, ...]](), list[int]()
    for entity in dict.fromkeys(each.entity or "" for each in measured):
        rules += [len(lines)] if lines else []
        for row in (None, *(each for each in played if each.entity in (None, entity))):
            name = PUBLIC if row is None else str(row.name)
            own, all_images = (results.find(name, entity, main.name + LOCAL), results.find(name, entity, main.name))
            all_images = all_images or results.find(name, None, main.name)
            if own is None:
                continue
            gain = None if row is None else find_gain(main, results, row, LOCAL)
            about = "released C, untouched" if row is None else describe(row)
            lines.append(
                (entity, name, about, format_cell(own, main.scale), str(own.n or ABSENT),
                 format_signed(gain, main.scale) if gain else "", format_cell(all_images, main.scale))
            )  # fmt: skip
    notes = (
        "Own images: held out of an entity's own source, or of classes that it has. "
        f"gain: {main.points} there, better than {name_reference(each.row for each in results.rows)}.",
        state_basis(measured),
    )
    columns = ("entity", "row", "trained on", main.head, "n", "gain", "on all images")
    return Table("Each on images of its own", columns, tuple(lines), notes, tuple(rules))
