"""How small a difference the held-out images of a run can tell: half widths of intervals, paired and not."""

from dataclasses import replace

from collab.report.cells import ABSENT, Table
from collab.results.paired import are_pairs, subtract
from collab.results.results import Results
from collab.scenario.model import Scenario


def tabulate_half_widths(scenario: Scenario, results: Results) -> Table:
    """Each stated row that reads others' features against own features alone, where answers of both are kept."""
    main, lines = scenario.data.main_metric, []
    for row in scenario.refinements:
        this = results.find(str(row.name), row.entity, main.name)
        own = results.find(f"c_own_{row.entity}", row.entity, main.name)
        if this is None or own is None or not (row.pool or row.unpoisoned):
            continue
        if not are_pairs([this.answers, own.answers]):
            continue
        paired, unpaired = subtract(this, own), subtract(*(replace(each, answers=None) for each in (this, own)))
        if paired is None or unpaired is None or not paired.reach or unpaired.reach is None:
            continue
        gain = main.sign * main.scale * paired.value
        repeats = max(each.answers.repeats for each in (this, own) if each.answers is not None)
        reaches = (f"{main.scale * (figure.reach or 0):.2f}" for figure in (paired, unpaired))
        ratio = f"{unpaired.reach / paired.reach:.1f}"
        lines.append(
            (str(row.name), row.entity or ABSENT, f"{gain:+.1f}", *reaches, ratio, str(paired.n), str(repeats))
        )
    columns = ("row", "entity", "minus own features", "±, paired", "±, unpaired", "ratio", "n", "repeats")
    note = (
        f"In {main.points}. paired: both rows answered the same held-out images, and are subtracted image by image; "
        "every difference of rows on this page is. unpaired: what the interval would be if they were independent."
    )
    return Table("What differences these images can tell", columns, tuple(lines), (note,))
