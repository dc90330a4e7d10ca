"""Bytes or files of photographs to square uint8 pictures, on all cores; what does not decode is named."""

import errno
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from threading import Condition
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import ExifTags, Image, UnidentifiedImageError

from collab.data.broken import BrokenImages
from collab.data.dicom import DicomImage, is_dicom
from collab.data.modes import Window, read_gray, to_rgb
from collab.data.source import Source, Split
from collab.data.words import make_readable
from collab.errors import DataError, ResourceError

try:
    import simplejpeg
except ImportError:  # it is built for fewer kinds of machines than Pillow, which decodes the same pixels in more time
    simplejpeg = None

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture upright, by the orientation of its EXIF data."""

_MOST_SHORTER_SIDES = 17
"""So much of a longer side is looked at: what lies beyond is far from the center square, and may be gigabytes of it."""

Encoded = tuple[bytes | Path | np.ndarray | DataError, str]
"""The content of an image, its file, or its pixels as for `decode`, or why there is none; and what errors call it."""

Made = TypeVar("Made")

_AT_ONCE = 32  # images that a thread decodes at a time: few, since encoded photographs of megabytes wait in memory
_THREADS = max(4, os.cpu_count() or 1)  # PIL lets go of the interpreter lock; a slow drive answers four

_JPEG, _BASELINE = b"\xff\xd8\xff", b"\xff\xc0"  # how a file begins, and the marker of its kind (ITU-T T.81, table B.1)
_SAYS_MORE = (b"\xff\xe1", b"\xff\xee")  # markers of EXIF data or XMP, which may turn it, and of Adobe's colors

_LASTING = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG}
"""What is wrong with a file until somebody mends it, beside that it is not there."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"

_MOST_PIXELS = 1 << 28
"""Of all pictures that are decoded at a time, whose pixels take 4 bytes: one may have some hundred bytes, and 2^27."""


def decode(
    image: bytes | Path | np.ndarray, side: int, window: Window | None = None, *, where: str
) -> UInt8[np.ndarray, "3 side side"]:
    """The center square of an image in RGB, turned as its EXIF data says; of several frames the first.

    Pixels that are decoded already are uint8 [high, wide] or [high, wide, 3]. The shorter side is resized to `side`,
    or to `side` × 256 / 224 from 128 pixels up, as is usual for ImageNet.
    Gray of more than 8 bits is spread by `window` where there is one; `modes` and `dicom` say how it is without.
    Raises DataError with `where` if it does not decode, or has pixels of which nobody can say what is black and white.
    """
    if isinstance(image, np.ndarray):
        return _to_square(Image.fromarray(image).convert("RGB"), side)
    content = read_file(image) if isinstance(image, Path) else image
    if (pixels := _read_fitting_jpeg(content, side)) is not None:
        return pixels.transpose(2, 0, 1)
    refuse_lfs_pointer(content, where)
    if is_dicom(content):
        medical = DicomImage(content, where=where)
        with _room.taken(medical.pixels):
            return _to_square(_cut_ends(medical.decode(window)).convert("RGB"), side)
    try:
        with Image.open(BytesIO(content)) as opened, _room.taken(opened.width * opened.height):
            opened.load()
            turn = _read_turn(opened)
            gray, picture = read_gray(opened), _cut_ends(opened)
            picture = picture if turn is None else picture.transpose(turn)
            return _to_square(to_rgb(picture, gray, window, where=where), side)
    except DataError:
        raise
    except Exception as cause:  # Pillow's readers raise whatever they stumble over
        raise explain_image(cause, content, where) from cause


def decode_all(
    images: Iterable[Encoded], side: int, window: Window | None = None
) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
    """The `images` as squares of `side`, in their order; of them as many are taken ahead as threads can decode.

    Raises BrokenImages for those that do not decode, when all have been tried, so that they can be mended in one go.
    """
    broken, count = dict[int, str](), 0
    for decoded, reasons in map_ahead(images, partial(try_all, side=side, window=window)):
        broken |= {count + at: why for at, why in reasons.items()}
        count += len(decoded)
        if not broken:
            yield decoded
    if broken:
        raise BrokenImages(broken, count)


