"""Who holds which rows of the source: decided once by the driver, which sees labels and row numbers but no pixels."""

from dataclasses import dataclass

import numpy as np

from collab.data.partition import relabel, rows_of, split_classes, stratified_subsets
from collab.data.source import Source, Split, open_source
from collab.scenario.model import Scenario
from collab.seeding import Stream

ORACLE = "oracle"


@dataclass(frozen=True)
class Holding:
    """Rows of one split of the source, and their labels counted within private or public classes."""

    split: Split
    rows: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, at: np.ndarray) -> "Holding":
        """The rows at positions `at` of this holding."""
        return Holding(self.split, self.rows[at], self.labels[at])


@dataclass(frozen=True)
class Assignment:
    """The rows of each entity, of the public set Q, of the held-out set, and of the whole private set X."""

    classes: tuple[str, ...]
    entities: dict[str, Holding]
    everything: Holding
    public: Holding
    heldout: Holding
    source_digest: str

    def oracle(self, scenario: Scenario) -> Holding:
        """What the oracle reads: everything if a row asks for a share of it, else what the entities hold together."""
        if any(row.share is not None for row in scenario.refinements):
            return self.everything
        held = np.unique(np.concatenate([holding.rows for holding in self.entities.values()]))
        return self.everything.part(np.searchsorted(self.everything.rows, held))


def open_scenario_source(scenario: Scenario) -> Source:
    """The source a scenario names."""
    data = scenario.data
    return open_source(data.source, image_size=data.image_size, seed=scenario.seed, **data.source_options())


def assign(scenario: Scenario, source: Source) -> Assignment:
    """Splits classes into private and public, and private rows among entities: stratified, disjoint, seeded."""
    stream = Stream(scenario.seed, "data", "decode")
    split = split_classes(source.classes, scenario.data.private_classes, stream.numpy("classes"))
    train, test = source.labels("train"), source.labels("test")
    everything = _holding("train", train, split.private)
    shares = {entity.name: entity.share for entity in scenario.entities}
    subsets = stratified_subsets(everything.labels, shares, stream.numpy("subsets"))
    data = scenario.data
    return Assignment(
        classes=tuple(source.classes[label] for label in split.private),
        entities={name: everything.part(np.sort(at)) for name, at in subsets.items()},
        everything=everything,
        public=_capped(_holding("train", train, split.public), data.public_images, stream.numpy("public")),
        heldout=_capped(_holding("test", test, split.private), data.test_images, stream.numpy("heldout")),
        source_digest=source.digest(),
    )


def _holding(split: Split, labels: np.ndarray, classes: tuple[int, ...]) -> Holding:
    rows = rows_of(labels, classes)
    return Holding(split, rows, relabel(labels[rows], classes))


def _capped(holding: Holding, most: int | None, rng: np.random.Generator) -> Holding:
    if most is None or most >= len(holding):
        return holding
    return holding.part(np.sort(rng.choice(len(holding), most, replace=False)))
