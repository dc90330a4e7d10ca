"""Where images come from: a source knows labels without decoding, and hands out pixels of the rows it is asked for."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8

Split = Literal["train", "test"]
BLOCK = 256
"""Most images that a source hands out at a time."""


class Source(Protocol):
    """Labeled images in a train and a test split; label k is class `classes[k]`.

    A source without a test split has no row there. One that is a plugin says its `kind`, and in `Options`, a model of
    `collab.scenario.sources.Data`, what a scenario may state; it is built with each of these, `image_size` and `seed`.
    """

    group: ClassVar[str] = "sources"
    classes: tuple[str, ...]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if (kind := vars(cls).get("kind")) and (options := vars(cls).get("Options")):
            options.opens = {kind: f"{cls.__module__}:{cls.__qualname__}"}  # in any process that imports the plugin

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every row; decodes no image."""
        ...

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """The images of `rows`, in that order, in blocks of at most 256; DataError names what does not decode."""
        ...

    def notices(self) -> tuple[str, ...]:
        """Sentences about what is there and not played, to be told before anything is; they name no file of an image.

        Opens no image. Of most sources all is played, and there are none.
        """
        return ()

    def digest(self) -> str:
        """Identity of the content: kind, options, and name, size and time of each file."""
        ...


@runtime_checkable
class WithNames(Protocol):
    """A source of one file for each image: its rows have names, which stay when others come or go."""

    def names(self, split: Split) -> tuple[str, ...]:
        """The name of every row: its file, relative to the folder of the split."""
        ...


def open_source(opened_by: str, *, image_size: int, seed: int, **options: Any) -> Source:
    """The source that a class of this room reads, named `module:Class`, with images as squares of `image_size`.

    By name, since a scenario says which class it is and imports none. Raises DataError if its data are not there.
    """
    module, _, name = opened_by.rpartition(":")
    build: Callable[..., Source] = getattr(import_module(module), name)
    return build(image_size=image_size, seed=seed, **options)
