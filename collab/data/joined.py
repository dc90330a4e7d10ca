"""Rows of several sources in one row of numbers, so that who holds what is said by a number wherever it comes from.

The source that is dealt keeps its numbers. Behind them, in either split alike, stand the images of each other source:
those of its training split, then those of its test split, since a party may hold out images of its training split.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from collab.data.broken import BrokenImages
from collab.data.partition import Rows
from collab.data.source import Pictures, Source, Split
from collab.errors import BoundaryError

DEALT, PUBLIC, HELDOUT = "", "public images", "held-out images"
"""Origins that no entity owns; none may have a space in its name."""


@dataclass(frozen=True)
class Origin:
    """One source among several: what of all row numbers is its, and who alone may read it (None: everybody).

    `starts` and `stops` are by split; `trains` are the images of its training split, `digest` is its identity.
    """

    name: str
    owner: str | None
    starts: Mapping[Split, int]
    stops: Mapping[Split, int]
    trains: int
    digest: str

    def number(self, into: Split, split: Split, rows: Rows) -> Rows:
        """What `rows` of its own `split` are called in the numbers of `into`."""
        if self.name == DEALT:
            return rows
        return self.starts[into] + (self.trains if split == "test" else 0) + rows

    def find(self, split: Split, rows: Rows) -> Iterator[tuple[Split, Rows]]:
        """The other way: `rows` in the numbers of `split` as stretches of one split of its own, in their order."""
        if self.name == DEALT:
            yield split, rows
            return
        own = rows - self.starts[split]
        is_test = own >= self.trains
        for stretch in np.split(np.arange(len(own)), np.flatnonzero(np.diff(is_test)) + 1):
            if len(stretch):
                is_of_test = bool(is_test[stretch[0]])
                yield ("test" if is_of_test else "train"), own[stretch] - (self.trains if is_of_test else 0)


def list_origins(sources: Mapping[str, Source], owners: Mapping[str, str]) -> tuple[Origin, ...]:
    """The origins of `sources` by name, of which the one that is dealt comes first; `owners` are of whom some are."""
    origins, ends = list[Origin](), dict[Split, int]({"train": 0, "test": 0})
    for name, source in sources.items():
        trains, tests = (len(source.labels(split)) for split in ("train", "test"))
        counts = {"train": trains, "test": tests} if name == DEALT else dict.fromkeys(("train", "test"), trains + tests)
        stops: dict[Split, int] = {split: end + counts[split] for split, end in ends.items()}
        origins.append(Origin(name, owners.get(name), dict(ends), stops, trains, source.digest()))
        ends = stops
    return tuple(origins)


def divide(origins: Sequence[Origin], split: Split, rows: Rows) -> Iterator[tuple[Origin, np.ndarray]]:
    """`rows` by origin: the places in `rows` of those of each, as stretches in their order."""
    number = np.searchsorted([origin.stops[split] for origin in origins], rows, side="right")
    for places in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(number)) + 1):
        if len(places):
            yield origins[int(number[places[0]])], places


class Joined(Pictures):
    """Images of all origins by their numbers, for one reader: each source is opened when its first row is asked for.

    Raises BoundaryError for a row of an origin that is somebody else's: nothing opens it here.
    """

    def __init__(self, origins: Sequence[Origin], open_origin: Callable[[str], Source], reader: str) -> None:
        self._origins, self._open, self._reader = origins, open_origin, reader

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """The images of `rows`, in that order."""
        stretches = list(divide(self._origins, split, rows))
        for origin, _ in stretches:
            if origin.owner not in (None, self._reader):
                raise BoundaryError(
                    f"{self._reader} asked for images of {origin.owner}, which that entity alone reads from its "
                    "source. Others may have what it has published."
                )
        reasons, done = dict[int, str](), 0
        for origin, places in stretches:
            for own_split, own_rows in origin.find(split, rows[places]):
                try:
                    for images in self._open(origin.name).images(own_split, own_rows):
                        if not reasons:
                            yield images
                except BrokenImages as broken:  # those of other sources are wanted too
                    reasons |= {done + at: why for at, why in broken.reasons.items()}
                done += len(own_rows)
        if reasons:
            raise BrokenImages(reasons, done)
