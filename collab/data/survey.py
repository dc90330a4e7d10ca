"""What images are before anything is trained on them: sizes, modes, bits, what is cropped, what does not decode."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

from collab.data.broken import read_whole_ones
from collab.data.copies import Holder
from collab.data.decoding import Encoded, WithEncoded, find_shorter_side, map_ahead, read_file, try_all
from collab.data.dicom import DicomImage, is_dicom
from collab.data.modes import Window
from collab.data.near_copies import make_thumbnails
from collab.data.source import Pictures, Split
from collab.errors import DataError

_BITS = {"1": 1, "I": 32, "F": 32}  # of Pillow's modes; `I;16` and its kin have 16, all others 8
_PNG, _PNG_BITS = b"\x89PNG\r\n\x1a\n", 24  # where a PNG file has its bits per sample: Pillow narrows 16 of color
_TIFF_BITS = 258


@dataclass(frozen=True)
class Header:
    """What a file says of its image: width and height in pixels, and its mode with bits of a channel: `RGB, 8 bits`."""

    width: int
    height: int
    mode: str


@dataclass
class Survey:
    """What `count` images are; `broken` says of those that do not decode, by place from 0, which they are and why.

    All else is of the others, in their order: `headers` are there if the source has encoded images, `thumbnails` are
    those of `collab.data.near_copies`.
    """

    count: int = 0
    broken: dict[int, str] = field(default_factory=dict)
    headers: list[Header] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    is_blank: list[bool] = field(default_factory=list)
    thumbnails: list[np.ndarray] = field(default_factory=list)

    @property
    def whole(self) -> np.ndarray:
        """The places of the images that decode."""
        return np.setdiff1d(np.arange(self.count), np.array(list(self.broken), dtype=np.int64))

    def add(self, other: "Survey") -> None:
        """Takes the images of `other` as those that follow."""
        self.broken |= {self.count + at: why for at, why in other.broken.items()}
        self.count += other.count
        for mine, others in (
            (self.headers, other.headers),
            (self.digests, other.digests),
            (self.is_blank, other.is_blank),
            (self.thumbnails, other.thumbnails),
        ):
            mine.extend(others)  # type: ignore[arg-type]

    def sizes(self) -> np.ndarray:
        """Width and height of each image whose header is known, int64 [images, 2]."""
        return np.array([(header.width, header.height) for header in self.headers], dtype=np.int64).reshape(-1, 2)


def survey_images(
    source: Pictures, split: Split, rows: np.ndarray, side: int, tell: Callable[[int], None] = lambda count: None
) -> Survey:
    """A survey of `rows`, some at a time, of which `tell` is told how many; they are seen as squares of `side`."""
    survey = Survey()
    if isinstance(source, WithEncoded):
        for some in map_ahead(source.encoded(split, rows), partial(_survey_encoded, side=side, window=source.window)):
            survey.add(some)
            tell(some.count)
        return survey
    broken = dict[int, str]()
    for images in read_whole_ones(partial(source.images, split), rows, broken):
        survey.add(_survey_pixels(images))
        tell(len(images))
    tell(len(broken))
    survey.count, survey.broken = len(rows), broken
    return survey


def measure_loss(sizes: np.ndarray, side: int) -> np.ndarray:
    """The share of each image that lies outside the square of `side` made of it, in [0, 1]; sizes int [images, 2]."""
    seen = (sizes.min(axis=1) * side / find_shorter_side(side)) ** 2
    return 1 - seen / sizes.prod(axis=1)


def _survey_encoded(images: Sequence[Encoded], side: int, window: Window | None) -> Survey:
    read = [_read_once(image, where) for image, where in images]
    squares, broken = try_all(read, side, window)
    survey = _survey_pixels(np.delete(squares, list(broken), axis=0))
    survey.count, survey.broken = len(images), broken
    survey.headers = [_read_header(image) for at, (image, _) in enumerate(read) if at not in broken]
    return survey


def _survey_pixels(squares: np.ndarray) -> Survey:
    looked_at = Holder.of(np.arange(len(squares)), [squares])
    thumbnails = list(make_thumbnails(squares))
    return Survey(len(squares), {}, [], list(looked_at.digests), list(looked_at.is_blank), thumbnails)


def _read_once(image: bytes | Path | np.ndarray | DataError, where: str) -> Encoded:
    try:
        return (read_file(image) if isinstance(image, Path) else image), where
    except DataError as broken:
        return broken, where


def _read_header(content: object) -> Header:
    """Of an image that decodes; `content` are its bytes, or pixels of 8 bits."""
    if isinstance(content, np.ndarray):
        return Header(content.shape[1], content.shape[0], f"{'L' if content.ndim == 2 else 'RGB'}, 8 bits")
    assert isinstance(content, bytes)
    if is_dicom(content):
        medical = DicomImage(content, where="")
        return Header(*medical.size, medical.mode)
    with Image.open(BytesIO(content)) as opened:
        bits = _BITS.get(opened.mode, 16 if opened.mode.startswith("I;16") else 8)
        if content.startswith(_PNG):
            bits = content[_PNG_BITS]
        elif isinstance(opened, TiffImagePlugin.TiffImageFile):
            bits = int(max(opened.tag_v2.get(_TIFF_BITS, (1,))))
        return Header(opened.width, opened.height, f"{opened.mode}, {bits} bit{'s' * (bits != 1)}")
