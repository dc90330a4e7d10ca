"""Where images come from: a source knows labels without decoding, and hands out pixels of the rows it is asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from importlib import import_module
from typing import Any, ClassVar, Literal, Protocol, cast, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8

from collab.data.words import say_names
from collab.errors import DataError
from collab.meant import did_you_mean

Split = Literal["train", "test"]
BLOCK = 256
"""Most images that a source hands out at a time."""


class Pictures(Protocol):
    """Pixels of rows, and nothing else."""

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """The images of `rows`, in that order, in blocks of at most 256; DataError names what does not decode."""
        ...


class Source(Pictures, Protocol):
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

    def notices(self) -> tuple[str, ...]:
        """Sentences about what is there and not played, to be told before anything is; they name no file of an image.

        Opens no image. Of most sources all is played, and there are none.
        """
        return ()

    def digest(self) -> str:
        """Identity of the content: kind, options, and name, size and time of each file."""
        ...


class NoImages(Source):
    """What is dealt where every entity has images of its own: nothing."""

    classes = ()

    def __init__(self, *, image_size: int, seed: int) -> None:
        pass

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """None."""
        return np.empty(0, np.int64)

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """None."""
        return iter(())

    def digest(self) -> str:
        """The same for all."""
        return "no images"


@runtime_checkable
class WithNames(Protocol):
    """A source of one file for each image: its rows have names, which stay when others come or go."""

    def names(self, split: Split) -> tuple[str, ...]:
        """The name of every row: its file, relative to the folder of the split."""
        ...


@runtime_checkable
class WithColumns(Protocol):
    """A source that is a table: each image has values beside it."""

    column_names: tuple[str, ...]

    def column(self, split: Split, name: str) -> Sequence[object]:
        """The value of every row in the column of that name, None where there is none."""
        ...


def open_source(opened_by: str, *, image_size: int, seed: int, **options: Any) -> Source:
    """The source that a class of this room reads, named `module:Class`, with images as squares of `image_size`.

    By name, since a scenario says which class it is and imports none. Raises DataError if its data are not there.
    """
    module, _, name = opened_by.rpartition(":")
    build: Callable[..., Source] = getattr(import_module(module), name)
    return build(image_size=image_size, seed=seed, **options)


def rename_classes(source: Source, names: Mapping[str, str]) -> Source:
    """`source` with classes called by `names`; of two that get one name the images become one class.

    Raises DataError for a name that is no class of the source.
    """
    if unknown := sorted(set(names) - set(source.classes)):
        meant = did_you_mean(unknown[0], source.classes)
        raise DataError(
            f"class_names renames {', '.join(unknown)}; the source has {say_names(source.classes)}{meant or '.'}"
        )
    called = [names.get(name, name) for name in source.classes]
    classes = tuple(dict.fromkeys(called))
    number = np.array([classes.index(name) for name in called], dtype=np.int64)
    renamed: Any = copy(source)  # still what it tells beside classes: names, attributes, people
    renamed.classes, renamed.labels = classes, lambda split: number[source.labels(split)]
    return cast(Source, renamed)
