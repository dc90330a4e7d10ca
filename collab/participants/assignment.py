"""Who holds which rows of the source: decided once by the driver, which sees labels and names of rows but no pixels."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from collab.data.partition import LEAST, ClassSplit, labels_of, relabel, rows_of, split_classes
from collab.data.row_lists import RowLists, names_digest
from collab.data.source import Source, Split, WithNames, open_source
from collab.data.subsets import Wish, skewed_shares, subsets
from collab.data.targets import PLAIN, Asked
from collab.errors import DataError
from collab.scenario.model import Scenario
from collab.seeding import Stream
from collab.tasks import CLASS, TASKS

ORACLE = "oracle"

A_LITTLE = 0.01
"""Share of an onlooker."""

Deal = Callable[[dict[str, Wish]], dict[str, np.ndarray]]
"""The positions that each entity holds, as it wishes."""


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
    """The rows of each entity, of the public set Q, of the held-out set, and of the whole private set X.

    `names_digests` are the sha256 of the sorted file names of each entity, where the source has such names; `notices`
    are the source's, about what is there and not played.
    """

    classes: tuple[str, ...]
    entities: dict[str, Holding]
    everything: Holding
    public: Holding
    heldout: Holding
    source_digest: str
    asked: Asked = PLAIN
    is_dealt_by_class: bool = True
    names_digests: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what the network answers."""
        return self.asked.outputs(self.classes)

    @property
    def strata(self) -> np.ndarray:
        """What is dealt alike, for each row of `everything`: its class, or nothing where it is dealt one by one."""
        return self.everything.labels if self.is_dealt_by_class else np.zeros_like(self.everything.labels)

    def oracle(self, scenario: Scenario) -> Holding:
        """What the oracle reads: everything if a row asks for a share of it, else what the entities hold together."""
        if any(row.share is not None for row in scenario.refinements):
            return self.everything
        held = np.unique(np.concatenate([holding.rows for holding in self.entities.values()]))
        return self.everything.part(np.searchsorted(self.everything.rows, held))


def open_scenario_source(scenario: Scenario) -> Source:
    """The source a scenario names."""
    data = scenario.data
    return open_source(data.opened_by, image_size=data.image_size, seed=scenario.seed, **data.source_options())


def asked_of(scenario: Scenario, source: Source) -> Asked:
    """What the scenario asks of each image of its source; DataError for what the source does not tell."""
    data = scenario.data
    return Asked.of(
        source, data.task, data.utility_attributes, data.private_attributes, identities=scenario.asks_identities
    )


def assign(scenario: Scenario, source: Source) -> Assignment:
    """Splits classes into private and public, and private rows among entities as the scenario says; seeded.

    Entities get alike parts of each class where the network answers classes, or where the scenario is about them;
    else, since CelebA has few images of each of many people, images are dealt one by one.

    Raises DataError for what the source cannot deliver.
    """
    asked, stream = asked_of(scenario, source), Stream(scenario.seed, "data", "decode")
    by_class = TASKS[scenario.data.task].target == CLASS or scenario.partition.kind == "dirichlet"
    by_class = by_class or any(entity.classes is not None for entity in scenario.entities)
    split = split_classes(source.classes, scenario.data.private_classes, stream.numpy("classes"))
    train, test = source.labels("train"), source.labels("test")
    everything = _holding("train", train, split.private)
    data, shown = scenario.data, _holding("test", test, split.private)
    if not len(shown):
        raise DataError(
            "no held-out image is of a private class, so nothing could be scored. Make more classes private."
        )
    names = source.names("train") if isinstance(source, WithNames) else None
    lists = RowLists(train, source.classes, split, names)
    given = {
        entity.name: np.searchsorted(everything.rows, lists.read(Path(entity.rows), entity.name))
        for entity in scenario.entities
        if entity.rows is not None
    }
    dealt = _dealt(scenario, source.classes, split, everything, given, stream, by_class=by_class)
    entities = {entity.name: everything.part(dealt[entity.name]) for entity in scenario.entities}
    return Assignment(
        classes=tuple(source.classes[label] for label in split.private),
        entities=entities,
        everything=everything,
        public=_capped(_holding("train", train, split.public), data.public_images, stream.numpy("public")),
        heldout=_capped(shown, data.test_images, stream.numpy("heldout")),
        source_digest=source.digest(),
        asked=asked,
        is_dealt_by_class=by_class,
        names_digests={name: names_digest(names, held.rows) for name, held in entities.items()} if names else {},
        notices=source.notices(),
    )


