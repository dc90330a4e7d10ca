"""Where files of a store lie outside of a run directory: a folder, or a bucket of an object store."""

import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, final
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from typing_extensions import override

from collab.errors import StoreError
from collab.scratch import Scratch
from collab.store.files import open_regular, place_file
from collab.store.names import inside

PIECE = 4 << 20
"""Bytes that are copied at a time."""

_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or the machine's own account",
    "abfs": "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or a managed identity",
}
"""Where the client of each kind of bucket takes its credentials from."""


class AbstractShelf(ABC):
    """Whole files under names such as `manifest/x.json`; each is put in one step, and none is added to."""

    uri: str

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Names of all that lies under `folder`, at any depth, in no order; StoreError if it cannot be listed."""

    @abstractmethod
    def put(self, name: str, source: Path) -> None:
        """Puts the content of `source` under `name`: nobody sees a part of it. StoreError if it is refused."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Removes `name` if it is there."""

    @abstractmethod
    def open(self, name: str) -> Any:
        """A context whose value has `read`; FileNotFoundError if there is no `name`, StoreError if it is no file."""

    @final
    def fetch(self, name: str, target: Path, most: int) -> None:
        """Copies the first `most` bytes of `name` to `target`, in one step; who verifies it sees that more was there.

        Raises FileNotFoundError if there is no `name`, StoreError if it cannot be read or written.
        """
        with self.open(name) as source:

            def copy(file: BinaryIO) -> None:
                left = most
                while left > 0 and (piece := source.read(min(left, PIECE))):
                    file.write(piece)
                    left -= len(piece)

            place_file(target.parent, target.name, copy, what=f"a copy of {name}")

    @final
    def probe(self) -> None:
        """Writes, lists, reads and removes a file; StoreError, with what to do, if that cannot be done."""
        name, nonce = f".probe-{secrets.token_hex(8)}", secrets.token_bytes(16)
        with Scratch() as folder:
            sent, back = folder / "sent", folder / "back"
            sent.write_bytes(nonce)
            self.put(name, sent)
            try:
                is_listed = name in self.names()
                self.fetch(name, back, 64)
            finally:
                self.remove(name)
            if not is_listed or back.read_bytes() != nonce:
                raise StoreError(f"{self.uri} does not give back what was put there. A store must, at once.")


@final
class FolderShelf(AbstractShelf):
    """A folder of a local or shared file system, written and read as strictly as a run directory: see `files`.

    No file system of pyarrow would do here: they write in place and follow links.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = root.as_uri()

    @override
    def names(self, folder: str = "") -> list[str]:
        paths = (self.root / folder).rglob("*")
        return [path.relative_to(self.root).as_posix() for path in paths if path.is_symlink() or not path.is_dir()]

    @override
    def put(self, name: str, source: Path) -> None:
        path = inside(self.root, name)
        with open_regular(source) as content:
            place_file(path.parent, path.name, lambda file: shutil.copyfileobj(content, file, PIECE), what=name)

    @override
    def remove(self, name: str) -> None:
        inside(self.root, name).unlink(missing_ok=True)

    @override
    def open(self, name: str) -> BinaryIO:
        return open_regular(inside(self.root, name))


@final
class BucketShelf(AbstractShelf):
    """Objects under a prefix of a file system of pyarrow that has no folders, such as S3: an object appears whole.

    There is no replacing by rename and no writing only if there is nothing yet, and none is needed: names follow from
    the content or are drawn, and the manifest goes last.
    """

    def __init__(self, uri: str) -> None:
        from pyarrow import fs

        self.uri = uri
        with self._explain_failure("used for a store"):
            self._filesystem, prefix = fs.FileSystem.from_uri(uri)
        self._prefix = prefix.strip("/")

    @override
    def names(self, folder: str = "") -> list[str]:
        from pyarrow import fs

        everything = fs.FileSelector(self._path(folder), allow_not_found=True, recursive=True)
        with self._explain_failure("listed"):
            entries = self._filesystem.get_file_info(everything)
        files = [entry.path.strip("/") for entry in entries if entry.type != fs.FileType.Directory]
        return [path.removeprefix(f"{self._prefix}/") for path in files]

    @override
    def put(self, name: str, source: Path) -> None:
        with open_regular(source) as content, self._explain_failure(f"given {name}"):
            out = self._filesystem.open_output_stream(self._path(name), compression=None)
            shutil.copyfileobj(content, out, PIECE)
            # Not in a `finally`: it would make an object of what was written so far.
            out.close()

    @override
    def remove(self, name: str) -> None:
        with self._explain_failure(f"rid of {name}"), suppress(FileNotFoundError):
            self._filesystem.delete_file(self._path(name))

    @override
    @contextmanager
    def open(self, name: str) -> Iterator[Any]:
        # Without `compression=None` pyarrow unpacks what is called .gz.
        path = self._path(name)
        with (
            self._explain_failure(f"read at {name}"),
            self._filesystem.open_input_stream(path, compression=None) as source,
        ):
            yield source

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}".rstrip("/")

    @contextmanager
    def _explain_failure(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except pa.ArrowNotImplementedError as cause:  # a cloud that pyarrow was built without
            raise StoreError(
                f"{self.uri} cannot be {what}: {cause}. The pyarrow that is installed was built without it; the one of "
                "PyPI has it: pip install --force-reinstall pyarrow"
            ) from cause
        except (OSError, ValueError, pa.ArrowException) as cause:
            names = _CREDENTIALS.get(self.uri.partition(":")[0], "variables of its client")
            raise StoreError(
                f"{self.uri} cannot be {what}: {cause}. See that it exists and that this machine reaches it. "
                f"Credentials come from the environment of each process ({names}); "
                "on a cluster set them before `ray start`."
            ) from cause


def shelf_at(uri: str) -> AbstractShelf:
    """The shelf of `file:///folder`, or of a bucket whose URI pyarrow knows; nothing is made yet.

    `s3://bucket/prefix?region=...&endpoint_override=...`, `gs://bucket/prefix`,
    `abfs://container@account.dfs.core.windows.net/prefix`. Raises StoreError for any other.
    """
    return FolderShelf(Path(unquote(urlsplit(uri).path))) if uri.startswith("file://") else BucketShelf(uri)


def uri_of_run(uri: str, run: Path) -> str:
    """Where the store of a run lies under `uri`: as its folder does, `<scenario>/<run>`, so that no two runs meet."""
    parts = urlsplit(uri)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{run.parent.name}/{run.name}").geturl()
