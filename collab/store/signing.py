"""Who wrote a manifest: Ed25519 signatures by the keys that entities state; optional, by the package `cryptography`.

A signature covers all that a manifest says: its shard by the digest, its entity, its number and the run that it is for.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from typing_extensions import Buffer

from collab.errors import BoundaryError, ResourceError, StoreError
from collab.store.files import place_file
from collab.store.names import NAME

if TYPE_CHECKING:
    from collab.store.manifest import Record

KEYS = "keys.txt"
"""The file in a run directory with the public keys that its entities state; there is none where nobody signs."""

_LINE = re.compile(rf"({NAME})\s+([0-9a-f]{{64}})")


class Signer:
    """The private key in a file that its owner alone may read (PEM, PKCS #8), and what is signed by it.

    Raises StoreError for a file that holds no such key, BoundaryError where others could read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            mode, content = stat.S_IMODE(path.stat().st_mode), path.read_bytes()
        except OSError as cause:
            raise StoreError(f"the signing key {path} cannot be read: {cause.strerror}.") from cause
        if mode & 0o077:
            raise BoundaryError(
                f"the signing key {path} has mode {mode:04o}: others could sign in its owner's name. chmod 600 {path}"
            )
        self._content = content

    @cached_property
    def _key(self) -> Any:
        try:
            key = _cryptography().serialization.load_pem_private_key(self._content, password=None)
        except (ValueError, TypeError) as cause:
            raise StoreError(f"{self._path} is no private key: {cause}. {_MAKE_ONE}") from cause
        if not isinstance(key, _cryptography().ed25519.Ed25519PrivateKey):
            raise StoreError(f"{self._path} holds a {type(key).__name__}, and keys are Ed25519. {_MAKE_ONE}")
        return key

    @property
    def public(self) -> str:
        """The public key: 64 hexadecimal digits, which anybody may know."""
        return str(self._key.public_key().public_bytes_raw().hex())

    def sign(self, statement: Buffer) -> str:
        """The signature of `statement`: 128 hexadecimal digits, the same whenever it is asked for."""
        return str(self._key.sign(statement).hex())


_MAKE_ONE = "`collab store key FILE` makes one."


def make_key(path: Path) -> Signer:
    """Draws a private key and puts it into a file that is new, of mode 0600."""
    crypto = _cryptography()
    pem, form = crypto.serialization.Encoding.PEM, crypto.serialization.PrivateFormat.PKCS8
    key = crypto.ed25519.Ed25519PrivateKey.generate()
    content = key.private_bytes(pem, form, crypto.serialization.NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as cause:
        raise StoreError(f"the signing key {path} cannot be made: {cause.strerror}.") from cause
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return Signer(path)


def read_keys(path: Path) -> dict[str, str]:
    """Public keys by entity, from a file with `NAME KEY` on each line; StoreError for a line that is none."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as cause:
        raise StoreError(f"the public keys {path} cannot be read: {cause}.") from cause
    keys = dict[str, str]()
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = _LINE.fullmatch(text)
        if match is None or match[1] in keys:
            wrong = "names an entity twice" if match else "is not `NAME KEY`, a key of 64 hexadecimal digits"
            raise StoreError(
                f"{path}:{number}: {wrong}. `collab store key FILE` prints the public key of a private one."
            )
        keys[match[1]] = match[2]
    return keys


def write_keys(run: Path, keys: Mapping[str, str]) -> None:
    """Notes in a run directory who states which public key."""
    content = "".join(f"{name} {key}\n" for name, key in keys.items()).encode()
    place_file(run, KEYS, lambda file: file.write(content), what="the public keys")


@dataclass(frozen=True)
class Trust:
    """Whose signature a reader asks for: public keys by entity, and the run that what they signed has to be for.

    An entity without a key is believed without a signature, unless nobody is (`is_strict`).
    """

    keys: Mapping[str, str]
    run: str
    is_strict: bool = False

    def problem(self, record: "Record", number: int) -> str:
        """Why a manifest with this number in its name is not believed; "" if it is."""
        entity, key = record.entity, self.keys.get(record.entity)
        if key is None:
            return f"nobody has stated a key of entity {entity!r}" if self.is_strict else ""
        if not record.signature:
            return f"it is not signed, and entity {entity!r} signs what it publishes: somebody else wrote it"
        if not _is_signed(key, record.statement, record.signature):
            return f"its signature is not by the key of entity {entity!r}: it was forged, changed, or is another's"
        if record.sequence != number:
            return f"entity {entity!r} signed it as number {record.sequence}, its name says {number}: it was replayed"
        if record.run != self.run:
            return f"entity {entity!r} signed it for the run {record.run}, and this is {self.run}: it was replayed"
        return ""


NOBODY = Trust({}, "")
"""Believes without a signature."""


def trust_of(run: Path) -> Trust:
    """Whose signature readers in a run ask for: of those whose public keys lie there."""
    return Trust(read_keys(run / KEYS), run.name) if (run / KEYS).exists() else NOBODY


def _is_signed(key: str, statement: Buffer, signature: str) -> bool:
    crypto = _cryptography()
    try:
        crypto.ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(
            bytes.fromhex(signature), statement
        )
    except (crypto.InvalidSignature, ValueError):  # the latter: no point of the curve
        return False
    return True


def _cryptography() -> SimpleNamespace:
    """What is used of the package, which is an extra."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as cause:
        raise ResourceError(
            "signatures need the package cryptography, which is not installed: pip install 'collab[sign]'"
        ) from cause
    return SimpleNamespace(InvalidSignature=InvalidSignature, serialization=serialization, ed25519=ed25519)
