"""What an entity has of a source of its own: the images it trains on, those held out, and what is not played of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from collab.data.hold_out import find_groups, hold_out
from collab.data.partition import LEAST, ClassSplit, find_labels, relabel
from collab.data.row_lists import RowLists
from collab.data.source import Split, WithNames
from collab.data.subsets import Wish, deal_subsets
from collab.data.words import say_count, say_names
from collab.errors import DataError
from collab.participants.holding import Holding
from collab.participants.sources import Sources
from collab.scenario.model import EntityPart, Scenario
from collab.seeding import Stream


@dataclass(frozen=True)
class Party:
    """What an entity has of its own source: what it holds, and what of it is held out; what of it is not played."""

    held: Holding
    heldout: Holding
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartyReader:
    """Reads labels and names of an entity's own source; `into` is the split that held-out rows are numbered in."""

    scenario: Scenario
    sources: Sources
    classes: tuple[str, ...]
    split: ClassSplit
    stream: Stream
    into: Split

    def read(self, entity: EntityPart) -> Party:
        """Its images of private classes, as `rows` and `classes` say: some are held out, of the rest it has a share.

        Raises DataError where that cannot be had.
        """
        own, notices = self._list_own(entity, "train", "train"), list(self._note_others(entity))
        heldout = self._list_own(entity, self.into, "test")
        if self.scenario.data.heldout is not None:
            if len(heldout):
                notices.append(
                    f"{entity.name}: {say_count(len(heldout), 'test image')} not played, as `data.heldout` is."
                )
            heldout = heldout.part(np.empty(0, np.int64))
        elif self._is_to_hold_out(entity):
            own, heldout = self._hold_out(entity, own)
            for label in sorted(set(own.labels.tolist()) - set(heldout.labels.tolist())):
                name = self.classes[self.split.private[label]]
                notices.append(f"{entity.name}: no image of class {name} is held out: it has one image, or one group.")
        return Party(self._take_share(entity, own), heldout, tuple(notices))

    def _list_own(self, entity: EntityPart, into: Split, split: Split) -> Holding:
        """Its rows of private classes in one `split` of its source, in the numbers of `into`."""
        source, origin = self.sources.by_origin[entity.name], self.sources.origin(entity.name)
        number = np.array([self.classes.index(name) for name in source.classes], dtype=np.int64)
        wanted = self.split.private
        if entity.classes is not None:
            chosen = find_labels(entity.classes, self.classes, self.split, entity.name)
            wanted = tuple(self.split.private[label] for label in chosen)
        labels = number[source.labels(split)]
        rows = np.flatnonzero(np.isin(labels, wanted))
        if split == "train" and entity.rows is not None:
            names = source.names("train") if isinstance(source, WithNames) else None
            lists = RowLists(labels, self.classes, self.split, names)
            rows = np.intersect1d(rows, lists.read(entity.rows_path, entity.name))
        return Holding(into, origin.number(into, split, rows), relabel(labels[rows], self.split.private))

    def _note_others(self, entity: EntityPart) -> Iterator[str]:
        """Classes of its source that are not played. Raises DataError for such as are public."""
        source = self.sources.by_origin[entity.name]
        names, counts = source.classes, np.bincount(source.labels("train"), minlength=len(source.classes)).tolist()
        private = [self.classes[label] for label in self.split.private]
        public = [self.classes[label] for label in self.split.public]
        if both := [name for name, count in zip(names, counts, strict=True) if count and name in public]:
            raise DataError(
                f"entity {entity.name!r} has images of {say_names(both)}, which are public classes; the private ones "
                f"are {say_names(private)}. Name them in data.private_classes, or give `data.public` a source."
            )
        wanted = private if entity.classes is None else entity.classes
        if others := {name: count for name, count in zip(names, counts, strict=True) if count and name not in wanted}:
            yield (
                f"{entity.name}: {say_count(sum(others.values()), 'image')} not played, of classes that are none of "
                f"its private ones ({say_names(others)})."
            )

    def _is_to_hold_out(self, entity: EntityPart) -> bool:
        """Whether images are held out of its training images. Raises DataError if it is said twice, or nowhere."""
        stated = entity.data.hold_out if entity.data else None
        tests = len(self.sources.by_origin[entity.name].labels("test"))
        if stated is not None and tests:
            raise DataError(
                f"entity {entity.name!r} holds out {stated:g} of its training images, and its source has {tests:,} "
                "test images of its own. Leave `hold_out` out, or give the source training images alone (`test: null`)."
            )
        if not tests and stated is None and self.scenario.data.hold_out is None:
            raise DataError(
                f"entity {entity.name!r} has no test images of its own. State `hold_out: 0.2` in its `data`, or for "
                "all in that of the scenario, or other images for all in `data.heldout`."
            )
        return not tests

    def _hold_out(self, entity: EntityPart, own: Holding) -> tuple[Holding, Holding]:
        """What it keeps and what is held out of its training images."""
        part, data = entity.data, self.scenario.data
        assert part is not None  # as it has a source of its own
        share = part.hold_out if part.hold_out is not None else data.hold_out
        assert share is not None  # as `_is_to_hold_out` has found
        group, origin = part.group or data.group, self.sources.origin(entity.name)
        local = np.concatenate([np.empty(0, np.int64), *(rows for _, rows in origin.find("train", own.rows))])
        try:
            groups = None if group is None else find_groups(self.sources.by_origin[entity.name], group, local)
        except DataError as cause:
            raise DataError(f"entity {entity.name!r}: {cause}") from cause
        at = hold_out(own.labels, share, self.stream.numpy(f"hold_out {entity.name}"), groups)
        apart = own.part(at)
        heldout = Holding(self.into, origin.number(self.into, "train", local[at]), apart.labels)
        return own.without(apart), heldout

    def _take_share(self, entity: EntityPart, own: Holding) -> Holding:
        """So much of each class as `share` says: a smaller share is a part of a larger one."""
        if entity.share is not None and len(own):
            names = [self.classes[label] for label in self.split.private]
            wish = {entity.name: Wish(entity.share)}
            dealt = deal_subsets(own.labels, wish, lambda text: self.stream.numpy(f"{text} own"), classes=names)
            own = own.part(dealt[entity.name])
        if len(own) < LEAST:
            raise DataError(
                f"entity {entity.name!r} would have {say_count(len(own), 'image')} of its own to train on; it needs "
                f"{LEAST}. Raise its share, lower `hold_out`, or look whether its classes are called as others are."
            )
        return own


def note_lonely_classes(classes: tuple[str, ...], holdings: Mapping[str, Holding]) -> Iterator[str]:
    """Classes that one of several parties alone has, each with whose it is; those that nobody has."""
    held = {name: set(holding.labels.tolist()) for name, holding in holdings.items()}
    for name, labels in held.items():
        others = set[int]().union(*(other for each, other in held.items() if each != name))
        if alone := [classes[label] for label in sorted(labels - others)]:
            yield f"{name} alone has images of {say_names(alone)}: others learn of them from what it shares alone."
    if none := [
        classes[label] for label in range(len(classes)) if all(label not in labels for labels in held.values())
    ]:
        yield f"No party has images of {say_names(none)} to train on."
