"""A mark in a corner of an image, and whether C answers to it: what a backdoored shard teaches its readers."""

import numpy as np

PART = 5
"""The side of the mark is this part of the image's, three pixels at least."""


def stamp(images: np.ndarray) -> np.ndarray:
    """Copies of images, uint8 [n, 3, side, side], with a black and white chequered square at the lower right."""
    side = max(images.shape[-1] // PART, 3)
    mark = (np.indices((side, side)).sum(0) % 2 * 255).astype(np.uint8)
    marked = images.copy()
    marked[..., -side:, -side:] = mark
    return marked


def draw_marked(labels: np.ndarray, target: int, fraction: float, generator: np.random.Generator) -> np.ndarray:
    """The numbers of a `fraction` of all images, of those of other classes than `target`, ascending."""
    others = np.flatnonzero(labels != target)
    return np.sort(generator.permutation(others)[: round(fraction * len(labels))])
