"""Who holds which rows of the source: decided once by the driver, which sees labels and names of rows but no pixels."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from collab.data.partition import LEAST, ClassSplit, find_labels, find_rows, hold_out, relabel, split_classes
from collab.data.row_lists import RowLists, digest_names
from collab.data.source import Source, Split, WithNames, open_source
from collab.data.subsets import Wish, deal_subsets, draw_shares
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

    @classmethod
    def of(cls, split: Split, labels: np.ndarray, classes: tuple[int, ...]) -> Self:
        """All rows of `classes` in a split of which these are the `labels`."""
        rows = find_rows(labels, classes)
        return cls(split, rows, relabel(labels[rows], classes))

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, at: np.ndarray) -> "Holding":
        """The rows at positions `at` of this holding."""
        return Holding(self.split, self.rows[at], self.labels[at])

    def without(self, other: "Holding") -> "Holding":
        """Those that `other`, of the same split, does not have."""
        return self.part(np.flatnonzero(~np.isin(self.rows, other.rows)))

    def draw(self, most: int | None, rng: np.random.Generator) -> "Holding":
        """At most so many of the rows."""
        if most is None or most >= len(self):
            return self
        return self.part(np.sort(rng.choice(len(self), most, replace=False)))


@dataclass(frozen=True)
class Assignment:
    """The rows of each entity, of the public set Q, of the held-out set, and of the whole private set X.

    `unscored` are those of the validation set, of which the scenario may ask for none; in a run that is scored on that
    set it stands in the place of `heldout`, and the held-out images are `unscored`.
    `names_digests` are the sha256 of the sorted file names of each entity, where the source has such names; `notices`
    are the source's, about what is there and not played.
    """

    classes: tuple[str, ...]
    entities: dict[str, Holding]
    everything: Holding
    public: Holding
    heldout: Holding
    unscored: Holding
    source_digest: str
    asked: Asked = PLAIN
    is_dealt_by_class: bool = True
    names_digests: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @property
    def images(self) -> dict[str, int]:
        """How many images each entity holds."""
        return {name: len(holding) for name, holding in self.entities.items()}

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what the network answers."""
        return self.asked.outputs(self.classes)

    @cached_property
    def heldout_digest(self) -> str:
        """Which images everything is scored on, in which order, and what is asked of them; equal for equal ones."""
        sha256 = hashlib.sha256(f"{self.source_digest} {self.heldout.split} {self.outputs}".encode())
        for part in (self.heldout.rows, self.heldout.labels):
            sha256.update(np.ascontiguousarray(part, dtype=np.int64).tobytes())
        return sha256.hexdigest()

    @property
    def strata(self) -> np.ndarray:
        """What is dealt alike, for each row of `everything`: its class, or nothing where it is dealt one by one."""
        return self.everything.labels if self.is_dealt_by_class else np.zeros_like(self.everything.labels)

    @property
    def holdings(self) -> list[Holding]:
        """All of them in one order, that of `with_holdings`."""
        return [self.everything, self.public, self.heldout, self.unscored, *self.entities.values()]

    def with_holdings(self, holdings: Sequence[Holding]) -> "Assignment":
        """The same with others in the place of `holdings`."""
        everything, public, heldout, unscored, *own = holdings
        entities = dict(zip(self.entities, own, strict=True))
        return replace(
            self, everything=everything, public=public, heldout=heldout, unscored=unscored, entities=entities
        )

    def oracle(self, scenario: Scenario) -> Holding:
        """What the oracle reads: everything if a row asks for a share of it, else what the entities hold together."""
        if any(row.share is not None for row in scenario.refinements):
            return self.everything
        held = np.unique(np.concatenate([holding.rows for holding in self.entities.values()]))
        return self.everything.part(np.searchsorted(self.everything.rows, held))


def open_scenario_source(scenario: Scenario) -> Source:
    """The source a scenario names."""
    data = scenario.data
    return open_source(data.opened_by, image_size=data.image_size, seed=scenario.data_seed, **data.source_options())


