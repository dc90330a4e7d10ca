"""Who holds which rows of the source: decided once by the driver, which sees labels and names of rows but no pixels."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from collab.data.hold_out import find_groups, hold_out
from collab.data.joined import DEALT, HELDOUT, PUBLIC, Origin, divide
from collab.data.partition import LEAST, ClassSplit
from collab.data.row_lists import RowLists, digest_names
from collab.data.source import Split, WithNames
from collab.data.targets import PLAIN, Asked
from collab.errors import DataError
from collab.participants.dealing import deal_positions
from collab.participants.holding import Holding, join
from collab.participants.parties import PartyReader, note_lonely_classes
from collab.participants.sources import Sources
from collab.scenario.model import Scenario
from collab.seeding import Stream
from collab.tasks import CLASS, TASKS

ORACLE = "oracle"


@dataclass(frozen=True)
class Assignment:
    """The rows of each entity, of the public set Q, of the held-out set, and of the whole private set X.

    `unscored` are those of the validation set, of which the scenario may ask for none; in a run that is scored on that
    set it stands in the place of `heldout`, and the held-out images are `unscored`.
    `names_digests` are the sha256 of the sorted file names of each entity, where the source has such names; `notices`
    are the source's, about what is there and not played. `origins` say which row numbers are of which source.
    `spectators` have no images: as each entity holds some, they hold public ones, which tell nobody anything.
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
    origins: tuple[Origin, ...] = ()
    spectators: frozenset[str] = frozenset()

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

    @property
    def holders(self) -> dict[str, Holding]:
        """The rows of each entity that has private images."""
        return {name: held for name, held in self.entities.items() if name not in self.spectators}

    def divide(self, holding: Holding) -> Iterator[tuple[Origin, Holding]]:
        """A holding by the sources that its rows are of."""
        for origin, places in divide(self.origins, holding.split, holding.rows):
            yield origin, holding.part(places)

    def held_out_of(self, name: str) -> Holding:
        """The held-out and the unscored images of an entity's own source."""
        both = join([self.heldout, self.unscored])
        parts = [part for origin, part in self.divide(both) if origin.owner == name]
        return join(parts) if parts else both.part(np.empty(0, np.int64))

    def find_local(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Which held-out images are an entity's own, as places among them: of its own source where some are, else of
        what is dealt; of these the ones of classes that it has. Nothing where they are the same for all `names`.
        """
        shown, owners = self.heldout, np.full(len(self.heldout), "", dtype=object)
        for origin, at in divide(self.origins, shown.split, shown.rows):
            owners[at] = origin.owner or origin.name
        places = {}
        for name in names:
            is_own = owners == (name if (owners == name).any() else DEALT)
            is_of_class = np.isin(shown.labels, self.entities[name].labels)
            places[name] = np.flatnonzero(is_of_class & (is_own if is_own.any() else True))
        differ = len({tuple(at.tolist()) for at in places.values()}) > 1
        return {name: at for name, at in places.items() if len(at)} if differ else {}

    def oracle(self, scenario: Scenario) -> Holding:
        """What the oracle reads: everything if a row asks for a share of it, else what the entities hold together.

        For attacks that ask who stands behind answers also as many images that nobody holds as they have candidates.
        """
        if any(row.share is not None for row in scenario.refinements):
            return self.everything
        held = np.unique(np.concatenate([holding.rows for holding in self.holders.values()]))
        at = np.searchsorted(self.everything.rows, held)
        attacks = [attack for entity in scenario.entities for attack in getattr(entity.options, "attacks", ())]
        asked = [each.hand_out.candidates for each in attacks if each.of_answers and each.hand_out is not None]
        if asked:
            free = np.setdiff1d(np.arange(len(self.everything)), at)
            draw = Stream(scenario.data_seed, "data", "strangers").numpy("strangers")
            at = np.union1d(at, draw.permutation(free)[: max(asked)])
        return self.everything.part(at)


def assign(scenario: Scenario, sources: Sources) -> Assignment:
    """Splits classes into private and public, and private rows among entities as the scenario says; seeded.

    Entities get alike parts of each class where the network answers classes, or where the scenario is about them;
    else, since CelebA has few images of each of many people, images are dealt one by one. Who has a source of its own
    is dealt nothing.

    Raises DataError for what the sources cannot deliver.
    """
    data, stream, source = scenario.data, Stream(scenario.data_seed, "data", "decode"), sources.dealt
    attributes = data.utility_attributes, data.private_attributes
    asked = Asked.of(source, data.task, *attributes, identities=scenario.asks_identities)
    by_class = TASKS[data.task].target == CLASS or scenario.partition.kind == "dirichlet"
    by_class = by_class or any(entity.classes is not None for entity in scenario.entities)
    classes, split = sources.split_classes(scenario, stream.numpy("classes"))
    train = source.labels("train")
    dealt, shown = _hold_out_of_dealt(scenario, sources, split, stream)
    reader = PartyReader(scenario, sources, classes, split, stream, into=shown.split)
    parties = {entity.name: reader.read(entity) for entity in scenario.with_own_data}
    shown = join([shown, *(party.heldout for party in parties.values())])
    if HELDOUT in sources.by_origin:
        shown = _read_heldout(sources, classes, split)
    if not len(shown):
        raise DataError(
            "no held-out image is of a private class, so nothing could be scored. Make more classes private."
        )
    scored, unscored = _set_apart(scenario, shown, stream)
    public = Holding.of("train", train, split.public) if PUBLIC not in sources.by_origin else _read_public(sources)
    public = public.draw(data.public_images, stream.numpy("public"))
    names = source.names("train") if isinstance(source, WithNames) else None
    lists = RowLists(train, classes, split, names)
    listed = {
        entity.name: _find_listed(dealt, lists.read(entity.rows_path, entity.name), entity.name)
        for entity in scenario.entities
        if entity.rows is not None and entity.data is None
    }
    positions = deal_positions(scenario, classes, split, dealt, listed, stream, by_class=by_class)
    entities = {name: dealt.part(at) for name, at in positions.items()}
    entities |= {name: party.held for name, party in parties.items()}
    spectators = [entity.name for entity in scenario.entities if entity.name not in entities]
    a_few = Holding(public.split, public.rows[:LEAST], np.zeros(min(LEAST, len(public)), np.int64))
    entities |= dict.fromkeys(spectators, a_few)
    entities = {entity.name: entities[entity.name] for entity in scenario.entities}
    private = tuple(classes[label] for label in split.private)
    holders = {name: held for name, held in entities.items() if name not in spectators}
    notices = [*sources.notices(), *(text for party in parties.values() for text in party.notices)]
    if parties:
        notices += note_lonely_classes(private, holders)
    return Assignment(
        classes=private,
        entities=entities,
        everything=join([dealt, *(party.held for party in parties.values())]),
        public=public,
        heldout=scored,
        unscored=unscored,
        source_digest=sources.digest(),
        asked=asked,
        is_dealt_by_class=by_class,
        names_digests=_digest_names(sources, holders),
        notices=tuple(notices),
        origins=sources.origins,
        spectators=frozenset(spectators),
    )


def count_labels(assignment: Assignment) -> dict[str, tuple[int, ...]]:
    """How many images of each private class every entity holds, in the order of `assignment.classes`."""
    holdings, classes = assignment.holders.items(), len(assignment.classes)
    return {name: tuple(np.bincount(held.labels, minlength=classes).tolist()) for name, held in holdings}


def _hold_out_of_dealt(
    scenario: Scenario, sources: Sources, split: ClassSplit, stream: Stream
) -> tuple[Holding, Holding]:
    """The private images that are dealt, and those held out: of the test split, or a share of each class of training.

    Raises DataError unless there is one of both, where nobody has held-out images of its own.
    """
    source, data = sources.dealt, scenario.data
    dealt, tests = Holding.of("train", source.labels("train"), split.private), source.labels("test")
    if not len(dealt) or HELDOUT in sources.by_origin:
        return dealt, Holding("test", np.empty(0, np.int64), np.empty(0, np.int64))
    if data.hold_out is None or (len(tests) and scenario.with_own_data):
        if not len(tests):
            raise DataError(
                "the source has no test split, so nothing could be scored. State `data.hold_out: 0.2` (a share of each "
                "class), or other images in `data.heldout`."
            )
        return dealt, Holding.of("test", tests, split.private)
    if len(tests):
        raise DataError(
            f"`data.hold_out` takes held-out images from the training ones, and the source has {len(tests):,} test "
            "images of its own. Leave `hold_out` out, or give the source training images alone (`test: null`)."
        )
    groups = None if data.group is None else find_groups(source, data.group, dealt.rows)
    shown = dealt.part(hold_out(dealt.labels, data.hold_out, stream.numpy("hold_out"), groups))
    return dealt.without(shown), shown


def _read_heldout(sources: Sources, classes: tuple[str, ...], split: ClassSplit) -> Holding:
    """The images of private classes of the source that is held out for all: of its test split where it has one."""
    source, origin = sources.by_origin[HELDOUT], sources.origin(HELDOUT)
    number = np.array([classes.index(name) if name in classes else -1 for name in source.classes], dtype=np.int64)
    of: Split = "test" if len(source.labels("test")) else "train"
    own = Holding.of("test", number[source.labels(of)], split.private)
    return Holding("test", origin.number("test", of, own.rows), own.labels)


def _read_public(sources: Sources) -> Holding:
    """All images of the source of the public set, labels counted within its classes."""
    source, origin = sources.by_origin[PUBLIC], sources.origin(PUBLIC)
    labels = np.concatenate([source.labels("train"), source.labels("test")]).astype(np.int64)
    if len(labels) < LEAST:
        raise DataError(f"data.public has {len(labels)} images; the reconstructor needs {LEAST}.")
    return Holding("train", origin.number("train", "train", np.arange(len(labels))), labels)


def _find_listed(dealt: Holding, rows: np.ndarray, entity: str) -> np.ndarray:
    """The positions of listed rows among those that are dealt, without such as are held out."""
    positions = np.flatnonzero(np.isin(dealt.rows, rows))
    if len(positions) < LEAST:
        raise DataError(
            f"entity {entity!r} keeps {len(positions)} of the rows that it lists, as others are held out; it needs "
            f"{LEAST}. List more, or lower `data.hold_out`."
        )
    return positions


def _digest_names(sources: Sources, holders: Mapping[str, Holding]) -> dict[str, str]:
    """The digest of the file names of each entity whose source has such."""
    digests = {}
    for name, held in holders.items():
        origin = sources.origin(name if name in sources.owners else DEALT)
        source = sources.by_origin[origin.name]
        if isinstance(source, WithNames):
            rows = [own for _, own in origin.find("train", held.rows)]
            digests[name] = digest_names(source.names("train"), np.concatenate(rows))
    return digests


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