def map_ahead(images: Iterable[Encoded], work: Callable[[list[Encoded]], Made]) -> Iterator[Made]:
    """What `work` makes of some of the `images` at a time, in their order, on all cores."""
    left, running = iter(images), deque[Future[Made]]()
    with ThreadPoolExecutor(_THREADS) as pool:
        while (some := list(islice(left, _AT_ONCE))) or running:
            if some:
                running.append(pool.submit(work, some))
            if not some or len(running) > _THREADS:
                yield running.popleft().result()


def try_all(
    images: list[Encoded], side: int, window: Window | None
) -> tuple[UInt8[np.ndarray, "batch 3 side side"], dict[int, str]]:
    """The images as squares, and what is wrong with those that are left black, by their place."""
    decoded = np.zeros((len(images), side, side, 3), np.uint8).transpose(0, 3, 1, 2)  # in the order of decoders' pixels
    reasons = dict[int, str]()
    for at, (image, where) in enumerate(images):
        try:
            if isinstance(image, DataError):
                raise image
            decoded[at] = decode(image, side, window, where=where)
        except DataError as broken:
            reasons[at] = str(broken)
    return np.ascontiguousarray(decoded), reasons


@runtime_checkable
class WithEncoded(Protocol):
    """A source of images as files or bytes, so that more can be told of them than their pixels."""

    @property
    def is_of_files(self) -> bool:
        """Whether each image is a file, whose first bytes are read in no time."""
        ...

    @property
    def window(self) -> Window | None:
        """What gray of more than 8 bits is spread by, if the scenario says so."""
        ...

    def encoded(self, split: Split, rows: np.ndarray) -> Iterator[Encoded]:
        """The images of `rows`, in that order, before they are decoded."""
        ...


class NamedFiles(Source):
    """A source of one file for each image: a label and a name for each row, which is its path in the split's folder."""

    is_of_files = True
    _side: int
    _window: Window | None = None
    _folders: dict[Split, Path]
    _names: dict[Split, tuple[str, ...]]
    _labels: dict[Split, np.ndarray]

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every file, counted within `classes`."""
        return self._labels[split]

    def names(self, split: Split) -> tuple[str, ...]:
        """The name of every row."""
        return self._names[split]

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Decodes the files of `rows`, some at a time."""
        return decode_all(self.encoded(split, rows), self._side, self.window)

    @property
    def window(self) -> Window | None:
        """What gray of more than 8 bits is spread by."""
        return self._window

    def encoded(self, split: Split, rows: np.ndarray) -> Iterator[Encoded]:
        """The files of `rows`."""
        paths = (self._folders[split] / self._names[split][row] for row in rows.tolist())
        return ((path, make_readable(str(path))) for path in paths)


def refuse_lfs_pointer(content: bytes, where: str) -> None:
    """Raises DataError for the few lines that Git leaves in the place of a large file that it has not fetched."""
    if content.startswith(_LFS_POINTER):
        raise DataError(f"{where} is a Git LFS pointer, not the file itself. Run `git lfs pull` in its folder.")


def digest_files(kind: str, options: Any, files: Iterable[Path]) -> str:
    """Identity of a source on disk: its options, and name, size and time of each file; contents are not read.

    What is not there or cannot be read has neither; whoever decodes it says so.
    """
    lines = list[tuple[str, int, int]]()
    for file in files:
        try:
            status = file.stat()
            is_readable = os.access(file, os.R_OK)
        except OSError:
            is_readable = False
        lines.append((file.name, status.st_size, status.st_mtime_ns) if is_readable else (file.name, 0, 0))
    return hashlib.sha256(json.dumps([kind, options, lines]).encode()).hexdigest()


class _Room:
    """Room for pixels: who needs more than is left waits for others, unless there are none."""

    def __init__(self, most: int) -> None:
        self._most, self._taken, self._changed = most, 0, Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + pixels <= self._most)
            self._taken += pixels
        try:
            yield
        finally:
            with self._changed:
                self._taken -= pixels
                self._changed.notify_all()


_room = _Room(_MOST_PIXELS)


