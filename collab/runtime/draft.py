"""A scenario for parties that have folders of images, as `collab init` writes it: one question, few rows, comments."""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from collab.data.words import say_count, say_names
from collab.errors import ScenarioError
from collab.results.words import format_duration, join_names
from collab.runtime.deal import deal
from collab.runtime.draft_text import HELD_OUT, PAGE
from collab.runtime.forecast import MEASURED, forecast
from collab.runtime.party_folders import PartyFolder, look, unify_names
from collab.runtime.plan import plan
from collab.scenario.reader import read_scenario

HOLD_OUT = 0.2
BATCH = 32
STEPS = {"pretrain": 1350, "reconstructor": 750, "defense": 230, "refine": 60}
"""Steps of batches of 32 (of 64 to refine) for a network that is to know 720 images: 60 passes, 40 did for drawings."""

MOST_PASSES = 200
"""Passes over very few images, which are known by heart long before."""

NOT_YET = "(not known yet)"

LARGE = 64
"""Pixels from which images of parties are played at this size, and else at 32."""


@dataclass(frozen=True)
class Draft:
    """What was looked at and is to be told, a sentence each, and how many seconds of a core a run may take."""

    told: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Question:
    """What one party asks: the folders of all, by how many images each trains, and the names that classes get."""

    asking: PartyFolder
    parties: Sequence[PartyFolder]
    public: PartyFolder
    names: Mapping[str, str]
    folder: Path

    @property
    def others(self) -> list[str]:
        """The names of those that publish."""
        return [each.name for each in self.parties if each is not self.asking]

    @property
    def leader(self) -> PartyFolder:
        """Who pre-trains: the other party that has most."""
        return max((each for each in self.parties if each is not self.asking), key=lambda each: each.images)

    @property
    def side(self) -> int:
        """The size at which images are played."""
        sides = [side for each in self.parties for side in each.sides]
        return LARGE if sides and median(sides) >= LARGE else 32


