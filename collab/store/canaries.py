"""Canaries: pieces of private content that must not turn up elsewhere, and a search that finds any of thousands."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from collab.store.windows import SPAN, WINDOW, choose_starts, list_starts

ANCHOR = 8

PLAIN = 3
"""Different bytes of a word up to which it is no sign of anything: zeros and flat areas are everywhere."""

CHUNK, BEFORE = 8 << 20, 1 << 12
ENOUGH = 1000
"""Canaries found in one place after which the rest of it is not looked at."""

_SLOTS = 24

SHORTEST = 15
"""Bytes of a canary, at least."""

_ONE_NUMBER = re.compile(rb"\d+\.\d+(?:e-\d+)?")

FEWEST_NUMBERS = 3
"""Numbers that stand alone, each at any place of a text, of which fewer are no sign.

There are so few of fp32 that some loss of hundreds of epochs is one of thousands of weights by chance, in one run of
dozens."""


Piece = tuple[int, bytes]
"""A piece of private content, and the number of the row or image that it is a piece of."""


class Sign(NamedTuple):
    """What a canary is a sign of: the kind of content and its owner, and the row of it."""

    what: str
    row: int


def is_one_number(piece: bytes) -> bool:
    """Whether a piece is a single number as text, of which it takes FEWEST_NUMBERS of one owner to tell anything."""
    return _ONE_NUMBER.fullmatch(piece) is not None


class Canaries:
    """Byte strings of 15 or more by what they are a piece of; such as text may hold by chance are not to be added.

    The search looks only at aligned words of eight bytes, which is what makes it fast: of each canary it knows one
    word for each of the eight ways in which the canary can lie.
    """

    def __init__(self, names: Mapping[bytes, Sign] | None = None) -> None:
        self.names = dict(names or {})
        self._index: _Index | None = None

    def __len__(self) -> int:
        return len(self.names)

    def add(self, name: str, pieces: Iterable[Piece]) -> None:
        """More pieces of `name`; a piece that is there keeps its name."""
        for row, piece in pieces:
            self.names.setdefault(piece, Sign(name, row))
        self._index = None

    def without(self, pieces: Iterable[bytes], *names: str) -> "Canaries":
        """These but `pieces`, and but those of `names`."""
        gone = set(pieces)
        kept = ((piece, sign) for piece, sign in self.names.items() if piece not in gone and sign.what not in names)
        return Canaries(dict(kept))

    def find_in(self, content: bytes | memoryview | np.ndarray, enough: int = ENOUGH) -> set[bytes]:
        """The canaries that occur in `content`, wherever they begin; not all where there are more than `enough`."""
        pieces = set[bytes]()
        if not self.names:
            return pieces
        # Thousands of files are searched for the same canaries: nothing here may walk over all of them.
        index = self._index = self._index or _Index.of(list(self.names))
        hay = np.frombuffer(content, np.uint8)
        for start in range(0, len(hay), CHUNK):
            # A canary may begin before its word.
            chunk = hay[max(start - BEFORE, 0) : start + CHUNK + index.longest]
            pieces.update(index.search(chunk))
            if len(pieces) >= enough:
                break
        return pieces


class _Index(NamedTuple):
    """A table of hashes; words, sorted; of which canary each is, and where in it; the canaries, the longest's bytes."""

    table: np.ndarray
    anchors: np.ndarray
    numbers: np.ndarray
    offsets: np.ndarray
    pieces: list[bytes]
    longest: int

    @classmethod
    def of(cls, pieces: list[bytes]) -> "_Index":
        by_length: dict[int, list[int]] = {}
        for number, piece in enumerate(pieces):
            by_length.setdefault(len(piece), []).append(number)
        parts = [
            _choose_words([pieces[number] for number in those], np.array(those), range(way, length - 7, 8))
            for length, those in by_length.items()
            for way in range(ANCHOR)
        ]
        anchors, numbers, offsets = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(anchors, kind="stable")
        table = np.zeros(1 << _SLOTS, np.bool_)
        table[_slot(anchors)] = True
        return cls(table, anchors[order], numbers[order], offsets[order], pieces, max(by_length))

    def search(self, chunk: np.ndarray) -> Iterator[bytes]:
        """The canaries that lie in `chunk` where one of its aligned words is one of their own."""
        words = chunk[: len(chunk) // ANCHOR * ANCHOR].view("<u8")
        at = np.flatnonzero(self.table[_slot(words)])
        if not len(at):  # nearly always: thousands of small files are looked through
            return
        first, last = (np.searchsorted(self.anchors, words[at], side) for side in ("left", "right"))
        is_anchor = last > first
        for word, low, high in zip(*(part[is_anchor].tolist() for part in (at, first, last)), strict=True):
            for entry in range(low, high):
                position, piece = word * ANCHOR - int(self.offsets[entry]), self.pieces[self.numbers[entry]]
                if position >= 0 and chunk[position : position + len(piece)].tobytes() == piece:
                    yield piece


def _choose_words(
    pieces: Sequence[bytes], numbers: np.ndarray, places: range
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The word at one of `places` that varies most over pieces of one length, unless it is plain; its piece, place."""
    content = np.frombuffer(b"".join(pieces), np.uint8).reshape(len(pieces), -1)
    best, place_of = np.full(len(pieces), PLAIN), np.full(len(pieces), -1)
    for place in places:
        differing = 1 + (np.diff(np.sort(content[:, place : place + ANCHOR], axis=1), axis=1) != 0).sum(axis=1)
        place_of[differing > best] = place
        best = np.maximum(best, differing)
    kept = np.flatnonzero(place_of >= 0)
    at = place_of[kept]
    words = np.ascontiguousarray(content[kept[:, None], at[:, None] + np.arange(ANCHOR)]).view("<u8")[:, 0]
    return words, numbers[kept], at


def _slot(words: np.ndarray) -> np.ndarray:
    slots: np.ndarray = words * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(64 - _SLOTS)
    return slots


def numbers(rows: np.ndarray, kinds: Sequence[str], allowed: np.ndarray | None = None) -> Iterator[Piece]:
    """A piece of each row of floats [n, elements >= 32], as it would lie there in each of `kinds`, and as text.

    Kinds: `as it is`, `float32`, `float64`, `float16`, `bfloat16`. Rows without a telling piece give none; `allowed`
    [n, starts] says which candidate windows may be one, all unless given.
    """
    if rows.shape[1] < WINDOW:
        return
    best = choose_starts(rows, list_starts(rows.shape[1]), allowed)
    for number, start in enumerate(best.tolist()):
        if start >= 0:
            piece = rows[number, start : start + WINDOW]
            for kind in kinds:
                yield number, _render(piece, kind)[:WINDOW]
            yield from ((number, text) for text in _as_text(piece))


def _render(piece: np.ndarray, kind: str) -> bytes:
    if kind == "as it is":
        return piece.tobytes()
    if kind == "bfloat16":  # rounded to nearest even, as torch does
        bits = piece.astype(np.float32).view(np.uint32).astype(np.uint64)
        return ((bits + 0x7FFF + (bits >> np.uint64(16) & np.uint64(1))) >> np.uint64(16)).astype(np.uint16).tobytes()
    with np.errstate(over="ignore"):
        return piece.astype(kind).tobytes()


def _as_text(piece: np.ndarray) -> Iterator[bytes]:
    """Bytes in hexadecimal and base64, whatever stands before; four numbers as JSON, and each alone without its sign.

    Alone not those of fp16: there are so few that sizes in MiB share their digits. Of fp32 see `is_one_number`.
    """
    content = piece[:SPAN].tobytes()
    yield content[: WINDOW // 2].hex().encode()
    if len(content) >= WINDOW // 2:
        for phase in range(3):
            yield base64.b64encode(content[phase : phase + 15])
    texts = [repr(float(number)) for number in piece[:4]]
    yield ", ".join(texts).encode()[:WINDOW]
    if piece.itemsize > 2:
        yield from (number for text in texts if len(number := text.lstrip("-").encode()) >= SHORTEST)


def pictures(images: np.ndarray) -> Iterator[Piece]:
    """A piece of each image of uint8 [n, 3, H, W >= 11]: by channel, by pixel, as floats, as text."""
    side = images.shape[3]
    starts = [
        y * side + x
        for y in np.unique(np.linspace(0, images.shape[2] - 4, 24).astype(int)).tolist()
        for x in sorted({0, (side - 11) // 2, side - 11})
    ]
    flat = images.reshape(len(images), images.shape[1] * images.shape[2] * side)
    for number, start in enumerate(choose_starts(flat, np.array(starts)).tolist()):
        if start >= 0:
            by_pixel = images[number, :, start // side, start % side : start % side + 11].T.tobytes()
            piece = flat[number, start : start + WINDOW]
            yield from ((number, form) for form in (piece.tobytes(), by_pixel, *_forms(piece)))


def _forms(piece: np.ndarray) -> Iterator[bytes]:
    """The forms of 32 bytes of pixels: floats of both sizes, JSON, hexadecimal, base64 whatever stands before."""
    floats = piece[:16].astype(np.float32) / np.float32(255)
    yield floats[:SPAN].tobytes()
    yield floats.astype(np.float16).tobytes()
    yield ", ".join(map(str, piece[:11].tolist())).encode()[:WINDOW]
    yield piece[:16].tobytes().hex().encode()
    for phase in range(3):
        yield base64.b64encode(piece[phase : phase + 24].tobytes())
