"""Images that are nearly the same: resized, saved again, a little brighter. Turned or cropped ones are not found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

SIDE = 16
"""Of thumbnails, in pixels: what is alike so coarsely, and in these proportions of light, is the same picture."""

ALIKE = 0.98
"""Correlation of thumbnails from which on two images count as near copies.

Of 20,000 photographs of CIFAR-10 six pairs are so alike, most of them one picture that was published twice; at 0.96 it
is sixty, half of them other ships on the same sea. A JPEG of quality 40 keeps 98 % of its pairs, one that is a tenth
brighter or was resized all.
"""

_AXES = 16
_NEIGHBORS = 8
_SAMPLE = 20_000


def make_thumbnails(images: np.ndarray) -> np.ndarray:
    """Gray means of 16 × 16 parts of images uint8 [n, 3, H, W], as uint8 [n, 256]."""
    gray = images.mean(axis=1, dtype=np.float32)
    for axis in (1, 2):
        starts = np.linspace(0, gray.shape[axis], SIDE, endpoint=False).astype(int)
        lengths = np.diff([*starts, gray.shape[axis]])
        gray = np.add.reduceat(gray, starts, axis=axis) / np.expand_dims(lengths, 2 - axis)
    return np.rint(gray).astype(np.uint8).reshape(len(images), -1)


@dataclass(frozen=True)
class NearCopies:
    """Pairs of images, `first` before `second` in the order in which they were given, and their correlation."""

    first: np.ndarray
    second: np.ndarray
    alike: np.ndarray


def find_near_copies(thumbnails: np.ndarray, digests: Sequence[bytes]) -> NearCopies:
    """Pairs of near copies among images, the most alike first; of equal images one stands for all.

    `thumbnails` are uint8 [n, 256]. Of each image its eight nearest are looked at, so of a hundred frames of one film
    not every pair is named, but every frame. Images of nearly a single color are like nothing.
    """
    _, chosen = np.unique(np.array(digests, dtype=object).astype(bytes) if digests else [], return_index=True)
    chosen = np.sort(chosen).astype(np.int64)
    shapes = thumbnails[chosen].astype(np.float32)
    shapes -= shapes.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(shapes, axis=1)
    chosen, shapes, lengths = (part[lengths > 2 * SIDE] for part in (chosen, shapes, lengths))
    if len(chosen) < 2:
        return NearCopies(*(np.empty(0, np.int64),) * 2, np.empty(0))
    shapes /= lengths[:, None]
    step = max(1, len(shapes) // _SAMPLE)
    _, axes = np.linalg.eigh(shapes[::step].T @ shapes[::step])
    coarse = shapes @ axes[:, -_AXES:]  # distances never grow by it
    reach = float(np.sqrt(2 * (1 - ALIKE)))
    _, near = cKDTree(coarse).query(coarse, _NEIGHBORS + 1, distance_upper_bound=reach, workers=-1)
    places, ranks = np.nonzero(near < len(shapes))
    others = near[places, ranks]
    pairs = np.unique(np.sort(np.stack([places, others])[:, places != others], axis=0), axis=1)
    alike = np.einsum("ij,ij->i", shapes[pairs[0]], shapes[pairs[1]])
    order = np.flatnonzero(alike >= ALIKE)[np.argsort(-alike[alike >= ALIKE], kind="stable")]
    return NearCopies(chosen[pairs[0][order]], chosen[pairs[1][order]], alike[order])