def _read_fitting_jpeg(content: bytes, side: int) -> UInt8[np.ndarray, "side side 3"] | None:
    """A baseline JPEG that is to be decoded and no more; None for all others, and for what is not sound to its end.

    The pixels are those of Pillow, in a quarter of the time, and threads do not wait for one another.
    """
    is_plain = content.startswith(_JPEG) and _BASELINE in content and not any(map(content.__contains__, _SAYS_MORE))
    if not is_plain or simplejpeg is None:
        return None
    try:
        *size, colors, _ = simplejpeg.decode_jpeg_header(content)
        return simplejpeg.decode_jpeg(content) if size == [side, side] and colors in ("YCbCr", "Gray") else None
    except ValueError:
        return None


def _read_turn(opened: Image.Image) -> Image.Transpose | None:
    """What turns a picture upright; nothing where its EXIF data cannot be read, as Pillow itself has it for a JPEG."""
    try:
        return _TURNS.get(opened.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # of damaged data, whatever Pillow stumbles over; the pixels are whole
        return None


def read_file(file: Path, most: int = -1) -> bytes:
    """The content of a file, or its first bytes.

    Raises DataError with its name for what `digest_files` sees too: it is not there, no file, or not to be read.
    ResourceError if the disk fails, which may work again.
    """
    where = make_readable(str(file))
    try:
        with open(file, "rb", buffering=0, opener=_open_at_once) as opened:
            return opened.read(most)
    except (FileNotFoundError, NotADirectoryError) as cause:
        why = "is a link to what is not there" if file.is_symlink() else f"cannot be read: {cause.strerror}"
        raise DataError(f"{where} {why}. Repair or remove it.") from cause
    except IsADirectoryError as cause:
        raise DataError(f"{where} is a folder with the name of an image. Rename or remove it.") from cause
    except OSError as cause:
        if cause.errno in _LASTING:
            raise DataError(f"{where} cannot be read: {cause.strerror}. Repair or remove it.") from cause
        raise ResourceError(
            f"{where} cannot be read: {cause.strerror}. Try again; if it stays, look after the disk."
        ) from cause
    except MemoryError as cause:
        raise DataError(f"{where} cannot be read: there is not enough memory. Make it smaller or remove it.") from cause


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # of a pipe without a writer it would wait for ever


def _cut_ends(picture: Image.Image) -> Image.Image:
    """The picture without the ends of a longer side of more than `_MOST_SHORTER_SIDES` shorter ones."""
    most = _MOST_SHORTER_SIDES * min(picture.size)
    left, top = (max(0, (length - most) // 2) for length in picture.size)
    wide, high = picture.size
    return picture.crop((left, top, wide - left, high - top)) if left or top else picture


def _to_square(picture: Image.Image, side: int) -> UInt8[np.ndarray, "3 side side"]:
    if picture.size != (side, side):
        picture = _cut_center_square(picture, side)
    return np.asarray(picture, dtype=np.uint8).transpose(2, 0, 1)


def find_shorter_side(side: int) -> int:
    """What the shorter side of an image is resized to, of which a square of `side` is taken."""
    return round(side * 256 / 224) if side >= 128 else side


def _cut_center_square(picture: Image.Image, side: int) -> Image.Image:
    shorter = find_shorter_side(side)
    scale = shorter / min(picture.size)
    wide, high = (max(shorter, round(length * scale)) for length in picture.size)
    left, top = (wide - side) // 2, (high - side) // 2
    return picture.resize((wide, high), Image.Resampling.BILINEAR).crop((left, top, left + side, top + side))


def explain_image(cause: Exception, content: bytes, where: str) -> DataError:
    """What Pillow stumbled over, as an error that names the image."""
    why, advice = str(cause) or type(cause).__name__, "Repair or remove it."
    if isinstance(cause, MemoryError | Image.DecompressionBombError):
        why, advice = str(cause) or "there is not enough memory for it", "Make it smaller or remove it."
    elif isinstance(cause, UnidentifiedImageError):
        why = "its format is unknown" if content else "it is empty"
    return DataError(f"{where} does not decode as an image: {why}. {advice}")
