"""The audit at the end of a run: nothing private of any entity lies where others can read."""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from collab.errors import BoundaryError, StoreError
from collab.plugins.discovery import INSTALLED, Plugins
from collab.runtime.cache import Cache
from collab.scenario.model import Entity, Scenario
from collab.store.canaries import ENOUGH, WINDOW, Canaries, numbers, pictures
from collab.store.files import read_json
from collab.store.ledger import read_ledger
from collab.store.remote import RemoteStore
from collab.store.residue import stored_rows, unpacked
from collab.store.shelves import AbstractShelf, shelf_at, uri_of_run
from collab.store.store import Store

MOST_ROWS = 2048
"""Images and rows of features of an entity that are looked for, evenly spaced over all that it has."""

PER_TENSOR = 64
"""Pieces of each tensor of a module that are looked for."""

Content = tuple[str, np.ndarray]
"""A place and bytes that lie there."""


@dataclass(frozen=True)
class Leak:
    """Something private where it should not be: the place, what it is, and how many pieces of it were seen."""

    place: str
    what: str
    pieces: int = 0

    def __str__(self) -> str:
        return f"{self.place} holds {self.what}" + (f" ({self.pieces} pieces)" if self.pieces else "")


class Audit:
    """What is private in one run, and where it is looked for.

    Private are the images, unpoisoned features, fitted defense and drawn seed of every entity. Exempt, since they are
    published on purpose: the module of an entity with `release_module` under `modules/`, encoders in the place of F
    wherever they lie, and features of one whose defense leaves values as they are (`Protection.keeps_values`) among its
    shards, whoever else holds the same images. Windows that the held-out or the public images have too are no secrets,
    and are not looked for. Pages of attacks (`audit.html`) show true images.
    """

    def __init__(self, run: Path, scenario: Scenario, plugins: Plugins = INSTALLED) -> None:
        self._run, self._scenario, self._plugins = run, scenario, plugins
        found = Canaries()
        for entity in scenario.entities:
            for name, pieces in self._of(entity):
                found.add(name, pieces)
        shared = {piece for name in ("heldout", "public") for piece in _pieces_in(found, run / name / "images.npy")}
        self._canaries = found.without(shared)
        self._narrowed: dict[str, Canaries] = {}

    def of_run(self, cache: Cache | None = None, keys: Iterable[str] = ()) -> list[Leak]:
        """Looks through the run's folder but `private/`, and what the cache keeps for anybody under `keys`."""
        own = (self._run / "private", self._run / "handed" / "private")  # the latter: what an attack is given of others
        places = [path for path in sorted(self._run.rglob("*")) if not any(map(path.is_relative_to, own))]
        if cache is not None:
            places += [path for key in keys for path in sorted((cache.root / "shared" / key).rglob("*"))]
            places += [path for path in sorted(cache.root.glob("*")) if path.is_file()]
        return self.found(self._contents(places))

    def of_store(self) -> list[Leak]:
        """Looks through all that lies where the run's store is, if that is not in its folder."""
        uri = self._scenario.store.uri
        return [] if uri is None else self.found(_on_shelf(shelf_at(uri_of_run(uri, self._run))))

    def of_page(self, page: Path) -> list[Leak]:
        """Looks through a report that was drawn after the run."""
        return self.found(self._contents([page]))

    def found(self, contents: Iterable[Content]) -> list[Leak]:
        """What of all that is private lies in `contents`."""
        seen: dict[str, Counter[str]] = {}
        for place, content in contents:
            if here := self._looked_for(place).found_in(content):
                seen.setdefault(place, Counter()).update(here)
        return [Leak(place, what, count) for place, each in seen.items() for what, count in sorted(each.items())]

    def _contents(self, paths: Sequence[Path]) -> Iterator[Content]:
        seen = set[tuple[int, int]]()  # files of the cache are links to those of the run
        for path in paths:
            if path.is_symlink() or not path.is_file():
                continue
            status = path.stat()
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                inside = path.is_relative_to(self._run)
                place = path.relative_to(self._run).as_posix() if inside else str(path)
                yield from ((place, content) for content in unpacked(path))

    def _looked_for(self, place: str) -> Canaries:
        """All but what is at that place on purpose."""
        if place == "audit.html":  # shows true images beside what attacks made of them, for the victims' own eyes
            return self._of_attacks()
        for entity in self._scenario.entities:
            exempt = ""
            if place.startswith(f"modules/{entity.name}/") and entity.release_module:
                exempt = _weights(entity.name)
            elif place.startswith(f"store/entity={entity.name}/") and self._keeps_values(entity):
                exempt = _features(entity.name)
            if exempt and exempt not in self._narrowed:
                others = self._canaries.without((), exempt)
                is_shown = exempt == _features(entity.name)
                shown = (self._run / "private" / entity.name / "features").glob("*.arrow") if is_shown else ()
                alike = {piece for path in shown for piece in _pieces_in(others, path, len(others))}  # images in common
                self._narrowed[exempt] = others.without(alike)
            if exempt:
                return self._narrowed[exempt]
        return self._canaries

    def _of_attacks(self) -> Canaries:
        """All but images."""
        if "" not in self._narrowed:
            self._narrowed[""] = self._canaries
            for entity in self._scenario.entities:
                self._narrowed[""] = self._narrowed[""].without((), _images(entity.name))
        return self._narrowed[""]

    def _keeps_values(self, entity: Entity) -> bool:
        kinds = [self._plugins.load("defenses", each.kind) for each in entity.defenses]
        return all(getattr(kind, "keeps_values", False) for kind in kinds)

    def _of(self, entity: Entity) -> Iterator[tuple[str, Iterator[bytes]]]:
        """What is private to an entity, as far as it got, in pieces."""
        private = self._run / "private" / entity.name
        if (images := private / "images.npy").is_file():
            there = np.load(images, mmap_mode="r", allow_pickle=False)
            at = np.unique(np.linspace(0, len(there) - 1, min(MOST_ROWS, len(there))).astype(int))
            yield _images(entity.name), pictures(there[at])
        for path in sorted((private / "features").glob("*.arrow")):
            yield _features(entity.name), _feature_pieces(stored_rows(path, MOST_ROWS))
        if (seed := private / "seed").is_file():
            secret = seed.read_text(encoding="ascii")
            drawn = int(secret, 16)
            forms = [secret.encode(), bytes.fromhex(secret), drawn.to_bytes(32, "little"), str(drawn).encode()]
            yield f"the seed of {entity.name}", (form[:WINDOW] for form in forms)
        is_public = any(defense.encodes for defense in entity.defenses)  # begins as F and C, and is released
        if not is_public and (module := private / "defense.safetensors").is_file():
            yield _weights(entity.name), _weight_pieces(module)


