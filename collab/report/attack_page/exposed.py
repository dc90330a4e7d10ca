"""Whom an audit hits, for each entity alone: its most exposed images, and what leaving them out would change.

It lies in the entity's private folder and nowhere else. Which image of whom is exposed says more of it than any mean.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from collab.report.cells import ABSENT, Table
from collab.report.drawing import fill_in
from collab.report.figures.sheets import ContactSheet, Line, fit_lines
from collab.results.exposed import SHARES, Exposed, expose, find_exposed, measure_rest
from collab.results.figure import Figure
from collab.results.opened import Opened
from collab.results.words import join_names, measure_gain
from collab.scenario.model import EntityPart
from collab.scenario.rows import list_rests
from collab.store.files import place_file
from collab.store.judged import Judged, read_judged

PAGE, LIST = "exposed.html", "exposed.csv"
"""What lies in the private folder of an entity: the page, and all its images that were attacked, the worst first."""

SHOWN = 16
"""Images that the page shows."""

ASKED = 0.05
"""The share that the sentence speaks of."""

WHAT = {"images": "leakage", "matches": "share of rows matched", "members": "AUC of members"}


def write_exposed(run: Opened) -> list[Path]:
    """Writes page and list of each attacked entity into its folder, where that is kept; nobody else's."""
    made = []
    for entity in run.scenario.entities:
        folder = run.folder / "private" / entity.name
        tried = read_judged(run.folder / "private" / "oracle", entity.name) if entity.is_publishing_party else []
        if tried and folder.is_dir():
            exposed = find_exposed(tried, has_module=entity.opens_module)
            table, costs = tabulate_rests(tried, exposed), tabulate_costs(run, entity.name)
            page = fill_in(
                "exposed.html", scenario=run.scenario, run=run, entity=entity.name, rests=table, costs=costs,
                sentence=tell_exposed(run, entity, exposed), sheet=_draw_most(folder, exposed), list=LIST,
            )  # fmt: skip
            made += [_place(folder, LIST, list_exposed(exposed)), _place(folder, PAGE, page)]
    return made


def _place(folder: Path, name: str, text: str) -> Path:
    write = partial(_write, text.encode())
    return place_file(folder, name, write, what="what attacks exposed", mode=0o600).path


