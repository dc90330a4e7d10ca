"""A table of a paper as verdicts see it: where its figures compare with results, and what the paper says of it.

A file of `collab/verdicts/papers` lists its tables in `TABLES`:

    TABLES = (Table("dp_table1", (poisoning_costs_little,), Setup(backbones=("resnet50", "resnet101")), _place_of),)
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec

from collab.papers import PrintedTable, paper_figure, paper_tables
from collab.results.aggregate import Values
from collab.results.results import Results
from collab.results.table import Result
from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import Claim, Comparison

Point = tuple[Values, Results]
"""Values of the axes of a sweep, and the results there."""

Place = tuple[str, str]
"""Row and column of a printed table."""


Asked = ParamSpec("Asked")
"""What a claim is asked about: the evidence of a scenario, or an axis and the points of a sweep."""


def claim(name: str, sentence: str) -> Callable[[Callable[Asked, Iterable[Comparison]]], Callable[Asked, Claim]]:
    """Makes a claim of a function that compares: what it is called, and the `sentence` that it rests on."""

    def judge_by(compare: Callable[Asked, Iterable[Comparison]]) -> Callable[Asked, Claim]:
        @wraps(compare)
        def judge(*asked: Asked.args, **named: Asked.kwargs) -> Claim:
            return Claim(name, sentence, tuple(compare(*asked, **named)))

        return judge

    return judge_by


def pretrained_on_a_part(evidence: Evidence) -> str:
    """A sentence where who pre-trains holds less than all of X, which the papers' networks have seen; else nothing."""
    if evidence.scenario.model.weights is not None:
        return "pre-trained from given weights"
    by = evidence.scenario.model.pretrain.leader
    share = next(each.share for each in evidence.scenario.entities if each.name == by)
    return "" if share == 1.0 else f"pre-trained on a part of X, that of {by}"


@dataclass(frozen=True)
class Setup:
    """What a paper printed its figures of; those of another set-up say nothing of ours."""

    source: str = "imagenet"
    backbones: Sequence[str] = ("resnet101",)
    hook: str = "conv4_1"
    image_size: int = 224
    other_shares: Callable[[Evidence], str] = pretrained_on_a_part
    """What of the entities' shares is not the paper's; nothing if all is."""

    def departures(self, evidence: Evidence) -> str:
        """What of a scenario is not as here, such as `creatures, 16 px`; nothing if all is."""
        data, model, partition = evidence.scenario.data, evidence.scenario.model, evidence.scenario.partition.kind
        found = [
            "" if data.source == self.source else data.source,
            "" if model.backbone in self.backbones else model.backbone,
            "" if model.hook == self.hook else model.hook,
            "" if data.image_size == self.image_size else f"{data.image_size} px",
            "" if partition == "iid" else f"{partition} partition",
            self.other_shares(evidence),
        ]
        return ", ".join(filter(None, found))


@dataclass(frozen=True)
class Table:
    """A table that a scenario may expect, by its id in `papers.json`; `setup` may say why nothing compares with it."""

    id: str
    claims: Sequence[Callable[[Evidence], Claim]]
    setup: Setup | str = Setup()
    place_of: Callable[[Evidence, Result], Place | None] | None = None
    """Where in the printed table the figure stands that a result, none of an attack, is compared with.

    None where no figure is compared: those of the table are in other units, or pictures.
    """

    @property
    def printed(self) -> PrintedTable:
        """The table as it is printed."""
        return paper_tables()[self.id]

    def set_apart(self, evidence: Evidence) -> str:
        """What of a scenario is not as in the paper, so that its figures say nothing here; nothing if all is."""
        return self.setup if isinstance(self.setup, str) else self.setup.departures(evidence)

    def figure(self, evidence: Evidence, result: Result) -> float | None:
        """The printed figure that stands beside a result."""
        place = self.place_of(evidence, result) if self.place_of and result.attack is None else None
        return None if place is None else paper_figure(self.id, *place)


@dataclass(frozen=True)
class SweepTable:
    """A table that a sweep may expect; its claims get the name of the first axis, and the points."""

    id: str
    claims: Sequence[Callable[[str, Sequence[Point]], Claim]]
