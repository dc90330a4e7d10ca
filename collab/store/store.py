"""The store: where entities publish shards for each other, append-only, each verified before it is used.

Torch is imported where a shard is written or read; manifests go without.
"""

import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from collab.errors import ShardCorrupt, StoreError
from collab.store import manifest
from collab.store.files import TEMPORARY
from collab.store.manifest import Record, parse_manifest_name, read_manifest, shard_path, write_manifest
from collab.store.names import check_name, inside
from collab.store.signing import NOBODY, Signer, Trust
from collab.tasks import CLASS

if TYPE_CHECKING:
    from collab.store.codec import CodecName
    from collab.store.shards import Batches, ShardReader, ShardSpec, Verified

PUBLISHED = "publish"
"""Stage of a manifest of what an entity publishes for everybody's pool."""

WITHDRAWN = "withdraw"
"""Stage of a manifest that takes a shard back."""


@dataclass(frozen=True)
class Finding:
    """What a look at one file found: its path under the root, its record if it is a shard, and "" or the problem."""

    path: str
    problem: str = ""
    record: Record | None = None


class Store:
    """Shards and manifests under one folder of a local or shared file system; nothing is made before it is needed.

    What is published is signed by `signer`; of entities that `trust` has keys of, only what they signed is believed.
    """

    def __init__(self, root: Path, trust: Trust = NOBODY, signer: Signer | None = None) -> None:
        self.root, self._trust, self._signer = root, trust, signer
        self._manifests = root / "manifest"
        self._verified: Verified = set()

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
        """Writes a shard as `write_shard` does, then its manifest; publishing the same rows again changes nothing.

        `run` is a label that says nothing of any seed; `guarantee` is what is stated of differential privacy; `stage`
        is another for what is in no pool (`name_round`). Raises StoreError; until the manifest is there, so does
        nothing.
        """
        from collab.store.shards import write_shard

        check_name(entity)
        folder = inside(self.root, f"entity={entity}")
        if folder.is_symlink():
            raise StoreError(f"{folder} is a link. An entity publishes in a folder of the store itself.")
        written = write_shard(folder, batches, entity=entity, spec=spec)
        published = {record.sha256: record for record in self.records(entity, stage)}
        if written.sha256 in published:
            return published[written.sha256]
        record = Record(
            schema_version=manifest.SCHEMA_VERSION,
            entity=entity,
            run=run,
            stage=stage,
            rows=written.rows,
            shape=spec.shape,
            dtype=spec.dtype,
            bytes=written.bytes,
            sha256=written.sha256,
            histogram=written.histogram,
            featurizer=spec.featurizer,
            path=shard_path(entity, written.sha256),
            versions=_versions(),
            guarantee=None if guarantee is None else dict(guarantee),
            target=spec.target if spec.target == CLASS else f"{spec.target}:{spec.classes}",
        )
        return write_manifest(self._manifests, record, self._next_number(entity), self._signer)

    def withdraw(self, entity: str) -> tuple[Record, ...]:
        """Marks all that `entity` has published as withdrawn, in manifests of their own; what is written stays.

        Returns what was withdrawn by this. From then on `records` does not name it, until it is published again.
        """
        gone = self.records(entity, stage=None)
        for record in gone:
            number = self._next_number(entity)
            write_manifest(self._manifests, replace(record, stage=WITHDRAWN), number, self._signer)
        return gone

    def renew(self, entity: str, *, run: str) -> None:
        """Signs for `run` what lies here and `entity` had signed for another: its files came from a cache."""
        for number, path in list(self._manifests_of(entity)):
            record = read_manifest(path)
            if record.run != run:
                write_manifest(self._manifests, replace(record, run=run), number, self._signer)
                path.unlink()

    def _next_number(self, entity: str) -> int:
        return 1 + max((number for number, _ in self._manifests_of(entity)), default=0)

    def records(self, entity: str | None = None, stage: str | None = PUBLISHED) -> tuple[Record, ...]:
        """What was published and not withdrawn, of one entity or of all, sorted by entity, then by order of publishing.

        Of another `stage` where one is given, of all where it is None. Trusts manifests only; the same content twice is
        one record. Raises ShardCorrupt for a manifest that is none and for two that contradict each other; those of
        other entities than the asked one are not looked at.
        """
        return self._read_records(self._manifests_of(entity), stage)

    def _read_records(self, manifests: Iterable[tuple[int, Path]], stage: str | None) -> tuple[Record, ...]:
        published: dict[tuple[str, str, str], Record] = {}
        ordered = []
        for number, path in manifests:
            record = read_manifest(path, self._trust)
            ordered.append((record.entity, number, record.sha256, path.name, record))
        first: dict[str, tuple[str, Record]] = {}
        for owner, _, sha256, name, record in sorted(ordered, key=lambda entry: entry[:4]):
            if first.setdefault(record.path, (name, record))[1].facts != record.facts:
                raise ShardCorrupt(
                    f"the manifests {first[record.path][0]} and {name} of entity {owner!r} say different things of one "
                    "shard, so that neither is believed. Delete both, and let it publish again."
                )
            if record.stage == WITHDRAWN:
                for gone in [key for key in published if key[:2] == (owner, sha256)]:
                    del published[gone]
            else:
                published.setdefault((owner, sha256, record.stage), record)
        return tuple(record for record in published.values() if stage in (None, record.stage))

    def records_or_less(self) -> tuple[Record, ...]:
        """What `records` answers of all stages, without the entities whose manifests are refused."""
        records, manifests = list[Record](), dict[str, list[tuple[int, Path]]]()
        for number, path in self._manifests_of(None):  # listed once, not once more for each entity
            if named := parse_manifest_name(path.name):
                manifests.setdefault(named[0], []).append((number, path))
        for _, of_entity in sorted(manifests.items()):
            with suppress(ShardCorrupt):
                records += self._read_records(of_entity, stage=None)
        return tuple(records)

    def open(self, record: Record, spec: "ShardSpec") -> "ShardReader":
        """Opens a published shard, verifying it unless this object has done so and the file is unchanged.

        Raises ShardMissing, or ShardCorrupt with the reason.
        """
        from collab.store.shards import open_shard

        if record.path != shard_path(check_name(record.entity), record.sha256):
            raise ShardCorrupt(
                f"a record of entity {record.entity!r} names {record.path!r}, where no shard of it can lie."
            )
        return open_shard(self._place(record), record, spec, self._verified)

    def verify(self) -> list[Finding]:
        """Reads and validates every shard anew, and names what is wrong: also files that nobody published."""
        from collab.store.shards import open_shard

        findings = []
        named: dict[str, Record] = {}
        for _, path in sorted(self._manifests_of(None)):
            try:
                record = read_manifest(path, self._trust)
            except (StoreError, OSError) as error:
                findings.append(Finding(self._relative(path), str(error)))
            else:
                if named.setdefault(record.path, record).facts != record.facts:
                    problem = "another manifest says different things of its shard"
                    findings.append(Finding(self._relative(path), problem))
        for path_of_shard, record in named.items():
            problem = ""
            try:
                open_shard(self._place(record), record, _spec_of(record))
            except StoreError as error:
                problem = str(error)
            findings.append(Finding(path_of_shard, problem, record))
        findings += [Finding(stray, problem) for stray, problem in self._strays(set(named))]
        findings += [Finding(f"manifest/ of {entity}", problem) for entity, problem in self._gaps()]
        return sorted(findings, key=lambda finding: finding.path)

    def _manifests_of(self, entity: str | None) -> Iterator[tuple[int, Path]]:
        """Sequence number and path of the manifests of one entity, or of all, in no order."""
        paths = self._manifests.iterdir() if self._manifests.is_dir() else iter(())
        for path in paths:
            named = parse_manifest_name(path.name)
            if named and entity in (None, named[0]):
                yield named[1], path

    def _gaps(self) -> Iterator[tuple[str, str]]:
        """Entities that sign, of whose manifests some before the last are gone: they count them from 1."""
        for entity in sorted(self._trust.keys):
            numbers = {number for number, _ in self._manifests_of(entity)}
            if gone := sorted(set(range(1, max(numbers, default=0))) - numbers):
                yield entity, f"its number {', '.join(map(str, gone))} is not there: somebody has removed it"

    def _strays(self, named: set[str]) -> Iterator[tuple[str, str]]:
        """Files that are neither a manifest nor named by one."""
        for place in self._files():
            folder, _, name = place.rpartition("/")
            is_manifest = folder == "manifest" and parse_manifest_name(name) is not None
            if is_manifest or place in named:
                continue
            if name.startswith(TEMPORARY):
                yield place, "an unfinished file: its writer is at work, or was killed; if killed, delete it"
            else:
                yield place, "no manifest names this file, so nobody reads it; publish again or delete it"

    def _files(self) -> Iterator[str]:
        """All files of the store, and links, relative to its root."""
        for path in self.root.rglob("*"):
            if path.is_symlink() or not path.is_dir():
                yield self._relative(path)

    def _place(self, record: Record) -> Path:
        """Where the file of a shard is to be read."""
        return inside(self.root, record.path)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def name_round(number: int) -> str:
    """The stage of what is published in a round before the last, for those who take part in it; it is in no pool."""
    return f"round {number}"


def _spec_of(record: Record) -> "ShardSpec":
    """What the record itself claims; ShardSpec refuses a type that is none."""
    from collab.store.shards import ShardSpec

    target, _, numbers = record.target.partition(":")
    count = int(numbers) if numbers else len(record.histogram)
    return ShardSpec(record.shape, cast("CodecName", record.dtype), count, record.featurizer, target)


def _versions() -> dict[str, str]:
    libraries = {"torch": version("torch"), "pyarrow": pa.__version__}
    return {"collab": version("collab"), "python": platform.python_version(), **libraries}
