"""The audit at the end of a run: nothing private of any entity lies where others can read."""

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from collab.errors import BoundaryError, StoreError
from collab.plugins.discovery import INSTALLED, Plugins
from collab.runtime.cache import Cache
from collab.runtime.pieces import FEATURES, IMAGES, WEIGHTS, cut_private_pieces
from collab.scenario.model import EntityPart, Scenario
from collab.scratch import Scratch
from collab.store.canaries import FEWEST_NUMBERS, Canaries, is_one_number
from collab.store.files import read_json
from collab.store.ledger import read_ledger
from collab.store.remote import RemoteStore
from collab.store.residue import read_batches, unpack
from collab.store.shelves import AbstractShelf, shelf_at, uri_of_run
from collab.store.store import Store

Content = tuple[str, np.ndarray]
"""A place and bytes that lie there."""


@dataclass(frozen=True)
class Leak:
    """Something private where it should not be: the place, what it is, how many pieces of it, of which images.

    `images` are numbers of the entity's own images, counted from 0; none where it is something else.
    """

    place: str
    what: str
    pieces: int = 0
    images: tuple[int, ...] = ()

    def __str__(self) -> str:
        seen = f" ({self.pieces} piece{'s' * (self.pieces > 1)})" if self.pieces else ""
        if self.images:
            more = f" and {len(self.images) - 5} more" * (len(self.images) > 5)
            seen = f" (of its image{'s' * (len(self.images) > 1)} {', '.join(map(str, self.images[:5]))}{more})"
        return f"{self.place} holds {self.what}{seen}"


class LeakCheck:
    """What is private in one run, and where it is looked for.

    Private are the images, unpoisoned features, fitted defense and drawn seed of every entity. Exempt, since they are
    published on purpose: the module of an entity with `release_module` under `modules/`, encoders in the place of F
    wherever they lie, and features of one whose defense leaves values as they are (`Defense.keeps_values`) among its
    shards, whoever else holds the same images. Pages of attacks (`audit.html`) show true images.

    No secret, and not looked for, is an image that is also a held-out or a public one (`cut_private_pieces`).
    """

    def __init__(self, run: Path, scenario: Scenario, plugins: Plugins = INSTALLED) -> None:
        self._run, self._scenario, self._plugins = run, scenario, plugins
        self._canaries = cut_private_pieces(run, scenario)
        self._narrowed: dict[tuple[str, ...], Canaries] = {}

    def search_run(self, cache: Cache | None = None, keys: Iterable[str] = ()) -> list[Leak]:
        """Looks through the run's folder but `private/`, and what the cache keeps for anybody under `keys`."""
        own = (self._run / "private", self._run / "handed" / "private")  # the latter: what an attack is given of others
        places = [path for path in sorted(self._run.rglob("*")) if not any(map(path.is_relative_to, own))]
        if cache is not None:
            places += [path for key in keys for path in sorted((cache.root / "shared" / key).rglob("*"))]
            places += [path for path in sorted(cache.root.glob("*")) if path.is_file()]
        return self.found(self._contents(places))

    def search_store(self) -> list[Leak]:
        """Looks through all that lies where the run's store is, if that is not in its folder."""
        uri = self._scenario.store.uri
        return [] if uri is None else self.found(_read_shelf(shelf_at(uri_of_run(uri, self._run))))

    def search_pages(self, pages: Sequence[Path]) -> list[Leak]:
        """Looks through pages that were drawn after the run."""
        return self.found(self._contents(pages))

    def found(self, contents: Iterable[Content]) -> list[Leak]:
        """The private things that lie in `contents`."""
        seen: dict[tuple[str, str], set[bytes]] = {}
        for place, content in contents:
            # Most places hold nothing at all: what may lie there on purpose is asked where something does.
            pieces = self._canaries.find_in(content)
            for piece in self._choose_canaries(place).find_in(content) if pieces else ():
                seen.setdefault((place, self._canaries.names[piece].what), set()).add(piece)
        leaks = []
        for (place, what), pieces in sorted(seen.items()):
            if len(pieces) < FEWEST_NUMBERS and all(map(is_one_number, pieces)):
                continue
            images = {self._canaries.names[piece].row for piece in pieces if what.startswith((IMAGES, FEATURES))}
            leaks.append(Leak(place, what, len(pieces), tuple(sorted(images))))
        return leaks

    def _contents(self, paths: Sequence[Path]) -> Iterator[Content]:
        seen = set[tuple[int, int]]()  # files of the cache are links to those of the run
        for path in paths:
            if path.is_symlink() or not path.is_file():
                continue
            status = path.stat()
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                place = path.relative_to(self._run).as_posix() if path.is_relative_to(self._run) else str(path)
                yield from ((place, content) for content in unpack(path))

    def _choose_canaries(self, place: str) -> Canaries:
        """What is looked for at a place: all but what lies there on purpose."""
        if place == "audit.html":  # shows true images beside what attacks made of them, for the victims' own eyes
            return self._without(*(f"{IMAGES}{entity.name}" for entity in self._scenario.entities))
        for entity in self._scenario.entities:
            if place.startswith(f"modules/{entity.name}/") and entity.release_module:
                return self._without(f"{WEIGHTS}{entity.name}")
            if place.startswith(f"store/entity={entity.name}/") and self._keeps_values(entity):
                shown = (self._run / "private" / entity.name / "features").glob("*.arrow")
                return self._without(f"{FEATURES}{entity.name}", shown=shown)
        return self._canaries

    def _without(self, *exempt: str, shown: Iterable[Path] = ()) -> Canaries:
        """All but what is called so, and but what features of the shards `shown` have in common with it."""
        if exempt not in self._narrowed:
            others = self._canaries.without((), *exempt)
            alike = (others.find_in(rows, len(others)) for path in shown for rows in read_batches(path))
            self._narrowed[exempt] = others.without(set[bytes]().union(*alike))
        return self._narrowed[exempt]

    def _keeps_values(self, entity: EntityPart) -> bool:
        kinds = [self._plugins.load("defenses", each.kind) for each in entity.defenses]
        return all(getattr(kind, "keeps_values", False) for kind in kinds)


