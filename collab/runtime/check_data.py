"""Looks at all images of a scenario once, before anything is played: what they are, which are broken, which twice."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from collab.data.copies import Holder, describe_copies
from collab.data.joined import PUBLIC as PUBLIC_ORIGIN
from collab.data.near_copies import NearCopies, find_near_copies
from collab.data.source import Split
from collab.data.survey import Survey, measure_loss, survey_images
from collab.participants.assignment import Assignment
from collab.participants.holding import Holding
from collab.participants.sources import Sources
from collab.runtime.deal import HELDOUT, PUBLIC, UNSCORED, deal, list_holdings
from collab.runtime.host import Emit, tell_notes
from collab.scenario.model import Scenario
from collab.seeding import Stream

MOST_SHOWN, MOST_PAIRS = 24, 12
"""Images of a holder on its contact sheet, and pairs of near copies that are shown."""


@dataclass(frozen=True)
class Looked:
    """The images of one holder: an entity, or those held out, not scored, public or nobody's.

    `counts` are images by class; `lost` is the share of each image that lies outside its center square, where sizes are
    known. `shown` are some images, uint8 [n, 3, side, side], and `shown_classes` their classes.
    """

    name: str
    survey: Survey
    rows: np.ndarray
    counts: Mapping[str, int]
    lost: np.ndarray
    shown: np.ndarray
    shown_classes: tuple[str, ...]

    @property
    def holder(self) -> Holder:
        """Its images as `collab.data.copies` compares them."""
        rows = self.rows[self.survey.whole].tolist()
        return Holder(tuple(rows), tuple(self.survey.digests), tuple(self.survey.is_blank))


@dataclass(frozen=True)
class NearPair:
    """Two images that are nearly the same: whose they are, how alike, and both as uint8 [2, 3, side, side]."""

    holders: tuple[str, str]
    alike: float
    images: np.ndarray


@dataclass(frozen=True)
class DataCheck:
    """What was found: by holder, which images stand twice, in sentences, which nearly so, what was passed over.

    `near` counts pairs of near copies by the two holders, `pairs` are the most alike of them.
    """

    scenario: Scenario
    looked: tuple[Looked, ...]
    copies: tuple[str, ...]
    near: Mapping[tuple[str, str], int]
    pairs: tuple[NearPair, ...]
    notices: tuple[str, ...]

    @property
    def images(self) -> int:
        """How many were looked at."""
        return sum(each.survey.count for each in self.looked)

    @property
    def broken(self) -> tuple[tuple[str, str], ...]:
        """Whose each broken image is, and what is wrong with it."""
        return tuple((each.name, why) for each in self.looked for _, why in sorted(each.survey.broken.items()))


def check_data(scenario: Scenario, watch: Emit) -> DataCheck:
    """Decodes every image that a scenario plays, some at a time; `watch` is told of notices, and how far it is.

    Raises DataError for what the sources cannot deliver, but for images that do not decode.
    """
    sources = Sources.open(scenario)
    assignment = deal(scenario, sources, tell_notes(watch))
    reader = _Reader(scenario, sources, assignment)
    holdings = list_holdings(scenario, assignment)
    looked = list[Looked]()
    for name, holding in holdings.items():
        watch({"event": "look", "holder": name, "images": 0, "of": len(holding)})
        looked.append(reader.look(name, holding, lambda count, name=name: watch(  # type: ignore[misc]
            {"event": "look", "holder": name, "images": count, "of": 0}
        )))  # fmt: skip
    near = _find_near(looked)
    owners, places = _number(looked)
    pairs = tuple(
        NearPair(
            (looked[owners[one]].name, looked[owners[other]].name),
            float(alike),
            np.concatenate(
                [reader.read(holdings[looked[owners[at]].name], places[at : at + 1]) for at in (one, other)]
            ),
        )
        for one, other, alike in zip(near.first[:MOST_PAIRS], near.second[:MOST_PAIRS], near.alike, strict=False)
    )
    names = [each.name for each in looked]
    counted = Counter(
        (names[one], names[other]) for one, other in zip(owners[near.first], owners[near.second], strict=True)
    )
    return DataCheck(scenario, tuple(looked), _describe(looked), counted, pairs, assignment.notices)


@dataclass(frozen=True)
class _Reader:
    """Images of holdings, from the sources that their rows are of."""

    scenario: Scenario
    sources: Sources
    assignment: Assignment

    def look(self, name: str, holding: Holding, tell: Callable[[int], None]) -> Looked:
        side, survey = self.scenario.data.image_size, Survey()
        for origin, split, rows in self._divide(holding):
            survey.add(survey_images(self.sources.by_origin[origin], split, rows, side, tell))
        classes = self._name_classes(name)
        labels = holding.labels
        counts = {classes[label]: int(count) for label, count in enumerate(np.bincount(labels, minlength=len(classes)))}
        places = _choose(labels, survey.whole)
        shown = self.read(holding, places)
        lost = measure_loss(survey.sizes(), side)
        shown_classes = tuple(classes[label] for label in labels[places].tolist())
        return Looked(name, survey, holding.rows, counts, lost, shown, shown_classes)

    def read(self, holding: Holding, places: np.ndarray) -> np.ndarray:
        """The images of a holding at `places`, which decode."""
        side = self.scenario.data.image_size
        blocks = [
            block
            for origin, split, rows in self._divide(holding.part(places))
            for block in self.sources.by_origin[origin].images(split, rows)
        ]
        return np.concatenate([np.empty((0, 3, side, side), np.uint8), *blocks])

    def _divide(self, holding: Holding) -> Iterator[tuple[str, Split, np.ndarray]]:
        for origin, part in self.assignment.divide(holding):
            for split, rows in origin.find(part.split, part.rows):
                yield origin.name, split, rows

    def _name_classes(self, holder: str) -> tuple[str, ...]:
        if holder != PUBLIC:
            return self.assignment.classes
        if PUBLIC_ORIGIN in self.sources.by_origin:
            return self.sources.by_origin[PUBLIC_ORIGIN].classes
        rng = Stream(self.scenario.data_seed, "data", "decode").numpy("classes")
        classes, split = self.sources.split_classes(self.scenario, rng)
        return tuple(classes[label] for label in split.public)


def _choose(labels: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Places of images to show, as many of each class as there is room for: the first of each, the second, ..."""
    rank = np.empty(len(whole), np.int64)
    for label in np.unique(labels[whole]):
        at = np.flatnonzero(labels[whole] == label)
        rank[at] = np.arange(len(at))
    return np.sort(whole[np.argsort(rank, kind="stable")[:MOST_SHOWN]])


def _number(looked: Sequence[Looked]) -> tuple[np.ndarray, np.ndarray]:
    """Of all images that decode, one holder after the other: the number of the holder, and the place in its holding."""
    places = [each.survey.whole for each in looked]
    return np.repeat(np.arange(len(looked)), list(map(len, places))), np.concatenate(places)


def _find_near(looked: Sequence[Looked]) -> NearCopies:
    thumbnails = [thumbnail for each in looked for thumbnail in each.survey.thumbnails]
    digests = [digest for each in looked for digest in each.survey.digests]
    return find_near_copies(np.array(thumbnails, dtype=np.uint8).reshape(len(digests), -1), digests)


def _describe(looked: Sequence[Looked]) -> tuple[str, ...]:
    """Exact copies, in the sentences that a run tells."""
    others = {HELDOUT, UNSCORED, PUBLIC}
    holders = {each.name: each.holder for each in looked}
    nothing = Holder((), (), ())
    return tuple(
        describe_copies(
            {name: holder for name, holder in holders.items() if name not in others},
            holders.get(HELDOUT, nothing), holders.get(PUBLIC, nothing), holders.get(UNSCORED),
        ).values()
    )  # fmt: skip
