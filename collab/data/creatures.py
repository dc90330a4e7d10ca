"""The embedded source: drawn animal-like faces with species, individuals, attributes and pose; needs no download."""

import hashlib
import json
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from collab.data.creature_drawing import DRAWING, draw
from collab.data.creature_traits import (
    ATTRIBUTES,
    IMAGES_PER_INDIVIDUAL,
    Species,
    Traits,
    draw_labels,
    draw_traits,
    read_attributes,
)
from collab.data.source import BLOCK, Source, Split


class Creatures(Source):
    """`train` and `test` images of `classes` species; a picture depends on seed, split and row number only.

    The same row at another size shows the same picture. A stand-in for trying things out: figures made from it say
    nothing about photographs.
    """

    attribute_names = ATTRIBUTES

    def __init__(
        self,
        *,
        image_size: int,
        seed: int,
        classes: int = 20,
        train: int = 12000,
        test: int = 2000,
        images_of_each: int = IMAGES_PER_INDIVIDUAL,
    ) -> None:
        self._side, self._seed, self._of_each = image_size, seed, images_of_each
        self._sizes = {"train": train, "test": test}
        self._species = Species.draw(seed, classes)
        self.classes = tuple(f"species_{number:02d}" for number in range(classes))

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The species of every row."""
        return draw_labels(self._seed, split, np.arange(self._sizes[split]), len(self.classes))

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Draws `rows`, block by block."""
        for start in range(0, len(rows), BLOCK):
            yield draw(self._traits(split, rows[start : start + BLOCK]), self._side)

    def identities(self, split: Split, rows: np.ndarray) -> Int64[np.ndarray, " rows"]:
        """The individual of each of `rows`; one has up to `images_of_each` images."""
        return self._traits(split, rows)["individual"]

    def attributes(self, split: Split, rows: np.ndarray) -> Bool[np.ndarray, "rows 40"]:
        """The 40 binary attributes of each of `rows`, in the order of `attribute_names`."""
        return read_attributes(self._traits(split, rows)).astype(bool)

    def pose(self, split: Split, rows: np.ndarray) -> Float64[np.ndarray, "rows 3"]:
        """Roll, pitch and yaw of each of `rows` in degrees."""
        traits = self._traits(split, rows)
        return np.stack([traits["roll"], traits["pitch"], traits["yaw"]], axis=1)

    def digest(self) -> str:
        """Identity of the pictures: options, seed, and the version of the drawing."""
        parts = ["creatures", DRAWING, self._side, self._seed, len(self.classes), self._sizes]
        if self._of_each != IMAGES_PER_INDIVIDUAL:  # told where it is stated, so that older digests hold
            parts.append({"images_of_each": self._of_each})
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _traits(self, split: Split, rows: np.ndarray) -> Traits:
        return draw_traits(self._species, self._seed, split, np.asarray(rows, dtype=np.int64), self._of_each)
