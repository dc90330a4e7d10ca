"""What is private to the entities of a run, in pieces that a search can find; without what anybody may have."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from collab.data.copies import digest_images, read_blocks
from collab.errors import ShardMissing
from collab.scenario.model import EntityPart, Scenario
from collab.store.canaries import Canaries, Piece, numbers, pictures
from collab.store.residue import read_batches, read_rows, spread
from collab.store.windows import WINDOW, find_own_windows, sign_windows
from collab.store.written import Written

MOST_ROWS = 2048
"""Images and rows of features of an entity that are looked for, evenly spaced over all that it has."""

PER_TENSOR = 64
"""Pieces of each tensor of a module that are looked for."""


IMAGES, FEATURES, WEIGHTS = "images of ", "unpoisoned features of ", "weights of the defense of "
"""What is private is called so, with the name of its entity behind."""


def cut_private_pieces(run: Path, scenario: Scenario) -> Canaries:
    """Pieces of all that is private in a run, as far as it got.

    No secret is an image that is also a held-out or a public one, pixel for pixel, nor its features. Of all other
    images there are windows that no held-out or public image has, of their features windows that are signs of one image
    (`find_own_windows`). Features that are whole those of a held-out or public row stay in: if their image is another
    one, they were copied there. Nor is a tensor of a module a secret that was released as it is.
    """
    secrets, found = _Secrets(run), Canaries()
    for entity in scenario.entities:
        for name, pieces in secrets.of(entity):
            found.add(name, pieces)
    in_open = (found.find_in(form, len(found)) for images in secrets.open_images() for form in _forms_of(images))
    shown = set[bytes]().union(*in_open)
    return found.without(shown) if shown else found  # which has its index already


class _Secrets:
    def __init__(self, run: Path) -> None:
        self._run = run
        self._signatures: dict[int, np.ndarray] = {}

    def of(self, entity: EntityPart) -> Iterator[tuple[str, Iterable[Piece]]]:
        """What is private to an entity, as far as it got, in pieces."""
        private = self._run / "private" / entity.name
        digests, at = list[bytes](), np.empty(0, int)
        if (images := private / "images.npy").is_file():
            there = np.load(images, mmap_mode="r", allow_pickle=False)
            at = spread(len(there), MOST_ROWS)
            shown = np.ascontiguousarray(there[at])
            digests = digest_images(shown)
            secret = self._secret(digests)
            yield f"{IMAGES}{entity.name}", _numbered(pictures(shown[secret]), at[secret])
        for path in sorted((private / "features").glob("*.arrow")):
            rows = read_rows(path, MOST_ROWS)
            if len(rows) != len(digests):  # not those of these images: then none is excused
                digests, at = [b"%d" % number for number in range(len(rows))], spread(len(rows), len(rows))
            secret = self._secret(digests)
            pieces = self._feature_pieces(rows[secret], [digests[row] for row in secret.tolist()])
            yield f"{FEATURES}{entity.name}", _numbered(pieces, at[secret])
        if (seed := private / "seed").is_file():
            text = seed.read_text(encoding="ascii")
            drawn = int(text, 16)
            forms = [text.encode(), bytes.fromhex(text), drawn.to_bytes(32, "little"), str(drawn).encode()]
            yield f"the seed of {entity.name}", ((0, form[:WINDOW]) for form in forms)
        if not entity.form.is_released and (module := private / "defense.safetensors").is_file():
            yield f"{WEIGHTS}{entity.name}", _weight_pieces(module, self._open_tensors)

    def _feature_pieces(self, rows: np.ndarray, of_image: Sequence[bytes]) -> Iterator[Piece]:
        """The windows of `rows` of features that are signs of one image; `of_image` has the digests of their images."""
        if not len(rows) or rows.shape[1] < WINDOW:
            return
        is_first = np.isin(np.arange(len(rows)), np.unique(of_image, return_index=True)[1])
        allowed = find_own_windows(rows, is_first, self._open_signatures(rows.shape[1]))
        kinds = ["as it is", "float32", "float16", "bfloat16"] if rows.dtype.kind == "f" else ["as it is"]
        yield from numbers(rows, kinds, allowed)

    def _secret(self, digests: Sequence[bytes]) -> np.ndarray:
        """Places of those that no held-out and no public image has."""
        return np.flatnonzero([digest not in self._open_digests for digest in digests])

    def open_images(self) -> Iterator[np.ndarray]:
        """The held-out and the public images."""
        for path in (self._run / name / "images.npy" for name in ("heldout", "public")):
            if path.is_file():
                yield np.load(path, mmap_mode="r", allow_pickle=False)

    @cached_property
    def _open_digests(self) -> set[bytes]:
        return {digest for images in self.open_images() for digest in digest_images(images)}

    @cached_property
    def _open_tensors(self) -> set[bytes]:
        """Weights and statistics as they were released: a module that began there may have kept some."""
        paths = sorted((self._run / "release").glob("*.safetensors"))
        return {tensor.tobytes() for path in paths for tensor in _load_tensors(path) if tensor.size >= WINDOW}

    def _open_signatures(self, elements: int) -> np.ndarray:
        """Those of all windows of features of held-out and public images of that length, ascending."""
        if elements not in self._signatures:
            found = [np.empty(0, np.uint64)]
            for name in ("heldout", "public"):
                with suppress(ShardMissing):
                    batches = read_batches(Written.read(self._run / name / "features").path)
                    found += [sign_windows(rows).reshape(-1) for rows in batches if rows.shape[1] == elements]
            self._signatures[elements] = np.unique(np.concatenate(found))
        return self._signatures[elements]


def _forms_of(images: np.ndarray) -> Iterator[np.ndarray]:
    """Images [n, 3, H, W] by channel, as they are kept, and by pixel, as pictures of the pages unpack."""
    for block in read_blocks(images):
        yield block
        yield np.ascontiguousarray(block.transpose(0, 2, 3, 1))


def _numbered(pieces: Iterable[Piece], at: np.ndarray) -> Iterator[Piece]:
    """`pieces` of rows that are those at `at` of all."""
    return ((int(at[row]), piece) for row, piece in pieces)


def _load_tensors(path: Path) -> Iterator[np.ndarray]:
    with suppress(SafetensorError, OSError):
        yield from load_file(path).values()


def _weight_pieces(path: Path, in_open: set[bytes]) -> Iterator[Piece]:
    for tensor in _load_tensors(path):
        if tensor.dtype.kind == "f" and tensor.size >= WINDOW and tensor.tobytes() not in in_open:
            width = max(WINDOW, tensor.size // PER_TENSOR)
            rows = tensor.reshape(-1)[: tensor.size // width * width].reshape(-1, width)
            yield from numbers(rows, ["as it is", "float16", "bfloat16", "float64"])
