"""Images that do not decode: all of those that were asked for are found, told in one list, and may be left out."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from collab.data.words import say_lines
from collab.errors import DataError


class BrokenImages(DataError):
    """Some of the images that were asked for do not decode; raised when all of them have been tried.

    `reasons` says which image it is and why, by its place among those that were asked for, from 0; `count` is how many
    these were. A source of one's own may raise it too: with any other DataError nothing can be left out.
    """

    def __init__(self, reasons: Mapping[int, str], count: int) -> None:
        self.reasons, self.count = reasons, count
        lines = list(reasons.values())
        many = f"{len(lines):,} of {count:,} images do not decode:{say_lines(lines)}"
        super().__init__(lines[0] if len(lines) == 1 else many)


def read_whole_ones(
    read: Callable[[np.ndarray], Iterable[np.ndarray]], rows: np.ndarray, broken: dict[int, str]
) -> Iterator[np.ndarray]:
    """What `read` makes of `rows` without those that do not decode, which `broken` gets: place in `rows`, and why.

    Of a source that says all its broken images at once, whatever it has given before the first of them is kept, and
    the others are read again.
    """
    places = np.arange(len(rows))
    while len(places):
        done = 0
        try:
            for images in read(rows[places]):
                yield images
                done += len(images)
            return
        except BrokenImages as found:
            broken.update({int(places[at]): why for at, why in found.reasons.items()})
            places = np.delete(places, list(found.reasons))[done:]