def write_draft(folders: Mapping[str, Path], public: Path, out: Path, asks: str | None = None) -> Draft:
    """Looks at folders and writes the scenario to `out`. Raises CollabError for what cannot be played, and writes none.

    `asks` is the party whose question it is, the one with the fewest images unless given.
    """
    if out.exists():
        raise ScenarioError(f"{out} is there already. Name another file with --out, or remove it.")
    if len(folders) < 2:
        raise ScenarioError("one party alone gains from nobody. Name two or more, each with --party NAME=FOLDER.")
    if asks is not None and asks not in folders:
        raise ScenarioError(f"--for {asks}: there is no such party; there are {', '.join(folders)}.")
    parties = [look(name, folder) for name, folder in folders.items()]
    smallest = min(parties, key=lambda each: each.images)
    asking = next((each for each in parties if each.name == asks), smallest)
    question = Question(
        asking, parties, look("public", public), unify_names([each.counts for each in parties]), out.parent
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        page = _fill_in(question, out.name)
        out.write_text(page, encoding="utf-8")
    except OSError as cause:
        raise ScenarioError(f"{out} cannot be written: {cause.strerror}. Name another file with --out.") from cause
    told = [each.describe() for each in (*parties, question.public)]
    try:
        scenario = read_scenario(out).scenario
        assignment = deal(scenario, tell=lambda text: told.append(f"note: {text}"))
        takes = forecast(scenario, assignment, plan(scenario, assignment.images))
        seconds = takes.seconds if takes else 0.0
        out.write_text(page.replace(NOT_YET, format_duration(seconds), 1), encoding="utf-8")
    except BaseException:
        out.unlink()
        raise
    if not asking.is_split:
        told.append(_note_interval(asking))
    return Draft(tuple(told), seconds)


def _count_trained(folder: PartyFolder) -> int:
    """Images that are trained on, about."""
    return max(2, round(folder.images * (1 if folder.is_split else 1 - HOLD_OUT)))


def _count_passes(what: str, images: int) -> int:
    """Passes over so many images that make the steps of a recipe."""
    batch = 2 * BATCH if what == "refine" else BATCH
    return min(MOST_PASSES, max(1, math.ceil(STEPS[what] * batch / images)))


def _note_interval(asking: PartyFolder) -> str:
    """How much its own held-out images can tell: a share of hits of n images has an interval of 1 / sqrt(n) at most."""
    count = max(1, round(HOLD_OUT * asking.images))
    return (
        f"note: about {say_count(count, 'image')} of {asking.name} will be held out; what is scored on these alone is "
        f"known to ±{100 / math.sqrt(count):.0f} points."
    )


def _fill_in(question: Question, file: str) -> str:
    """The scenario, with `NOT_YET` for how long it takes."""
    asking, public, leader = question.asking, question.public, question.leader
    alone = _count_passes("pretrain", _count_trained(asking))
    about = f"{say_count(public.images, 'image')} that anybody may have ({_say_classes(public)})"
    shared = _find_shared(question)
    return PAGE.substitute(
        takes=NOT_YET,
        asking=asking.name,
        others=join_names(question.others),
        file=file,
        measured=MEASURED,
        side=question.side,
        sides=_say_sides(question),
        held_out="" if all(each.is_split for each in question.parties) else HELD_OUT,
        about_public=about + (f", some as parties have them ({say_names(shared)})" if shared else ""),
        public=_write_source(public, question, {}),
        leader=leader.name,
        pretrain=_count_passes("pretrain", _count_trained(leader)),
        reconstructor=_count_passes("reconstructor", public.images),
        entities="\n".join(line for each in question.parties for line in _write_entity(each, question)),
        refine=_count_passes("refine", _count_trained(asking)),
        alone=alone,
        pool=", ".join(question.others),
    )


def _write_entity(folder: PartyFolder, question: Question) -> Iterator[str]:
    own = {name: question.names[name] for name in folder.counts if question.names[name] != name}
    holders = [each for each in question.parties if each is not folder]
    theirs = {question.names[name] for each in holders for name in each.counts}
    alone = [name for name in dict.fromkeys(question.names[each] for each in folder.counts) if name not in theirs]
    yield f"  # {folder.name}: {say_count(folder.images, 'image')} of {_say_classes(folder)}"
    if alone:
        yield f"  # Nobody else has {say_names(alone)}."
    if own:
        renamed = ", ".join(f"{here} is {there}" for here, there in own.items())
        yield f"  # Called as others call it: {_one_line(renamed)}."
    yield f"  - name: {folder.name}"
    yield f"    data: {_write_source(folder, question, own)}"
    passes = _count_passes("defense", _count_trained(folder))
    yield f"    defense: {{kind: dpm, epochs: {passes}, batch_size: {BATCH}, optimizer: muon, learning_rate: 0.05}}"


def _write_source(folder: PartyFolder, question: Question, names: Mapping[str, str]) -> str:
    """A source on one line, its folder relative to that of the scenario."""
    stated = {key: value for key, value in folder.part.items() if key != "root"}
    root = os.path.relpath(Path(str(folder.part["root"])).resolve(), question.folder.resolve())
    parts = [f"source: {stated.pop('source')}", f"root: {_quote(root)}"]
    parts += [f"{key}: {'null' if value is None else _quote(value)}" for key, value in stated.items()]
    if names:
        parts.append(
            "class_names: {" + ", ".join(f"{_quote(here)}: {_quote(there)}" for here, there in names.items()) + "}"
        )
    return "{" + ", ".join(parts) + "}"


def _quote(text: str) -> str:
    """A text as YAML has it, in quotes unless it cannot be read as anything else."""
    is_plain = re.fullmatch(r"[A-Za-z./][\w./-]*", text, re.ASCII) and text.lower() not in _WORDS
    return text if is_plain else json.dumps(text, ensure_ascii=False)


_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "."}


def _say_classes(folder: PartyFolder) -> str:
    return _one_line(say_names(folder.counts))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _say_sides(question: Question) -> str:
    sides = [side for each in question.parties for side in each.sides]
    if not sides:
        return "all images are resized to this, by their shorter side, and their center square is taken"
    shorter = f"shorter sides are {min(sides)} to {max(sides)} px, half of them below {median(sides):g}"
    return f"{shorter}; the center square is taken"


def _find_shared(question: Question) -> list[str]:
    """Classes of the public images that parties have too."""
    names = unify_names([*(each.counts for each in question.parties), question.public.counts])
    private = {names[name] for each in question.parties for name in each.counts}
    return [name for name in question.public.counts if names[name] in private]
