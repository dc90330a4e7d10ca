"""Which defenses failed: the one source of the warnings in the terminal, on a run's page and on that of its audit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from collab.report.attack_page.cells import Cell, judge_attacks, name_defenses
from collab.report.attack_page.shown import Disclosure, find_disclosure, find_nearest
from collab.report.attack_page.verdicts import ADVERSARIES, find_worst_by_defense, judge_defenses
from collab.report.attack_page.words import WORDS
from collab.report.drawing import fill_in
from collab.report.figures.sheets import ContactSheet, Line
from collab.results.figure import reject_in_family
from collab.results.opened import Opened
from collab.results.paired import subtract
from collab.results.results import name_adversary
from collab.results.table import Result
from collab.results.trust import Tried
from collab.results.words import join_names
from collab.scenario import stage_rows
from collab.store.pictures import judged_file

WHAT_TO_DO = (
    "Do not publish these features. Train the defense longer or on more images, split the network deeper "
    "(`model.hook`) or take another defense, and run again."
)
RECONSTRUCTOR = "reconstructor"
"""What stands in place of a defense where the released R is what failed."""

OPPONENT = (
    "A module that fools it is trained against nothing, and looks as if it hid. Train R longer "
    "(`reconstructor.epochs`), or let each entity train its own (`reconstructor.by: own`)."
)
PAGE = "warning.html"
"""The page of pictures of one entity, in the folder that it alone reads: it shows what attacks made of its images."""


@dataclass(frozen=True)
class Failure:
    """An entity whose defense does not hide what it should, and the sentences that say by what that is clear."""

    entity: str
    defense: str
    happened: tuple[str, ...]

    @property
    def is_of_release(self) -> bool:
        """Whether it is about the R that the entity released, which every module is trained against."""
        return self.defense == RECONSTRUCTOR

    @property
    def title(self) -> str:
        """What is told first."""
        if self.is_of_release:
            return f"The reconstructor that {self.entity} released is no opponent."
        return f"The defense of {self.entity} failed ({self.defense})."

    @property
    def page(self) -> str:
        """Where its pictures are, from the run's folder; empty where there are none."""
        return "" if self.is_of_release else f"private/{self.entity}/{PAGE}"

    @property
    def told(self) -> str:
        """The whole warning as text."""
        happened = f"{self.title} {' '.join(self.happened)}"
        return happened if self.is_of_release else f"{happened} {WHAT_TO_DO} Pictures: {self.page}"


def find_failures(run: Opened, cells: Sequence[Cell] | None = None) -> tuple[Failure, ...]:
    """The entities with a defense that does not hide, in the order of the scenario; `cells` of the audit, if at hand.

    First stands the released R where entities found that it is no opponent. A defense failed where the audit calls it
    broken or leaking, or where the released R rebuilds images from what is published better than the mean image of
    their class. Neither may be chance: the audit corrects for all its looks at
    a defense, and here R is corrected for the number of entities (Holm).
    """
    results, parties = run.results, [each for each in run.scenario.entities if not each.options.is_control]
    protected = [each for each in parties if each.protection != "none"]
    shown = {each.name: find_disclosure(results, each.name, run.pictures) for each in protected}
    visible = _find_visible([each for each in shown.values() if each is not None])
    names = name_defenses(run.scenario)
    worst = find_worst_by_defense(judge_defenses(judge_attacks(run) if cells is None else cells))
    failures = list(_find_poor_reconstructor(run))
    for entity in protected:
        judgment = worst.get(names[entity.name])
        cell = judgment.cell if judgment is not None and entity.name in judgment.cell.victims else None
        happened = (*_tell_attack(cell), *_tell_reconstructor(visible.get(entity.name)))
        if happened:
            failures.append(Failure(entity.name, entity.protection, happened))
    return tuple(failures)


def tell_failures(failures: Sequence[Failure]) -> tuple[str, ...]:
    """Warnings as text, one for all entities of which the same is true."""
    alike: dict[tuple[str, tuple[str, ...]], list[Failure]] = {}
    for failure in failures:
        alike.setdefault((failure.defense, failure.happened), []).append(failure)
    return tuple(_tell_alike(group) for group in alike.values())


def _tell_alike(failures: Sequence[Failure]) -> str:
    if len(failures) == 1:
        return failures[0].told
    names, first = join_names([failure.entity for failure in failures]), failures[0]
    pages = join_names([failure.page for failure in failures])
    happened = " ".join(first.happened)
    return f"The defenses of {names} failed ({first.defense}). {happened} {WHAT_TO_DO} Pictures: {pages}"


