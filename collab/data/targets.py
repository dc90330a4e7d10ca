"""What a source tells of an image besides its class: attributes, pose, individual; and what of it a task asks."""

from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, Int64

from collab.data.source import Pictures, Source, Split
from collab.errors import DataError
from collab.meant import did_you_mean
from collab.tasks import TASKS, TaskKind

ANGLES = ("roll", "pitch", "yaw")


@runtime_checkable
class WithAttributes(Protocol):
    """A source of images with binary attributes, named in their order."""

    attribute_names: tuple[str, ...]

    def attributes(self, split: Split, rows: np.ndarray) -> Bool[np.ndarray, "rows attributes"]:
        """The attributes of each of `rows`."""
        ...


@runtime_checkable
class WithPose(Protocol):
    """A source of images with a pose."""

    def pose(self, split: Split, rows: np.ndarray) -> Float64[np.ndarray, "rows 3"]:
        """Roll, pitch and yaw of each of `rows` in degrees."""
        ...


@runtime_checkable
class WithIdentities(Protocol):
    """A source that knows whom an image shows."""

    def identities(self, split: Split, rows: np.ndarray) -> Int64[np.ndarray, " rows"]:
        """The individual of each of `rows`, a number that means nothing else."""
        ...


@dataclass(frozen=True)
class Asked:
    """What a scenario asks of each image: the outputs of its task, private attributes, and whom it shows.

    `utility` and `private` are names of attributes, empty where none are asked.
    """

    task: TaskKind = "classification"
    utility: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    identities: bool = False

    @classmethod
    def of(
        cls,
        source: Source,
        task: TaskKind,
        utility: tuple[str, ...] | None,
        private: tuple[str, ...] | None,
        *,
        identities: bool,
    ) -> "Asked":
        """What is asked of a source; attributes that nobody named are the first and the last 20, in its order.

        Raises DataError for what the source does not tell.
        """
        if (needs := TASKS[task].needs) == "attributes":
            names = _find_names(source)
            half = len(names) // 2  # 20 of CelebA's 40 (DP 4.5)
            utility = names[:half] if utility is None else utility
            private = tuple(name for name in names[-half:] if name not in utility) if private is None else private
        for name in (*(utility or ()), *(private or ())):
            if name not in (names := _find_names(source)):
                meant = did_you_mean(name, names)
                raise DataError(
                    f"there is no attribute {name!r} in this source; there are {', '.join(names)}{meant or '.'}"
                )
        for kind, is_needed, what in (
            (WithPose, needs == "pose", "a pose"),
            (WithIdentities, identities, "whom they show"),
        ):
            if is_needed and not isinstance(source, kind):
                raise DataError(f"the images of this source come without {what}. Take `creatures`, or another task.")
        return cls(task, tuple(utility or ()), tuple(private or ()), identities)

    @property
    def is_plain(self) -> bool:
        """Whether classes are all that is asked."""
        return self == PLAIN

    def outputs(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Names of what the network answers; `classes` are the private ones."""
        return {"": classes, "attributes": self.utility, "pose": ANGLES}[TASKS[self.task].needs]

    def numbers(self, source: Pictures, split: Split, rows: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """What is kept beside the images of `rows`, by name; `labels` are their classes, counted as in a holding.

        `labels` are targets: int64 [rows] of classes, or fp32 [rows, outputs]; `groups` then are the classes.
        `private` are attributes [rows, names], `identities` numbers [rows].
        """
        classes, needs = labels.astype(np.int64), TASKS[self.task].needs
        numbers = {"labels": classes}
        if needs == "attributes":
            numbers = {"labels": _read_attributes(source, split, rows, self.utility), "groups": classes}
        if needs == "pose":
            numbers = {"labels": cast(WithPose, source).pose(split, rows).astype(np.float32), "groups": classes}
        if self.private:
            numbers["private"] = _read_attributes(source, split, rows, self.private)
        if self.identities:
            numbers["identities"] = cast(WithIdentities, source).identities(split, rows)
        return numbers


PLAIN = Asked()
"""Classes and nothing else."""


def _read_attributes(source: Pictures, split: Split, rows: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    teller = cast(WithAttributes, source)
    columns = [teller.attribute_names.index(name) for name in names]
    return teller.attributes(split, rows)[:, columns].astype(np.float32)


def _find_names(source: Source) -> tuple[str, ...]:
    if not isinstance(source, WithAttributes):
        raise DataError("the images of this source come without attributes. Take `creatures` or `celeba`.")
    return source.attribute_names
