"""Who wrote a shard: a planted forgery of each kind is refused with a sentence, and what is honest is read."""

import json
import os
import shutil
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from collab.cli import main
from collab.errors import BoundaryError, ResourceError, ShardCorrupt, StoreError
from collab.store.manifest import read_manifest, shard_path, write_manifest
from collab.store.remote import RemoteStore
from collab.store.shards import write_shard
from collab.store.shelves import FolderShelf
from collab.store.signing import Signer, Trust, make_key, read_keys, trust_of, write_keys
from collab.store.store import Store
from tests.store.test_store import SPEC, rows

Plant = Callable[[Path, dict[str, Signer]], object]


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Signer]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: make_key(folder / f"{name}.pem") for name in ("ann", "bob", "eve")}


@pytest.fixture
def trust(signers: dict[str, Signer]) -> Trust:
    return Trust({name: signers[name].public for name in ("ann", "bob")}, "lake")


@pytest.fixture
def root(tmp_path: Path, signers: dict[str, Signer]) -> Path:
    """A store in which ann and bob have published a shard each, signed."""
    for number, name in enumerate(("ann", "bob")):
        Store(tmp_path / "store", signer=signers[name]).publish(name, rows(number), SPEC, run="lake")
    return tmp_path / "store"


def manifest_of(root: Path, name: str, number: int = 1) -> Path:
    (path,) = (root / "manifest").glob(f"{number:06d}-{name}-*.json")
    return path


def change(path: Path, **fields: object) -> None:
    """Writes a manifest anew with other fields, its signature as it was."""
    content = json.loads(path.read_text()) | fields
    path.chmod(0o600)
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def forge_shard(root: Path, signers: dict[str, Signer]) -> None:
    """Eve writes other rows in ann's name, whole and valid, and signs by her own key."""
    Store(root, signer=signers["eve"]).publish("ann", rows(9), SPEC, run="lake")


def forge_unsigned(root: Path, signers: dict[str, Signer]) -> None:
    Store(root).publish("ann", rows(9), SPEC, run="lake")


def withdraw_of_another(root: Path, signers: dict[str, Signer]) -> None:
    Store(root, signer=signers["eve"]).withdraw("ann")


def reattribute(root: Path, signers: dict[str, Signer]) -> None:
    """Bob's rows as ann's, with bob's signature."""
    record = read_manifest(manifest_of(root, "bob"))
    shutil.copy(root / record.path, root / shard_path("ann", record.sha256))
    taken = replace(record, entity="ann", path=shard_path("ann", record.sha256), sequence=2)
    write_manifest(root / "manifest", taken, 2)


def reattribute_honestly_signed(root: Path, signers: dict[str, Signer]) -> None:
    """Eve, whose key is bob's competitor's, signs for bob what ann has published."""
    record = read_manifest(manifest_of(root, "ann"))
    written = write_shard(root / "entity=bob", rows(0), entity="bob", spec=SPEC)
    path = shard_path("bob", written.sha256)
    write_manifest(
        root / "manifest", replace(record, entity="bob", sha256=written.sha256, path=path), 2, signers["eve"]
    )


def replay_under_another_number(root: Path, signers: dict[str, Signer]) -> None:
    """After ann has withdrawn, her first manifest is put there again as if she had published once more."""
    Store(root, signer=signers["ann"]).withdraw("ann")
    shutil.copy(manifest_of(root, "ann"), root / "manifest" / f"000003-ann-{uuid.uuid4().hex}.json")


def replay_from_another_run(root: Path, signers: dict[str, Signer]) -> None:
    """What ann published to another run, perhaps with a weaker defense, in the place of what she published here."""
    other = Store(root.parent / "elsewhere", signer=signers["ann"])
    record = other.publish("ann", rows(7), SPEC, run="river")
    manifest_of(root, "ann").unlink()
    shutil.copy(manifest_of(other.root, "ann"), root / "manifest")
    shutil.copy(other.root / record.path, root / record.path)


