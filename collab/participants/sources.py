"""The sources of a scenario: the one that is dealt, and beside it those of entities, public and held-out images."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np

from collab.data.joined import DEALT, HELDOUT, PUBLIC, Origin, list_origins
from collab.data.partition import ClassSplit, split_classes
from collab.data.source import Source, open_source, rename_classes
from collab.data.words import say_names
from collab.errors import DataError
from collab.meant import did_you_mean, fold
from collab.scenario.model import Scenario
from collab.scenario.sources import Data, OwnSource


def open_scenario_source(scenario: Scenario) -> Source:
    """The source that a scenario deals."""
    return open_origin(scenario, DEALT)


def open_origin(scenario: Scenario, name: str) -> Source:
    """The source of an origin: of the entity of that name, or of one that is nobody's."""
    return open_part(scenario, find_parts(scenario)[name])


def open_part(scenario: Scenario, part: Data | OwnSource) -> Source:
    """The source that a part of the scenario states."""
    opened = open_source(
        part.opened_by, image_size=scenario.data.image_size, seed=scenario.data_seed, **part.source_options()
    )
    return rename_classes(opened, part.class_names) if part.class_names else opened


def find_parts(scenario: Scenario) -> dict[str, Data | OwnSource]:
    """What is stated of each source, by the name of its origin, in the order in which their rows are numbered."""
    data = scenario.data
    parts = {DEALT: data, PUBLIC: data.public, HELDOUT: data.heldout}
    parts |= {entity.name: entity.data for entity in scenario.with_own_data}
    return {name: part for name, part in parts.items() if part is not None}


@dataclass(frozen=True)
class Sources:
    """All sources of a scenario, opened by the driver: it asks them for classes, labels, names and groups alone."""

    by_origin: Mapping[str, Source]
    owners: Mapping[str, str]

    @classmethod
    def open(cls, scenario: Scenario, dealt: Source | None = None) -> "Sources":
        """Opens what the scenario names, but for the one that is `dealt` where it is open already.

        Raises DataError with what is wrong with any of them, so that one try is enough to mend all.
        """
        opened, mistakes = dict[str, Source](), list[DataError]()
        for name in find_parts(scenario):
            try:
                opened[name] = dealt if dealt is not None and name == DEALT else _open(scenario, name)
            except DataError as mistake:
                mistakes.append(mistake)
        if mistakes:
            raise mistakes[0] if len(mistakes) == 1 else DataError("\n".join(map(str, mistakes)))
        return cls(opened, {entity.name: entity.name for entity in scenario.with_own_data})

    @property
    def dealt(self) -> Source:
        """The source that is dealt to entities without one of their own."""
        return self.by_origin[DEALT]

    @cached_property
    def origins(self) -> tuple[Origin, ...]:
        """Which row numbers are of which source."""
        return list_origins(self.by_origin, self.owners)

    def origin(self, name: str) -> Origin:
        """The one of that name."""
        return next(origin for origin in self.origins if origin.name == name)

    def digest(self) -> str:
        """Identity of all that is read: of one source its own digest."""
        digests = [source.digest() for source in self.by_origin.values()]
        return digests[0] if len(digests) == 1 else hashlib.sha256(json.dumps(digests).encode()).hexdigest()

    def notices(self) -> Iterator[str]:
        """What all of them have to say, and of whom it is; classes of several parties that are nearly one."""
        for name, source in self.by_origin.items():
            yield from (f"{name}: {text}" if name else text for text in source.notices())
        of_parties = {name for owner in (DEALT, *self.owners) for name in self.by_origin[owner].classes}
        for _, group in (
            groupby(sorted(of_parties, key=lambda name: (fold(name), name)), key=fold) if self.owners else ()
        ):
            alike = list(group)
            one_source = any(set(alike) <= set(source.classes) for source in self.by_origin.values())
            if len(alike) > 1 and not one_source:
                names, count = say_names(alike), len(alike)
                yield f"{names} are {count} classes. If they are meant to be one, `class_names` joins them."

    def split_classes(self, scenario: Scenario, rng: np.random.Generator) -> tuple[tuple[str, ...], ClassSplit]:
        """All classes of the parties, those that are dealt first, and which of them are private and public.

        Where the public set is a source of its own, none of these is public. Raises DataError where there are too few.
        """
        dealt, private = self.dealt.classes, scenario.data.private_classes
        own = {name for owner in self.owners for name in self.by_origin[owner].classes}
        classes, has_public = (*dealt, *sorted(own - set(dealt))), PUBLIC in self.by_origin
        if not has_public and len(classes) == len(dealt):
            return classes, split_classes(dealt, private, rng)
        further = tuple(range(len(dealt), len(classes)))
        if isinstance(private, str):
            chosen = (
                tuple(range(len(classes))) if has_public else (*split_classes(dealt, private, rng).private, *further)
            )
        else:
            if unknown := [name for name in private if name not in classes]:
                meant = did_you_mean(unknown[0], classes)
                raise DataError(
                    f"data.private_classes names {', '.join(unknown)}; the parties have {say_names(classes)}"
                    f"{meant or '.'}"
                )
            chosen = tuple(sorted(classes.index(name) for name in private))
        public = () if has_public else tuple(label for label in range(len(dealt)) if label not in chosen)
        if len(chosen) < 2 or not (public or has_public):
            raise DataError(
                f"of {say_names(classes)} {len(chosen)} would be private and {len(public)} public; at least two must "
                "be private, and one public unless `data.public` is a source of its own."
            )
        return classes, ClassSplit(chosen, public)


def _open(scenario: Scenario, name: str) -> Source:
    try:
        return open_origin(scenario, name)
    except DataError as cause:
        if name == DEALT:
            raise
        raise DataError(f"{name}: {cause}") from cause
