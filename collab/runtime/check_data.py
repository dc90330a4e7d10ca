"""Looks at all images of a scenario once, before anything is played: what they are, which are broken, which twice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from collab.data.copies import HELDOUT, PUBLIC, VALIDATION, Holder, describe_copies
from collab.data.joined import PUBLIC as OF_PUBLIC
from collab.data.near_copies import NearCopies, find_near_copies
from collab.data.survey import Survey, measure_loss, survey_images
from collab.participants.assignment import Assignment, assign
from collab.participants.holding import Holding
from collab.participants.sources import Sources
from collab.runtime.host import Emit, tell_notes
from collab.scenario.model import Scenario
from collab.seeding import Stream

NOBODY = "nobody"
"""Private images that no entity has, where a row from scratch takes a share of all."""

MOST_SHOWN = 24
"""Images of a holder that its contact sheet shows."""


@dataclass(frozen=True)
class Looked:
    """The images of one holder: an entity, the held-out, validation or public ones; those `shown`, with their classes.

    `counts` are by class, of all its images; `lost` is the share of each that lies outside its center square.
    """

    name: str
    survey: Survey
    holder: Holder
    counts: Mapping[str, int]
    lost: np.ndarray
    shown: np.ndarray
    shown_classes: tuple[str, ...]


@dataclass(frozen=True)
class NearPair:
    """Two images that are nearly the same: whose they are, how alike, and both as uint8 [2, 3, side, side]."""

    holders: tuple[str, str]
    alike: float
    images: np.ndarray


@dataclass(frozen=True)
class DataCheck:
    """What was found: by holder, which images stand twice, in sentences, which nearly so, what was passed over."""

    scenario: Scenario
    looked: tuple[Looked, ...]
    copies: tuple[str, ...]
    near: Mapping[tuple[str, str], int]
    pairs: tuple[NearPair, ...]
    notices: tuple[str, ...]

    @cached_property
    def broken(self) -> tuple[str, ...]:
        """What is said of each broken image, once, though several may hold it."""
        texts = (f"{each.name}: {why}" for each in self.looked for _, why in sorted(each.survey.broken.items()))
        return tuple(dict.fromkeys(texts))

    @property
    def images(self) -> int:
        """How many were looked at."""
        return sum(each.survey.count for each in self.looked)


def check_data(scenario: Scenario, watch: Emit) -> DataCheck:
    """Decodes every image of every holder once, some at a time; `watch` is told of notices and of how far it is.

    Raises DataError for what the sources cannot deliver, but for images that do not decode.
    """
    sources = Sources.open(scenario)
    assignment = assign(scenario, sources)
    for notice in assignment.notices:
        tell_notes(watch)(notice)
    reader = _Reader(scenario, sources, assignment)
    holdings = _list_holdings(scenario, assignment)
    looked = []
    for name, (holding, classes) in holdings.items():
        def tell(done: int, name: str = name, of: int = len(holding)) -> None:
            watch({"event": "look", "holder": name, "images": done, "of": of})

        looked.append(reader.look(name, holding, classes, tell))
    return DataCheck(
        scenario, tuple(looked), _describe(looked), *_compare(reader, holdings, looked), assignment.notices
    )
