"""Images that do not decode: who has them is told how many, the names lie in its private folder; what others then hold.

Rows are dealt before anything is decoded. Where `data.broken` is `skip`, whoever decodes leaves the broken ones out and
keeps their rows beside its images, so that everybody who speaks of its rows speaks of those that are there.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from collab.data.words import MOST_LINES, say_count, say_lines
from collab.participants.assignment import ORACLE, Assignment
from collab.participants.holding import Holding
from collab.participants.layout import Layout
from collab.scenario.model import Scenario
from collab.store.files import place_file
from collab.store.private import private_folder

GONE = "left_out.json"
"""Beside `images.npy`: the rows that were to be there and do not decode, by source."""


def list_broken(private: Path, whose: str, reasons: Mapping[int, str], count: int) -> str:
    """How many of `count` images are broken, and which file in the folder `private` now names all of them."""
    name = f"broken_{whose.replace(' ', '_')}.txt"
    text = "".join(f"{why}\n" for _, why in sorted(reasons.items()))
    place_file(private, name, lambda file: file.write(text.encode()), what="a list of broken images", mode=0o600)
    verb = "does" if len(reasons) == 1 else "do"
    place = f"private/{private.name}/{name}"  # in whichever run: the cache keeps this sentence for others
    return f"{whose}: {len(reasons):,} of {say_count(count, 'image')} {verb} not decode (all in {place})"


def name_broken(private: Path, whose: str, reasons: Mapping[int, str], count: int) -> str:
    """The same with the first ones by name."""
    lines = [why for _, why in sorted(reasons.items())]
    said = list_broken(private, whose, reasons, count).replace("private/", f"{private.parent}/")
    said = said if len(lines) > MOST_LINES else said[: said.rindex(" (all in")]
    return f"{said}:{say_lines(lines)}"


def note_gone(folder: Path, assignment: Assignment, gone: Holding) -> None:
    """Keeps in `folder` which rows are `gone`, as each source counts them: the cache keeps this for other runs.

    There the row numbers of all sources together may begin elsewhere.
    """
    rows = dict[str, list[int]]()
    for origin, part in assignment.divide(gone):
        rows.setdefault(origin.name, []).extend((part.rows - origin.starts[part.split]).tolist())
    (folder / GONE).write_text(json.dumps(rows), encoding="utf-8")


def leave_out(assignment: Assignment, scenario: Scenario, run: Path) -> Assignment:
    """`assignment` without the rows that those who have decoded so far have left out."""
    if scenario.data.broken == "refuse":
        return assignment
    layout, own = Layout(run, ORACLE, None), {name: private_folder(run, name) for name in assignment.entities}

    def without(holding: Holding, *folders: Path) -> Holding:
        starts = {origin.name: origin.starts[holding.split] for origin in assignment.origins}
        noted = [json.loads((folder / GONE).read_text("utf-8")) for folder in folders if (folder / GONE).exists()]
        gone = [starts[name] + np.array(rows) for each in noted for name, rows in each.items()]
        return holding.part(np.flatnonzero(~np.isin(holding.rows, np.concatenate(gone)))) if gone else holding

    apart = [folder / "heldout" for folder in own.values()]
    return replace(
        assignment,
        entities={name: without(held, own[name]) for name, held in assignment.entities.items()},
        everything=without(assignment.everything, *own.values(), private_folder(run, ORACLE)),
        public=without(assignment.public, layout.public),
        heldout=without(assignment.heldout, layout.heldout, *apart),
        unscored=without(assignment.unscored, *apart),
    )