def _write(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def tell_exposed(run: Opened, entity: EntityPart, exposed: Exposed) -> str:
    """The sentences that a party can read before it signs."""
    attacked, held = len(exposed.rows), run.record.get("images", {}).get(entity.name, len(exposed.rows))
    tried = f"{exposed.tried} attack{'s' * (exposed.tried != 1)}" + " that need no module of its" * (
        not entity.opens_module
    )
    if not exposed.by:
        return (
            f"Of {held:,} images {attacked:,} were attacked, and {tried} tell nothing of them beyond chance. The order "
            "of the list is chance too: leaving any of them out for it would help nobody."
        )
    worst = exposed.by[int(exposed.worst[0])]
    left_out = exposed.most(ASKED)
    hardest = exposed.by[int(np.bincount(exposed.worst[: len(left_out)]).argmax())]  # of most of them
    before, after = measure_rest(hardest, left_out[:0]), measure_rest(hardest, left_out)
    count = int((exposed.exposure >= exposed.exposure[0]).sum()) - 1
    alike = f"; {count:,} others are as exposed" * (count > 0)
    clear = f"{len(exposed.by)} of {tried} tell" if len(exposed.by) > 1 else f"one of {tried} tells"
    text = (
        f"Of {held:,} images {attacked:,} were attacked, and {clear} something of them. The most exposed is number "
        f"{exposed.rows[0]}: {_tell_how(worst, int(exposed.rows[0]))}, by {worst.attack}{alike}. "
        f"Without the most exposed {100 * ASKED:g} % ({len(left_out):,} image{'s' * (len(left_out) != 1)}) the "
        f"{WHAT[hardest.answers]} of {hardest.attack} is {_format(after)} in place of {_format(before)}"
    )
    losses = [each for each in _list_losses(run, entity.name) if each[0] == ASKED]
    if not losses:
        return f"{text}; what that would cost its peers was not played (`refine.leave_out`)."
    main = run.scenario.data.main_metric
    told = [f"{change.format(main.scale, 1, sign='+')} for {peer} (row {row})" for _, row, peer, change in losses]
    return f"{text}. To its peers that means, in {main.points}: {join_names(told)}."


def tabulate_rests(tried: Sequence[Judged], exposed: Exposed) -> Table:
    """What each attack that tells something has of all images, and of the rest without the most exposed."""
    by = [*exposed.by, *(each for each in tried if each.needs_module and each not in exposed.by)]
    lines = [
        (
            each.attack, "whoever has its module" if each.needs_module else "anybody else", WHAT[each.answers],
            *(_format(measure_rest(each, left_out)) for left_out in _left_out(exposed)),
        )
        for each in by
    ]  # fmt: skip
    counts = [f"without {100 * share:g} % ({len(exposed.most(share))})" for share in SHARES]
    note = (
        "Attacks that chance does not explain (Holm, over all that were tried). Attacks were not played again: from a "
        "smaller shard they would learn less. An attack that needs the module has no part in the order of images, "
        "unless the module is released."
    )
    columns = ("attack", "of", "it has", "all", *counts)
    return Table("What leaving out the most exposed images changes", columns, tuple(lines), (note,))


def tabulate_costs(run: Opened, name: str) -> Table | None:
    """What peers lose where it, and whoever else is in the pool, leaves out the most exposed; None if not played."""
    main = run.scenario.data.main_metric
    lines = [
        (f"{100 * share:g} %", row, peer, change.format(main.scale, 1, sign="+"))
        for share, row, peer, change in _list_losses(run, name)
    ]
    note = f"In {main.points}, with the interval of the difference, paired by held-out image; below 0 peers lose."
    columns = ("left out", "row", "of", "change")
    return Table("What peers lose", columns, tuple(lines), (note,)) if lines else None


def list_exposed(exposed: Exposed) -> str:
    """All attacked images as CSV: number among the own images, exposure, and the attack that has it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image", "exposure", "attack"))
    for row, value, place in zip(exposed.rows, exposed.exposure, exposed.worst, strict=True):
        writer.writerow((int(row), f"{value:.4f}", exposed.by[int(place)].attack if exposed.by else ""))
    return text.getvalue()


def _left_out(exposed: Exposed) -> Iterator[np.ndarray]:
    yield exposed.rows[:0]
    yield from (exposed.most(share) for share in SHARES)


def _list_losses(run: Opened, name: str) -> Iterator[tuple[float, str, str, Figure]]:
    """The share that is left out, the row, whose it is, and how much better that one does; below 0 it loses."""
    results, main = run.results, run.scenario.data.main_metric
    for rest in list_rests(run.scenario):
        peer = str(rest.row.entity)
        without, all_rows = (results.find(row, peer, main.name) for row in (rest.name, str(rest.row.name)))
        change = measure_gain(main, without, all_rows)
        if name in rest.row.pool and change is not None:
            yield rest.share, str(rest.row.name), peer, change


def _tell_how(judged: Judged, row: int) -> str:
    place = int(np.flatnonzero(judged.rows == row)[0])
    if judged.answers == "matches":
        rank, among = judged.scores["rank"][place], judged.scores["candidates"][0]
        return f"of {among:.0f} candidates for its row it is number {rank:g}"
    value = float(expose(judged)[place])
    if judged.answers == "images":
        return f"rebuilt {100 * value:.0f} % of the way from a guess to the image itself"
    return f"told to be among the own images with a certainty of {100 * value:.0f} %"


def _format(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2f}"


def _draw_most(folder: Path, exposed: Exposed) -> ContactSheet | None:
    """The most exposed images themselves."""
    file = folder / "images.npy"
    if not exposed.by or not file.is_file():
        return None
    images, rows = np.load(file, mmap_mode="r", allow_pickle=False), exposed.rows[:SHOWN]
    below = [f"{row}: {value:.2f}" for row, value in zip(rows, exposed.exposure, strict=False)]
    return fit_lines([Line.of("most exposed", images[rows], below)], images.shape[-1])