def find_unlisted(run: Path, refused: Collection[str] = (), uri: str | None = None) -> list[Leak]:
    """What readers are offered in the store, or as a network or weights, and the ledger does not have.

    Nobody took anything of entities whose shards were `refused`; `uri` is where the scenario keeps its stores.
    """
    with Scratch() as scratch:
        own, shelf = run / "store", shelf_at(uri_of_run(uri, run)) if uri else None
        store = RemoteStore(own, scratch / "copies", shelf) if shelf else Store(own)
        records = store.records_or_less()
    listed = {crossing.digest for crossing in read_ledger(run / "ledger.parquet")}
    offered = {f"store/{record.path}": record.sha256 for record in records if record.entity not in refused}
    others = sorted(path for room in ("modules", "weights") for path in (run / room).glob("*/*.safetensors"))
    for path in (*sorted((run / "release").glob("*.safetensors")), *others):
        try:
            card = read_json(path.with_suffix(".json"), what="card")
        except (OSError, StoreError):
            card = {}
        offered[path.relative_to(run).as_posix()] = str(card.get("sha256"))
    unlisted = (place for place, digest in offered.items() if digest not in listed)
    return [Leak(place, "what no line of the ledger names") for place in unlisted]


def refuse(leaks: Sequence[Leak], run: Path) -> None:
    """Raises BoundaryError if there are `leaks`, naming ten of them."""
    if leaks:
        more = f"\n  and {len(leaks) - 10} more" if len(leaks) > 10 else ""
        told = "\n  ".join(str(leak) for leak in leaks[:10])
        raise BoundaryError(
            f"the run {run} leaked. Images, unpoisoned features and the defense of an entity may lie in its private "
            f"folder only:\n  {told}{more}\nImages are numbered from 0, as in private/ENTITY/images.npy; copies of "
            "held-out or public ones are not looked for. Find what wrote it; delete the run before anybody reads it."
        )


def _read_shelf(shelf: AbstractShelf) -> Iterator[Content]:
    with Scratch() as folder:
        for name in sorted(shelf.names()):
            path = folder / f"file{PurePosixPath(name).suffix}"
            with suppress(FileNotFoundError):  # it may go while it is looked for
                shelf.fetch(name, path, sys.maxsize)
                yield from ((f"store/{name} at {shelf.uri}", content) for content in unpack(path))
                path.unlink()
