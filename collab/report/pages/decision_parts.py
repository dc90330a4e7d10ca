"""What the report for who has to decide is made of, as JSON has it too, and the schema of that."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = 1
"""Of the JSON; raise it when a key goes or changes its meaning."""

SCHEMA = Path(__file__).parents[1] / "decision.schema.json"
"""What the JSON looks like; `python -m collab.report.pages.decision_parts` writes it anew."""


@dataclass(frozen=True)
class Party:
    """One of who took part: how many images it has, what is done to its features, and whether it publishes them."""

    name: str
    images: int
    means: str
    publishes: bool


@dataclass(frozen=True)
class Asked:
    """The question and what it is about: images held out for scoring, the network, where it is cut, the seed."""

    scenario: str
    about: str
    images: str
    image_size: int
    classes: tuple[str, ...]
    heldout: int
    network: str
    seed: int
    parties: tuple[Party, ...]


@dataclass(frozen=True)
class Ruling:
    """What may be said of a party, by what, and what its features brought to whom, in points with 95 % intervals."""

    party: str
    means: str
    verdict: str
    why: str
    brought: tuple["Change", ...]


@dataclass(frozen=True)
class Change:
    """What a party's score changes by, in `unit`; `low` and `high` bound the 95 % interval, None without one."""

    party: str
    told: str
    value: float
    low: float | None
    high: float | None
    unit: str


@dataclass(frozen=True)
class Adversary:
    """A class of adversaries: what it knows, the attacks of it that were played, and the worst of them in words."""

    name: str
    knows: str
    attacks: tuple[str, ...]
    worst: str


@dataclass(frozen=True)
class Means:
    """A defense in words, with its settings, whose it is, and what it costs and hides.

    `cost` is what the released decider loses on held-out images by it, in points; SSIMs are of the released
    reconstructor's images, from plain features and from published ones, and of a guess that knows only the class. All
    are of the party of which the reconstructor shows most (`measured_on`).
    """

    name: str
    about: str
    settings: tuple[tuple[str, str], ...]
    parties: tuple[str, ...]
    measured_on: str
    cost: float | None
    ssim_plain: float | None
    ssim_published: float | None
    ssim_guess: float | None


@dataclass(frozen=True)
class Basis:
    """What it rests on, so that it can be repeated and told from any other: digests are sha256."""

    run: str
    collab: str
    torch: str
    computed_on: str
    seconds: float
    results_digest: str
    scenario_digest: str


@dataclass(frozen=True)
class Answer:
    """A question that every run is asked, and its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Decision:
    """The whole report."""

    version: int
    asked: Asked
    warnings: tuple[str, ...]
    answer: tuple["Answer", ...]
    rulings: tuple[Ruling, ...]
    adversaries: tuple[Adversary, ...]
    means: tuple[Means, ...]
    not_tried: tuple[str, ...]
    left_out: tuple[Change, ...]
    cautions: tuple[str, ...]
    basis: Basis


def decision_schema() -> dict[str, Any]:
    """The JSON Schema of the report."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(Decision).json_schema()
    for name, part in schema["$defs"].items():
        part["description"] = " ".join((globals()[name].__doc__ or "").split())
    about = {"title": "The report of collab for who decides", "description": f"Version {VERSION} of its keys."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, **about}


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(decision_schema(), indent=2) + "\n", encoding="utf-8")
    print(SCHEMA)
