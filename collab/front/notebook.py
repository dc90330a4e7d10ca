"""What a notebook shows of a scenario, a run, a sweep and pictures: parts of their pages, drawn anew."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from collab.report.drawing import fill_in
from collab.report.figures.strips import make_strips
from collab.scenario import model
from collab.store.pictures import Pictures

if TYPE_CHECKING:
    from collab.front.run import Run
    from collab.front.sweep import Sweep


def show_run(run: "Run") -> str:
    """Warnings, the answer, Table 5 in short, and where the page is."""
    short = run.short_table
    return _fill_in(
        title=run.scenario.name, failed=run.failed_defenses, answer=run.answer.parts,
        tables=[short] if short else [], folder=str(run.folder),
    )  # fmt: skip


def show_sweep(sweep: "Sweep") -> str:
    """Warnings, the answer, and where the page is."""
    return _fill_in(
        title=sweep.folder.name, failed=sweep.failed_defenses, sentences=sweep.answer, folder=str(sweep.folder)
    )


def show_scenario(scenario: model.Scenario, text: str) -> str:
    """What it asks, and all of it to unfold."""
    about = f"{len(scenario.entities)} entities, {len(scenario.refinements)} rows, seed {scenario.seed}"
    return _fill_in(title=scenario.name, sentences=[scenario.about, about], text=text)


def show_pictures(pictures: Mapping[str, Pictures], classes: Sequence[str]) -> str:
    """Originals, what R makes of their plain features, and of what was published."""
    strips, _ = make_strips(pictures, classes)
    return _fill_in(strips=strips)


def _fill_in(**parts: object) -> str:
    lists = dict.fromkeys(("failed", "answer", "sentences", "tables", "strips"), ())
    return fill_in("notebook.html", **{**lists, "title": "", "folder": "", "text": "", **parts})