def unlisted(run: Path, refused: Collection[str] = (), uri: str | None = None) -> list[Leak]:
    """What readers are offered in the store, or as a network or weights, and the ledger does not have.

    Nobody took anything of entities whose shards were `refused`; `uri` is where the scenario keeps its stores.
    """
    with TemporaryDirectory() as copy:
        shelf = shelf_at(uri_of_run(uri, run)) if uri else None
        records = (RemoteStore(run / "store", Path(copy), shelf) if shelf else Store(run / "store")).records_or_less()
    listed = {crossing.digest for crossing in read_ledger(run / "ledger.parquet")}
    offered = {}
    for record in records:
        if record.entity not in refused:
            offered[f"store/{record.path}"] = record.sha256
    others = sorted(path for room in ("modules", "weights") for path in (run / room).glob("*/*.safetensors"))
    for path in (*sorted((run / "release").glob("*.safetensors")), *others):
        try:
            card = read_json(path.with_suffix(".json"), what="card")
        except (OSError, StoreError):
            card = {}
        offered[path.relative_to(run).as_posix()] = str(card.get("sha256"))
    return [
        Leak(place, "what no line of the ledger names") for place, digest in offered.items() if digest not in listed
    ]


def refuse(leaks: Sequence[Leak], run: Path) -> None:
    """Raises BoundaryError if there are `leaks`, naming ten of them."""
    if leaks:
        more = f"\n  and {len(leaks) - 10} more" if len(leaks) > 10 else ""
        told = "\n  ".join(str(leak) for leak in leaks[:10])
        raise BoundaryError(
            f"the run {run} leaked. Images, unpoisoned features and the defense of an entity may lie in its private "
            f"folder only:\n  {told}{more}\nFind what wrote it, and delete the run before anybody reads it."
        )


def _on_shelf(shelf: AbstractShelf) -> Iterator[Content]:
    with TemporaryDirectory() as folder:
        for name in sorted(shelf.names()):
            path = Path(folder) / f"file{PurePosixPath(name).suffix}"
            with suppress(FileNotFoundError):  # it may go while it is looked for
                shelf.fetch(name, path, sys.maxsize)
                yield from ((f"store/{name} at {shelf.uri}", content) for content in unpacked(path))
                path.unlink()


def _images(name: str) -> str:
    return f"images of {name}"


def _weights(name: str) -> str:
    return f"weights of the defense of {name}"


def _features(name: str) -> str:
    return f"unpoisoned features of {name}"


def _feature_pieces(rows: np.ndarray) -> Iterator[bytes]:
    yield from numbers(rows, ["as it is", "float32", "float16", "bfloat16"] if rows.dtype.kind == "f" else ["as it is"])


def _weight_pieces(path: Path) -> Iterator[bytes]:
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError):
        return
    for tensor in tensors.values():
        if tensor.dtype.kind == "f" and tensor.size >= WINDOW:
            width = max(WINDOW, tensor.size // PER_TENSOR)
            rows = tensor.reshape(-1)[: tensor.size // width * width].reshape(-1, width)
            yield from numbers(rows, ["as it is", "float16", "bfloat16", "float64"])


def _pieces_in(canaries: Canaries, path: Path, enough: int = ENOUGH) -> set[bytes]:
    found = (canaries.pieces_in(content, enough) for content in unpacked(path)) if path.is_file() else ()
    return set[bytes]().union(*found)
