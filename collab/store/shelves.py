"""Where files of a store lie outside of a run directory: a folder, or a bucket of an object store."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, final
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from typing_extensions import override

from collab.errors import StoreError
from collab.store.files import open_regular, place_file
from collab.store.names import inside

PIECE = 4 << 20
"""Bytes that are copied at a time."""

_ADVICE = (
    "See that it exists and that this machine reaches it. Credentials come from the environment "
    "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) of each process; on a cluster set them before `ray start`."
)


class AbstractShelf(ABC):
    """Whole files under names such as `manifest/x.json`; each is put in one step, and none is added to."""

    uri: str

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Names of all that lies under `folder`, at any depth, in no order; StoreError if it cannot be asked."""

    @abstractmethod
    def put(self, name: str, source: Path) -> None:
        """Puts the content of `source` under `name`: nobody sees a part of it. StoreError if it is refused."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Removes `name` if it is there."""

    @abstractmethod
    def reading(self, name: str) -> Any:
        """A context whose value has `read`; FileNotFoundError if there is no `name`, StoreError if it is no file."""

    @final
    def fetch(self, name: str, target: Path, most: int) -> None:
        """Copies the first `most` bytes of `name` to `target`, in one step; who verifies it sees that more was there.

        Raises FileNotFoundError if there is no `name`, StoreError if it cannot be read or written.
        """
        with self.reading(name) as source:

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
        with TemporaryDirectory() as folder:
            sent, back = Path(folder) / "sent", Path(folder) / "back"
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
    """A folder of a local or shared file system, written and read as strictly as a run directory: see `files`."""

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

        def copy(file: BinaryIO) -> None:
            with open_regular(source) as content:
                while piece := content.read(PIECE):
                    file.write(piece)

        place_file(path.parent, path.name, copy, what=name)

    @override
    def remove(self, name: str) -> None:
        inside(self.root, name).unlink(missing_ok=True)

    @override
    def reading(self, name: str) -> BinaryIO:
        return open_regular(inside(self.root, name))


@final
class BucketShelf(AbstractShelf):
    """Objects under a prefix of a file system of pyarrow that has no folders, such as S3: an object appears whole.

    There is no replacing by rename and no writing only if there is nothing yet, and none is needed: names follow from
    the content or are drawn, and the manifest goes last.
    """

    def __init__(self, filesystem: Any, prefix: str, uri: str) -> None:
        self._filesystem, self._prefix, self.uri = filesystem, prefix.strip("/"), uri

    @override
    def names(self, folder: str = "") -> list[str]:
        from pyarrow import fs

        wanted = fs.FileSelector(self._path(folder), allow_not_found=True, recursive=True)
        with self._told("listed"):
            found = self._filesystem.get_file_info(wanted)
        return [each.path[len(self._prefix) + 1 :] for each in found if each.type != fs.FileType.Directory]

    @override
    def put(self, name: str, source: Path) -> None:
        with open_regular(source) as content, self._told(f"given {name}"):
            out = self._filesystem.open_output_stream(self._path(name), compression=None)
            while piece := content.read(PIECE):
                out.write(piece)
            out.close()  # not in a `finally`: it would make an object of what was written so far

    @override
    def remove(self, name: str) -> None:
        with self._told(f"asked to remove {name}"):
            self._filesystem.delete_file(self._path(name))

    @override
    @contextmanager
    def reading(self, name: str) -> Iterator[Any]:
        with (
            self._told(f"asked for {name}"),
            self._filesystem.open_input_stream(
                self._path(name),
                compression=None,  # by default it unpacks what is called .gz
            ) as source,
        ):
            yield source

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}".rstrip("/")

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowException) as cause:
            raise StoreError(f"{self.uri} cannot be {what}: {cause}. {_ADVICE}") from cause


def shelf_at(uri: str) -> AbstractShelf:
    """The shelf of `file:///folder` or `s3://bucket/prefix?region=...&endpoint_override=...`; nothing is made yet."""
    if uri.startswith("file://"):
        return FolderShelf(Path(unquote(urlsplit(uri).path)))
    from pyarrow import fs

    try:
        filesystem, prefix = fs.FileSystem.from_uri(uri)
    except (OSError, ValueError) as cause:
        raise StoreError(f"{uri} is no place for a store: {cause}. {_ADVICE}") from cause
    return BucketShelf(filesystem, prefix, uri)


def uri_of_run(uri: str, run: Path) -> str:
    """Where the store of a run lies under `uri`: as its folder does, `<scenario>/<run>`, so that no two runs meet."""
    parts = urlsplit(uri)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{run.parent.name}/{run.name}").geturl()
