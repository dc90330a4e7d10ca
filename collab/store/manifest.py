"""Manifests: one small JSON file for each published shard, written last; what no manifest names does not exist."""

import re
import uuid
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from typing_extensions import Buffer

from collab.errors import ShardCorrupt, StoreError
from collab.guarantee import Guarantee
from collab.store.files import json_bytes, place_file, read_json
from collab.store.names import NAME, check_name
from collab.store.signing import NOBODY, Signer, Trust
from collab.tasks import CLASS, LISTS, PUBLIC_ROW

SCHEMA_VERSION = 1
"""Version of the manifest; another one is refused."""

_FILE = re.compile(rf"(\d{{6,12}})-({NAME})-[0-9a-f]{{32}}\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"([0-9a-f]{128})?")
_TARGET = re.compile(rf"(({'|'.join(LISTS)}):[1-9][0-9]{{0,4}}|{PUBLIC_ROW}:[1-9][0-9]{{0,9}})")


@dataclass(frozen=True)
class Record:
    """What a manifest says of a shard, and nothing of the module that made its features, least of all its seed.

    `histogram` has the rows of each class, so as many entries as there are classes; `target` is `class`, or kind and
    length of the lists that stand for one, such as `binary:20`, and the histogram then has one entry; so it has where
    `target` says of how many public images answers are, such as `public_row:5000`. `featurizer` is the digest of the
    released network that the features come from, or of F of all public images; `path` is relative to the root;
    `versions` are of the tools. `sequence` and `signature` are those of an entity that signs, else 0 and "".
    `guarantee` is what its entity states of differential privacy (`collab.guarantee`, and what lies outside); None
    where it states none. Nobody can verify it by looking at the shard.
    """

    schema_version: int
    entity: str
    run: str
    stage: str
    rows: int
    shape: tuple[int, int, int]
    dtype: str
    bytes: int
    sha256: str
    histogram: tuple[int, ...]
    featurizer: str
    path: str
    versions: dict[str, str] = field(hash=False)
    target: str = CLASS
    sequence: int = 0
    signature: str = ""
    guarantee: dict[str, Any] | None = field(default=None, hash=False)

    def stated(self) -> dict[str, Any]:
        """What its file holds: what says nothing is left out."""
        return {name: value for name, value in asdict(self).items() if (name, value) not in _UNSAID}

    @property
    def statement(self) -> Buffer:
        """What its entity signs: all that it says but the signature."""
        return b"collab manifest\n" + json_bytes(replace(self, signature="").stated(), what="a manifest")

    @property
    def facts(self) -> tuple[object, ...]:
        """What it says of the shard itself: equal in all manifests of one shard, or none of them is to be believed."""
        return self.rows, self.shape, self.dtype, self.bytes, self.sha256, self.histogram, self.featurizer


_UNSAID: tuple[tuple[str, Any], ...] = (("target", CLASS), ("sequence", 0), ("signature", ""), ("guarantee", None))


def shard_path(entity: str, sha256: str) -> str:
    """Where the shard of that content lies, relative to the root of the store."""
    return f"entity={entity}/{sha256[:16]}.arrow"


def parse_manifest_name(name: str) -> tuple[str, int] | None:
    """Entity and sequence number that the file name of a manifest states; None if it is none of a manifest."""
    match = _FILE.fullmatch(name)
    return (match[2], int(match[1])) if match else None


def write_manifest(folder: Path, record: Record, sequence: int, signer: Signer | None = None) -> Record:
    """Writes `record` under a name of its own, signed if its entity signs; from then on its shard exists."""
    if signer is not None:
        unsigned = replace(record, sequence=sequence, signature="")
        record = replace(unsigned, signature=signer.sign(unsigned.statement))
    what = f"the manifest of entity {record.entity!r}"
    content = json_bytes(record.stated(), what=what)
    name = f"{sequence:06d}-{record.entity}-{uuid.uuid4().hex}.json"
    place_file(folder, name, lambda file: file.write(content), what=what)
    return record


def read_manifest(path: Path, trust: Trust = NOBODY) -> Record:
    """The record in `path`, every field checked, and its signature where `trust` asks for one.

    Raises ShardCorrupt with the reason, FileNotFoundError if it is gone.
    """
    try:
        record = _parse(read_json(path, what="manifest"))
        named = parse_manifest_name(path.name)
        if named is None or named[0] != record.entity:
            raise StoreError(f"its name does not say that it is of entity {record.entity!r}")
        if problem := trust.problem(record, named[1]):
            raise StoreError(problem)
    except StoreError as error:
        raise ShardCorrupt(
            f"manifest {path} is refused: {str(error).rstrip('.')}. Nothing was read through it; "
            "delete it, and let its entity publish again."
        ) from error
    return record


def _parse(values: dict[str, Any]) -> Record:
    names = {each.name for each in fields(Record)}
    if (version := values.get("schema_version")) != SCHEMA_VERSION:
        raise StoreError(f"its schema version is {version!r}, this program reads {SCHEMA_VERSION}")
    values = {**dict(_UNSAID), **values}
    if values.keys() != names:
        raise StoreError(f"fields missing: {sorted(names - values.keys())}, unknown: {sorted(values.keys() - names)}")
    for name in ("entity", "run", "stage", "dtype", "sha256", "featurizer", "path"):
        if not isinstance(values[name], str):
            raise StoreError(f"{name} is {values[name]!r}, not a text")
    if not isinstance(values["target"], str) or not (values["target"] == CLASS or _TARGET.fullmatch(values["target"])):
        raise StoreError(f"target is {values['target']!r}")
    _check_guarantee(values["guarantee"])
    for name, least in (("rows", 1), ("bytes", 1), ("sequence", 0)):
        _check_numbers(name, [values[name]], least=least)
    if not isinstance(values["signature"], str) or not _SIGNATURE.fullmatch(values["signature"]):
        raise StoreError(f"signature is {str(values['signature'])[:80]!r}, not 128 hexadecimal digits")
    _check_numbers("shape", values["shape"], least=1, count=3)
    _check_numbers("histogram", values["histogram"], least=0)
    versions = values["versions"]
    if not isinstance(versions, dict) or not all(isinstance(version, str) for version in versions.values()):
        raise StoreError("versions are not texts by name")
    check_name(values["entity"])
    if not _SHA256.fullmatch(values["sha256"]):
        raise StoreError(f"sha256 is {values['sha256']!r}")
    if values["path"] != (place := shard_path(values["entity"], values["sha256"])):  # so no path leads out of the store
        raise StoreError(f"path is {values['path']!r}, a shard of that entity and digest lies at {place!r}")
    if values["rows"] != sum(values["histogram"]):
        raise StoreError(f"it has {values['rows']} rows, but {sum(values['histogram'])} labels")
    return Record(**values | {"shape": tuple(values["shape"]), "histogram": tuple(values["histogram"])})


def _check_guarantee(stated: Any) -> None:
    """Refuses a guarantee that does not say what it is of, or that is none."""
    if stated is None:
        return
    expected = {each.name for each in fields(Guarantee)} | {"outside"}
    if not isinstance(stated, dict) or stated.keys() != expected:
        raise StoreError(
            f"its guarantee is {str(stated)[:80]}, which does not have exactly {', '.join(sorted(expected))}"
        )
    numbers = [
        stated[name] for name in ("epsilon", "delta", "sensitivity", "noise_multiplier", "steps", "sampling_rate")
    ]
    texts = [stated["mechanism"], stated["unit"]]
    is_told = isinstance(stated["outside"], list) and all(
        isinstance(each, str) for each in (*texts, *stated["outside"])
    )
    if not is_told or not all(type(each) in (int, float) and 0 < each < float("inf") for each in numbers):
        raise StoreError("its guarantee has a text that is none, or a number that is not finite and above 0")
    if stated["delta"] >= 1 or stated["sampling_rate"] > 1:
        raise StoreError(f"its guarantee has delta {stated['delta']}, or takes {stated['sampling_rate']} of all units")


def _check_numbers(name: str, numbers: Any, *, least: int, count: int | None = None) -> None:
    is_list = isinstance(numbers, list) and len(numbers) == (count or len(numbers))
    if not is_list or not all(type(number) is int and least <= number < 1 << 62 for number in numbers):
        raise StoreError(
            f"{name} is {str(numbers)[:80]}, not a whole number of {least} or more, or not as many as needed"
        )