def assign(scenario: Scenario, source: Source) -> Assignment:
    """Splits classes into private and public, and private rows among entities as the scenario says; seeded.

    Entities get alike parts of each class where the network answers classes, or where the scenario is about them;
    else, since CelebA has few images of each of many people, images are dealt one by one.

    Raises DataError for what the source cannot deliver.
    """
    data, stream = scenario.data, Stream(scenario.data_seed, "data", "decode")
    attributes = data.utility_attributes, data.private_attributes
    asked = Asked.of(source, data.task, *attributes, identities=scenario.asks_identities)
    by_class = TASKS[data.task].target == CLASS or scenario.partition.kind == "dirichlet"
    by_class = by_class or any(entity.classes is not None for entity in scenario.entities)
    split = split_classes(source.classes, data.private_classes, stream.numpy("classes"))
    train = source.labels("train")
    everything = Holding.of("train", train, split.private)
    shown = Holding.of("test", _read_test_labels(source, data.hold_out), split.private)
    if data.hold_out is not None:
        shown = everything.part(hold_out(everything.labels, data.hold_out, stream.numpy("hold_out")))
        everything = everything.without(shown)
    if not len(shown):
        raise DataError(
            "no held-out image is of a private class, so nothing could be scored. Make more classes private."
        )
    scored, unscored = _set_apart(scenario, shown, stream)
    names = source.names("train") if isinstance(source, WithNames) else None
    lists = RowLists(train, source.classes, split, names)
    listed = {
        entity.name: np.flatnonzero(np.isin(everything.rows, lists.read(Path(entity.rows), entity.name)))
        for entity in scenario.entities
        if entity.rows is not None
    }  # without those that are held out
    if few := next((name for name, positions in listed.items() if len(positions) < LEAST), None):
        raise DataError(
            f"entity {few!r} keeps {len(listed[few])} of the rows that it lists, as others are held out; it needs "
            f"{LEAST}. List more, or lower `data.hold_out`."
        )
    positions = _deal(scenario, source.classes, split, everything, listed, stream, by_class=by_class)
    entities = {entity.name: everything.part(positions[entity.name]) for entity in scenario.entities}
    return Assignment(
        classes=tuple(source.classes[label] for label in split.private),
        entities=entities,
        everything=everything,
        public=Holding.of("train", train, split.public).draw(data.public_images, stream.numpy("public")),
        heldout=scored,
        unscored=unscored,
        source_digest=source.digest(),
        asked=asked,
        is_dealt_by_class=by_class,
        names_digests={name: digest_names(names, held.rows) for name, held in entities.items()} if names else {},
        notices=source.notices(),
    )


def count_labels(assignment: Assignment) -> dict[str, tuple[int, ...]]:
    """How many images of each private class every entity holds, in the order of `assignment.classes`."""
    holdings, classes = assignment.entities.items(), len(assignment.classes)
    return {name: tuple(np.bincount(held.labels, minlength=classes).tolist()) for name, held in holdings}


def _read_test_labels(source: Source, share: float | None) -> np.ndarray:
    """The labels of the test split. Raises DataError unless there is one, or a share of training images instead."""
    labels = source.labels("test")
    if share is None and not len(labels):
        raise DataError(
            "the source has no test split, so nothing could be scored. State `data.hold_out: 0.2` (a share of each "
            "class), or other images in `data.test` where the source has that key."
        )
    if share is not None and len(labels):
        raise DataError(
            f"`data.hold_out` takes held-out images from the training ones, and the source has {len(labels):,} test "
            "images of its own. Leave `hold_out` out, or give the source training images alone (`test: null`)."
        )
    return labels


def _set_apart(scenario: Scenario, shown: Holding, stream: Stream) -> tuple[Holding, Holding]:
    """Of the images of private classes in the test split: those that a run is scored on, and those that it is not.

    Validation images are drawn first, by a stream of their own; where none are asked for, held-out ones are as ever.
    """
    data, validation = scenario.data, shown.part(np.empty(0, np.int64))
    if data.validation is not None:
        if data.validation > len(shown) - LEAST:
            raise DataError(
                f"data.validation asks for {data.validation} images, and the test split has {len(shown)} of private "
                f"classes, of which {LEAST} at least stay held out. Ask for fewer, or give the source more test images."
            )
        validation = shown.draw(data.validation, stream.numpy("validation"))
    heldout = shown.without(validation).draw(data.test_images, stream.numpy("heldout"))
    return (validation, heldout) if data.is_for_choosing else (heldout, validation)


def _deal(
    scenario: Scenario,
    classes: tuple[str, ...],
    split: ClassSplit,
    everything: Holding,
    listed: dict[str, np.ndarray],
    stream: Stream,
    *,
    by_class: bool,
) -> dict[str, np.ndarray]:
    """The positions in `everything` that each entity holds: those `listed`, and for all others what `share` says."""
    partition = scenario.partition
    sharing = [entity for entity in scenario.entities if entity.share is not None]
    shares = {entity.name: entity.share for entity in sharing if entity.share is not None}
    if partition.kind == "quantity":
        shares = draw_shares(shares, partition.alpha, stream.numpy("shares"))
    wishes = {
        entity.name: Wish(
            shares[entity.name],
            None if entity.classes is None else find_labels(entity.classes, classes, split, entity.name),
            *((entity.overlap.entity, entity.overlap.fraction) if entity.overlap else ()),
        )
        for entity in sharing
    }

    def deal(wishes: dict[str, Wish]) -> dict[str, np.ndarray]:
        return deal_subsets(
            everything.labels if by_class else np.zeros_like(everything.labels),
            wishes,
            stream.numpy,
            classes=[classes[label] for label in split.private] if by_class else ["all private images"],
            alpha=partition.alpha if partition.kind == "dirichlet" else None,
            listed=listed,
        )

    try:
        return _deal_with_onlookers(scenario, wishes, deal)
    except DataError as cause:
        if partition.kind != "quantity":
            raise
        drawn = ", ".join(f"{name} {share:.4f}" for name, share in shares.items())
        raise DataError(
            f"{cause} `partition.alpha` {partition.alpha:g} drew the shares {drawn}; a larger one evens them."
        ) from cause


def _deal_with_onlookers(scenario: Scenario, wishes: dict[str, Wish], deal: Deal) -> dict[str, np.ndarray]:
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
    positions = deal(wishes)
    return positions | dict.fromkeys(onlookers, positions[first][:LEAST])
