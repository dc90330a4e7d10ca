"""The command that says before a run what the run would refuse."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from collab.cli_options import AuditDepth, Overrides, PluginDirs, Seed
from collab.errors import ScenarioError

if TYPE_CHECKING:
    from collab.scenario.reader import Loaded
    from collab.scenario.sweep import Cell

LABELS_ONLY = "Labels were read, no pixels: whether every image decodes, and which stand twice, a run says"
UNSEEN = "Images and lists of rows were not looked at"


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

    found: Loaded | tuple[Cell, ...]
    try:
        if is_sweep_file(file):
            if audit is not None:
                raise ScenarioError(f"--audit is for a scenario; {file} is a sweep, and `collab sweep` has no --audit.")
            given = [*(overrides or ()), *([] if seed is None else [f"seed={seed}"])]
            found = read_sweep(file, overrides=given, plugin_dirs=plugin_dirs or (), check_paths=not without_data)[1]
        else:
            found = read_scenario(
                file, overrides or (), seed, plugin_dirs=plugin_dirs or (), audit=audit, check_paths=not without_data
            )
    except ScenarioError as error:
        error.add_note(f"{UNSEEN}: that comes when the file is right. --without-data checks the file alone.")
        raise
    lines = _about_cells(file, found, not without_data) if isinstance(found, tuple) else _about(found, not without_data)
    print("\n".join([*lines, *([f"{UNSEEN}."] if without_data else [])]))


def _about(loaded: "Loaded", has_data: bool) -> Sequence[str]:
    """What a valid scenario comes to; deals its rows if it `has_data`."""
    scenario = loaded.scenario
    for origin in loaded.origins:
        print(origin, file=sys.stderr)
    stated = [entity.name for entity in scenario.entities if not entity.is_onlooker]
    entities = f"{len(stated)} entities" if len(stated) != 1 else "1 entity"
    told = f"{loaded.path}: valid: {entities}, {len(scenario.refinements)} refinements"
    if not has_data:
        return [told]

    from collab.runtime.deal import deal, will_be_fetched

    if will_be_fetched(scenario):
        return [told, f"{UNSEEN}: the first run downloads them, as `download: true` says."]
    dealt = deal(scenario, tell=_note)
    held = ", ".join(f"{name} {dealt.images[name]}" for name in stated)
    others = f"held out {len(dealt.assignment.heldout)}, public {len(dealt.assignment.public)}"
    return [told, f"images: {held}; {others}", f"{LABELS_ONLY}."]


def _about_cells(file: Path, cells: Sequence["Cell"], has_data: bool) -> Sequence[str]:
    told = f"{file}: valid: {len(cells)} cells"
    if not has_data:
        return [told]

    from collab.runtime.deal import deal_cells, will_be_fetched

    if any(will_be_fetched(cell.scenario) for cell in cells):
        return [told, f"{UNSEEN}: the first run downloads them, as `download: true` says."]
    deal_cells(cells, tell=_note)
    return [told]


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