def label_distribution(assignment: Assignment) -> dict[str, tuple[int, ...]]:
    """How many images of each private class every entity holds, in the order of `assignment.classes`."""
    classes = len(assignment.classes)
    return {
        name: tuple(np.bincount(holding.labels, minlength=classes).tolist())
        for name, holding in assignment.entities.items()
    }


def _dealt(
    scenario: Scenario,
    classes: tuple[str, ...],
    split: ClassSplit,
    everything: Holding,
    given: dict[str, np.ndarray],
    stream: Stream,
    *,
    by_class: bool,
) -> dict[str, np.ndarray]:
    """The positions in `everything` that each entity holds: those `given`, and for all others what `share` says."""
    partition = scenario.partition
    drawing = [entity for entity in scenario.entities if entity.share is not None]
    shares = {entity.name: entity.share for entity in drawing if entity.share is not None}
    if partition.kind == "quantity":
        shares = skewed_shares(shares, partition.alpha, stream.numpy("shares"))
    wishes = {
        entity.name: Wish(
            shares[entity.name],
            None if entity.classes is None else labels_of(entity.classes, classes, split, entity.name),
            *((entity.overlap.entity, entity.overlap.fraction) if entity.overlap else ()),
        )
        for entity in drawing
    }

    def deal(wishes: dict[str, Wish]) -> dict[str, np.ndarray]:
        return subsets(
            everything.labels if by_class else np.zeros_like(everything.labels),
            wishes,
            stream.numpy,
            classes=[classes[label] for label in split.private] if by_class else ["all private images"],
            alpha=partition.alpha if partition.kind == "dirichlet" else None,
            given=given,
        )

    try:
        return _with_onlookers(scenario, wishes, deal)
    except DataError as cause:
        if partition.kind != "quantity":
            raise
        told = ", ".join(f"{name} {share:.4f}" for name, share in shares.items())
        raise DataError(
            f"{cause} `partition.alpha` {partition.alpha:g} drew the shares {told}; a larger one evens them."
        ) from cause


def _with_onlookers(scenario: Scenario, wishes: dict[str, Wish], deal: Deal) -> dict[str, np.ndarray]:
    """What `deal` makes of `wishes`, and of onlookers after them, so that nobody has fewer images for theirs.

    Each onlooker holds a hundredth of what nobody has or, where shares leave too little, of what the first entity has;
    where that cannot be dealt either, the first images of that entity. No result depends on which they are.
    """
    onlookers = [entity.name for entity in scenario.entities if entity.is_onlooker]
    if not onlookers:
        return deal(wishes)
    first = next(entity.name for entity in scenario.entities if not entity.is_onlooker)  # who pre-trains is none
    has_room = sum(entity.share or 0 for entity in scenario.entities) + len(onlookers) * A_LITTLE <= 1
    a_little = Wish(A_LITTLE) if has_room else Wish(A_LITTLE, None, first, 1.0)
    with suppress(DataError):  # of what others ask for it is raised below
        return deal({**wishes, **dict.fromkeys(onlookers, a_little)})
    dealt = deal(wishes)
    return dealt | dict.fromkeys(onlookers, dealt[first][:LEAST])


def _holding(split: Split, labels: np.ndarray, classes: tuple[int, ...]) -> Holding:
    rows = rows_of(labels, classes)
    return Holding(split, rows, relabel(labels[rows], classes))


def _capped(holding: Holding, most: int | None, rng: np.random.Generator) -> Holding:
    if most is None or most >= len(holding):
        return holding
    return holding.part(np.sort(rng.choice(len(holding), most, replace=False)))
