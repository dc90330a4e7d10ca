"""The command that says before a run what the run would refuse."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from collab.cli_options import AuditDepth, Overrides, PluginDirs, Seed
from collab.errors import ScenarioError

if TYPE_CHECKING:
    from collab.scenario.reader import Loaded
    from collab.scenario.sweep import Cell

LABELS_ONLY = (
    "Labels were read, no pixels: whether every image decodes, and which stand twice, `collab check-data` says"
)
UNSEEN = "Images and lists of rows were not looked at"
WILL_BE_FETCHED = f"{UNSEEN}: the first run downloads them, as `download: true` says."


def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario, or a sweep with all its cells.")],
    overrides: Overrides = None,
    seed: Seed = None,
    audit: AuditDepth = None,
    plugin_dirs: PluginDirs = None,
    without_data: Annotated[
        bool, typer.Option("--without-data", help="Check the file alone, where its images are not on this machine.")
    ] = False,
) -> None:
    """Lists the mistakes of a scenario, or of all cells of a sweep, and plays nothing.

    Those of the file come all at once, each with its line and column. A file that has none is then dealt as a run deals
    it: the source of the images is opened, and labels are read, no pixels.
    """
    from collab.scenario.reader import is_sweep_file, read_scenario
    from collab.scenario.sweep import read_sweep

    try:
        if is_sweep_file(file):
            if audit is not None:
                raise ScenarioError(f"--audit is for a scenario; {file} is a sweep, and `collab sweep` has no --audit.")
            changes = [*(overrides or ()), *([] if seed is None else [f"seed={seed}"])]
            _, cells = read_sweep(file, overrides=changes, plugin_dirs=plugin_dirs or (), check_paths=not without_data)
            lines = _describe_cells(file, cells, not without_data)
        else:
            loaded = read_scenario(
                file, overrides or (), seed, plugin_dirs=plugin_dirs or (), audit=audit, check_paths=not without_data
            )
            lines = _describe(loaded, not without_data)
    except ScenarioError as error:
        error.add_note(f"{UNSEEN}: that comes when the file is right. --without-data checks the file alone.")
        raise
    print("\n".join([*lines, *([f"{UNSEEN}."] if without_data else [])]))


def _describe(loaded: "Loaded", has_data: bool) -> Iterator[str]:
    """What a valid scenario comes to; deals its rows if it `has_data`."""
    scenario = loaded.scenario
    for origin in loaded.origins:
        print(origin, file=sys.stderr)
    if scenario.metrics:
        from collab.results.metric import load_metrics

        load_metrics(scenario, loaded.plugins)
    holders = [entity.name for entity in scenario.entities if not entity.is_onlooker]
    entities = f"{len(holders)} entities" if len(holders) != 1 else "1 entity"
    yield f"{loaded.path}: valid: {entities}, {len(scenario.refinements)} refinements"
    if not has_data:
        return

    from collab.participants.sources import Sources
    from collab.runtime.deal import Look, deal, will_be_fetched

    if will_be_fetched(scenario):
        yield WILL_BE_FETCHED
        return
    sources = Sources.open(scenario)
    assignment = deal(scenario, sources, tell=_note)
    look = Look()
    look.at(scenario, sources, assignment)
    look.refuse()
    images = ", ".join(f"{name} {assignment.images[name]}" for name in holders)
    scored, unscored = len(assignment.heldout), len(assignment.unscored)
    heldout, validation = (unscored, scored) if scenario.data.is_for_choosing else (scored, unscored)
    apart = f", validation {validation}" if validation else ""
    yield f"images: {images}; held out {heldout}{apart}, public {len(assignment.public)}"
    yield f"{LABELS_ONLY}."


def _describe_cells(file: Path, cells: Sequence["Cell"], has_data: bool) -> Iterator[str]:
    yield f"{file}: valid: {len(cells)} cells"
    if has_data:
        from collab.runtime.deal import Look, deal_cells, will_be_fetched

        if any(will_be_fetched(cell.scenario) for cell in cells):
            yield WILL_BE_FETCHED
        else:
            look = Look()
            deal_cells(cells, _note, lambda cell, *dealt: look.at(cell.scenario, *dealt))
            look.refuse()


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