def tell_failures_of_cells(count: int, found: Sequence[tuple[str, Failure]]) -> tuple[str, ...]:
    """The same of a sweep of `count` cells, a sentence for each defense of an entity; `found` are told by their cell.

    The cell that is told of is the first in which it failed: none is picked for how bad it is.
    """
    failed: dict[str, list[tuple[str, Failure]]] = {}
    for cell, failure in found:
        failed.setdefault(failure.title.rstrip("."), []).append((cell, failure))
    return tuple(
        f"{title} in {len(cells)} of {count} cells: {join_names([cell for cell, _ in cells])}. In {cells[0][0]}: "
        f"{' '.join(cells[0][1].happened)}{'' if cells[0][1].is_of_release else f' {WHAT_TO_DO}'}"
        for title, cells in failed.items()
    )


def _find_poor_reconstructor(run: Opened) -> Iterator[Failure]:
    """The released R, where those that were to train against it found that it is no opponent (ATTACKS 3.4)."""
    scenario, results, found = run.scenario, run.results, dict[str, list[str]]()
    for entity in scenario.entities:
        tried = Tried.of(results.of(stage_rows.TRIED, entity.name))
        faults = list(tried.list_faults(scenario.reconstructor.least_ssim)) if tried else []
        if faults:
            found[entity.name] = faults
    if found:
        first = next(iter(found))
        happened = f"Tried on own plain features by {join_names(list(found))}; by {first}: {'; '.join(found[first])}."
        yield Failure(scenario.model.pretrain.leader, RECONSTRUCTOR, (happened, OPPONENT))


def _find_visible(shown: Sequence[Disclosure]) -> dict[str, Disclosure]:
    changes = {each.entity: (each, subtract(each.poisoned, each.guess)) for each in shown}
    measured = {name: (each, change) for name, (each, change) in changes.items() if change is not None}
    clear = reject_in_family([change.chance_above(0.0) for _, change in measured.values()])
    return {name: each for (name, (each, _)), is_clear in zip(measured.items(), clear, strict=True) if is_clear}


def _tell_attack(cell: Cell | None) -> Iterator[str]:
    if cell is not None and cell.word in WORDS[1:]:
        verb = "breaks it" if cell.word == WORDS[2] else "makes it leak"
        adversary = ADVERSARIES.get(cell.adversary, cell.adversary)
        yield f"The attack {cell.attack} of {adversary} {verb}: {cell.how}."


def _tell_reconstructor(shown: Disclosure | None) -> Iterator[str]:
    if shown is not None and shown.guess is not None:
        yield (
            f"The released reconstructor rebuilds held-out images from what it publishes with SSIM "
            f"{shown.poisoned.value:.3f} (1: the same image); a guess that knows only the class has "
            f"{shown.guess.value:.3f}."
        )


def write_own_pages(run: Opened, failures: Sequence[Failure]) -> list[Path]:
    """Draws the page of each entity whose defense failed into its private folder; none where that is not kept."""
    pages = []
    for failure in failures:
        target = run.folder / failure.page
        if failure.page and target.parent.is_dir():
            sheets = list(_draw_sheets(run, failure.entity))
            page = fill_in(
                "failed.html", scenario=run.scenario, run=run, failure=failure, sheets=sheets, what_to_do=WHAT_TO_DO
            )
            target.write_text(page, encoding="utf-8")
            pages.append(target)
    return pages


def _draw_sheets(run: Opened, name: str) -> Iterator[tuple[str, ContactSheet]]:
    """What the nearest attack made of the entity's own images, and what R makes of held-out ones."""
    results = [each for each in run.rows if each.attack and each.entity == name and each.value is not None]
    yield from draw_attack_sheet(run, "its images", *find_nearest(results)).items()
    seen = run.pictures.get(name)
    if seen is not None and len(seen):
        images = (("original", seen.original), ("rebuilt", seen.from_poisoned))
        below = [f"{score:.2f}" for score in seen.ssim_poisoned]
        lines = [Line.of(title, of, below if title == "rebuilt" else ()) for title, of in images]
        side = max(40, min(96, seen.original.shape[-1]))
        yield (
            "Held-out images, rebuilt by the released reconstructor: the worst, then usual ones; SSIM below",
            (ContactSheet(tuple(lines), seen.metric, 0, side, 0)),
        )


def draw_attack_sheet(run: Opened, title: str, nearest: Result | None, guess: Result | None) -> dict[str, ContactSheet]:
    """Truth and answer of one attack on one victim under a title; nothing where its pictures are not there."""
    if nearest is None:
        return {}
    attack, victim = str(nearest.attack), str(nearest.entity)
    file = run.folder / "private" / "oracle" / judged_file(name_adversary(nearest), attack, victim)
    if not file.is_file():
        return {}
    truth, rebuilt = np.load(file, allow_pickle=False)
    lines = (Line.of("true", truth), Line.of("rebuilt", rebuilt))
    beside = "" if guess is None else f"; the best guess has {guess.value or 0.0:.2f}"
    title = f"{title}: {attack} on {victim}, SSIM {nearest.value:.2f} on the average{beside}"
    return {title: ContactSheet(lines, "SSIM", 0, max(40, min(96, truth.shape[-1])), 0)}
