"""A store that lies elsewhere, as one party sees it: what it publishes is put there, what it reads is a copy."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, final

from typing_extensions import override

from collab.errors import StoreError
from collab.store.files import JSON_CAP
from collab.store.manifest import Record, parse_manifest_name, read_manifest
from collab.store.shelves import AbstractShelf, shelf_at, uri_of_run
from collab.store.signing import NOBODY, Signer, Trust
from collab.store.store import PUBLISHED, WITHDRAWN, Finding, Store

if TYPE_CHECKING:
    from collab.store.shards import Batches, ShardReader, ShardSpec

COPIES = "copies"
"""Folder of what a party has fetched, in its private folder; the cache of stages leaves it out."""


@final
class RemoteStore(Store):
    """A store on `shelf`. What this party publishes is written to the store `own` first, as strictly as any, then put.

    Each file that it reads is fetched once to `copy`, a folder that only this party writes, and is verified there as
    files of a local store are: nothing that the shelf holds is used before. A copy that is refused is dropped.
    """

    def __init__(
        self, own: Path, copy: Path, shelf: AbstractShelf, trust: Trust = NOBODY, signer: Signer | None = None
    ) -> None:
        super().__init__(copy, trust, signer)
        self._own, self._shelf = Store(own, signer=signer), shelf

    @override
    def publish(
        self,
        entity: str,
        batches: "Batches",
        spec: "ShardSpec",
        *,
        run: str,
        guarantee: Mapping[str, Any] | None = None,
        stage: str = PUBLISHED,
    ) -> Record:
        """Writes and puts a shard, then its manifest; publishing the same rows again puts what is not there."""
        record = self._own.publish(entity, batches, spec, run=run, guarantee=guarantee, stage=stage)
        send(self._own, self._shelf, entity)
        return record

    @override
    def withdraw(self, entity: str) -> tuple[Record, ...]:
        """Marks all that `entity` has published from here as withdrawn, here and there."""
        gone = self._own.withdraw(entity)
        send(self._own, self._shelf, entity)
        return gone

    @override
    def open(self, record: Record, spec: "ShardSpec") -> "ShardReader":
        """Opens a published shard, fetched unless it was before; ShardMissing, or ShardCorrupt with the reason."""
        try:
            return super().open(record, spec)
        except StoreError:
            with suppress(StoreError):  # it may be mended there
                super()._place(record).unlink(missing_ok=True)
            raise

    @override
    def verify(self) -> list[Finding]:
        """Fetches every shard anew and validates it, and names what is wrong: also what lies there unpublished."""
        shutil.rmtree(self.root, ignore_errors=True)
        try:
            return super().verify()
        finally:
            shutil.rmtree(self.root, ignore_errors=True)  # also what was refused

    @override
    def _place(self, record: Record) -> Path:
        path = super()._place(record)
        if not path.exists():
            with suppress(FileNotFoundError):
                self._shelf.fetch(record.path, path, record.bytes + 1)
        return path

    @override
    def _manifests_of(self, entity: str | None) -> Iterator[tuple[int, Path]]:
        """Makes the copies of manifests those that lie on the shelf; they never change, but one may be gone."""
        there = {PurePosixPath(name).name for name in self._shelf.names("manifest")}
        wanted = {name for name in there if (named := parse_manifest_name(name)) and entity in (None, named[0])}
        for _, path in super()._manifests_of(entity):
            if path.name not in there:
                path.unlink()
            wanted.discard(path.name)
        for name in sorted(wanted):
            with suppress(FileNotFoundError):
                self._shelf.fetch(f"manifest/{name}", self._manifests / name, JSON_CAP + 1)
        yield from super()._manifests_of(entity)

    @override
    def _files(self) -> Iterator[str]:
        yield from self._shelf.names()


def send_again(uri: str, run: Path, entity: str) -> None:
    """Puts where the store of `run` lies under `uri` what `entity` has published to the run directory."""
    send(Store(run / "store"), shelf_at(uri_of_run(uri, run)), entity)


def send(own: Store, shelf: AbstractShelf, entity: str) -> None:
    """Puts on `shelf` what `entity` has published to `own`, and is not there: each shard, then its manifest."""
    mine = sorted(own._manifests_of(entity))
    there = set(shelf.names("manifest")) if mine else set[str]()
    for _, path in mine:
        if (name := f"manifest/{path.name}") not in there:
            record = read_manifest(path)
            if record.stage != WITHDRAWN:
                shelf.put(record.path, own.root / record.path)
            shelf.put(name, path)