PLANTED: list[tuple[Plant, str]] = [
    (forge_shard, "not by the key of entity 'ann': it was forged, changed, or is another's"),
    (forge_unsigned, "is not signed, and entity 'ann' signs what it publishes"),
    (withdraw_of_another, "not by the key of entity 'ann'"),
    (reattribute, "not by the key of entity 'ann'"),
    (reattribute_honestly_signed, "not by the key of entity 'bob'"),
    (replay_under_another_number, "signed it as number 1, its name says 3: it was replayed"),
    (replay_from_another_run, "signed it for the run river, and this is lake: it was replayed"),
    (lambda root, _: change(manifest_of(root, "ann"), run="river"), "not by the key of entity 'ann'"),
    (lambda root, _: change(manifest_of(root, "ann"), stage="withdraw"), "not by the key of entity 'ann'"),
    (lambda root, _: change(manifest_of(root, "ann"), versions={}), "not by the key of entity 'ann'"),
    (lambda root, _: change(manifest_of(root, "ann"), signature="0" * 128), "not by the key of entity 'ann'"),
    (lambda root, _: change(manifest_of(root, "ann"), signature="0" * 12), "not 128 hexadecimal digits"),
    (lambda root, _: change(manifest_of(root, "ann"), signature=None), "is not signed"),
    (lambda root, _: change(manifest_of(root, "ann"), sequence=-1), "sequence is"),
]


@pytest.mark.parametrize(("plant", "told"), PLANTED)
def test_a_planted_forgery_is_refused_and_takes_no_other_entity_with_it(
    plant: Plant, told: str, root: Path, signers: dict[str, Signer], trust: Trust
) -> None:
    honest = Store(root, trust)
    assert [record.entity for record in honest.records()] == ["ann", "bob"]
    assert {finding.problem for finding in honest.verify()} == {""}
    plant(root, signers)
    victim = told.partition("entity '")[2][:3] or "ann"
    other = "bob" if victim == "ann" else "ann"
    with pytest.raises(ShardCorrupt, match=told) as refused:
        honest.records(victim)
    assert refused.value.exit_code == 5
    assert [record.entity for record in honest.records_or_less()] == [other]
    assert any(told in finding.problem for finding in honest.verify())
    if told.startswith(("not by", "is not signed", "signed it")):
        assert Store(root).records(victim) is not None  # nothing but the signature says so


def test_each_field_of_a_manifest_is_signed(root: Path, trust: Trust) -> None:
    record = read_manifest(manifest_of(root, "ann"), trust)
    others = {
        "schema_version": 2, "entity": "bob", "run": "x", "stage": "x", "rows": 1, "shape": (1, 1, 1), "dtype": "x",
        "bytes": 1, "sha256": "0" * 64, "histogram": (1,), "featurizer": "x", "path": "x", "versions": {},
        "target": "degrees:3", "sequence": 7, "guarantee": {"epsilon": 1.0},
    }  # fmt: skip
    assert others.keys() | {"signature"} == vars(record).keys()
    for name, value in others.items():
        assert replace(record, **{name: value}).statement != record.statement, name


def test_what_was_removed_before_the_last_is_missed(root: Path, signers: dict[str, Signer], trust: Trust) -> None:
    store = Store(root, trust, signers["ann"])
    store.publish("ann", rows(5), SPEC, run="lake")
    manifest_of(root, "ann").unlink()
    problems = {finding.path: finding.problem for finding in store.verify() if finding.problem}
    assert "its number 1 is not there: somebody has removed it" in problems["manifest/ of ann"]


def test_an_entity_that_states_no_key_is_believed_unless_asked_strictly(root: Path, trust: Trust) -> None:
    Store(root).publish("cid", rows(3), SPEC, run="lake")
    assert [record.entity for record in Store(root, trust).records()] == ["ann", "bob", "cid"]
    with pytest.raises(ShardCorrupt, match="nobody has stated a key of entity 'cid'"):
        Store(root, replace(trust, is_strict=True)).records()


def test_signed_and_unsigned_manifests_differ_in_two_fields_and_shards_in_none(
    root: Path, tmp_path: Path, signers: dict[str, Signer]
) -> None:
    plain = Store(tmp_path / "plain")
    record = plain.publish("ann", rows(0), SPEC, run="lake")
    signed = json.loads(manifest_of(root, "ann").read_text())
    unsigned = json.loads(manifest_of(plain.root, "ann").read_text())
    assert {**unsigned, "sequence": 1, "signature": signed["signature"]} == signed
    assert record.path == signed["path"]


def test_what_came_from_a_cache_is_signed_for_the_run_that_it_came_to(
    root: Path, signers: dict[str, Signer], trust: Trust
) -> None:
    Store(root, signer=signers["ann"]).renew("ann", run="pond")
    (record,) = Store(root, replace(trust, run="pond")).records("ann")
    assert (record.run, record.sequence) == ("pond", 1)
    assert read_manifest(manifest_of(root, "bob"), trust).run == "lake"  # only its own
    with pytest.raises(ShardCorrupt, match="replayed"):
        Store(root, trust).records("ann")


def test_a_store_elsewhere_asks_for_signatures_too(tmp_path: Path, signers: dict[str, Signer], trust: Trust) -> None:
    shelf = FolderShelf(tmp_path / "shelf")
    own = RemoteStore(tmp_path / "own", tmp_path / "copy", shelf, signer=signers["ann"])
    own.publish("ann", rows(1), SPEC, run="lake")
    reader = RemoteStore(tmp_path / "none", tmp_path / "read", shelf, trust)
    assert [record.entity for record in reader.records()] == ["ann"]
    RemoteStore(tmp_path / "eves", tmp_path / "copies", shelf, signer=signers["eve"]).publish(
        "ann", rows(2), SPEC, run="lake"
    )
    with pytest.raises(ShardCorrupt, match="forged"):
        reader.records()


def test_a_private_key_is_its_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        signer = make_key(tmp_path / "key.pem")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    assert Signer(tmp_path / "key.pem").public == signer.public
    with pytest.raises(StoreError, match="File exists"):
        make_key(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o644)
    with pytest.raises(BoundaryError, match=r"mode 0644: others could sign in its owner's name. chmod 600"):
        Signer(tmp_path / "key.pem")


@pytest.mark.parametrize(
    ("content", "told"), [("nonsense", "is no private key"), (None, "RSAPrivateKey, and keys are Ed25519")]
)
def test_a_file_that_holds_no_such_key_is_named(content: str | None, told: str, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    if content is None:
        forms = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        content = rsa.generate_private_key(65537, 2048).private_bytes(*forms).decode()
    path = tmp_path / "key.pem"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(StoreError, match=told):
        Signer(path).sign(b"x")


def test_public_keys_are_read_back_and_a_bad_line_is_named(tmp_path: Path, signers: dict[str, Signer]) -> None:
    keys = {name: signer.public for name, signer in signers.items()}
    write_keys(tmp_path, keys)
    assert read_keys(tmp_path / "keys.txt") == keys
    assert trust_of(tmp_path) == Trust(keys, tmp_path.name)
    assert not trust_of(tmp_path / "elsewhere").keys
    for bad, told in (
        ("ann 12", ":1: is not `NAME KEY`"),
        (f"a {'0' * 64}\na {'0' * 64}", ":2: names an entity twice"),
    ):
        (tmp_path / "bad.txt").write_text(bad)
        with pytest.raises(StoreError, match=told):
            read_keys(tmp_path / "bad.txt")


def test_the_command_says_who_wrote_what(
    root: Path, signers: dict[str, Signer], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verify(*options: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["collab", "store", "verify", str(root), *options])
        try:
            main()
        except SystemExit as ended:
            return int(str(ended.code)), capsys.readouterr().out
        return 0, capsys.readouterr().out

    keys = root.parent / "keys.txt"
    keys.write_text("".join(f"{name} {signers[name].public}  # of {name}\n" for name in ("ann", "bob")))
    assert verify("--keys", str(keys), "--run", "lake")[0] == 0
    code, told = verify("--keys", str(keys))  # the run whose store this would be, by its place
    assert code == 5
    assert f"signed it for the run lake, and this is {root.parent.name}" in told
    forge_shard(root, signers)
    assert verify()[0] == 0
    code, told = verify("--keys", str(keys), "--run", "lake")
    assert code == 5
    assert "000002-ann-" in told
    assert "it was forged, changed, or is another's" in told


def test_without_the_package_what_signs_says_how_to_install_it(tmp_path: Path, signers: dict[str, Signer]) -> None:
    (tmp_path / "key.pem").write_bytes(b"x")
    (tmp_path / "key.pem").chmod(0o600)
    hidden = "import sys; sys.modules['cryptography'] = None; from pathlib import Path; "
    program = hidden + f"from collab.store.signing import Signer; Signer(Path({str(tmp_path / 'key.pem')!r})).public"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stderr
    assert f"{ResourceError.__name__}: signatures need the package cryptography" in told
    assert "pip install 'collab[sign]'" in told
