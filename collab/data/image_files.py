"""Files of images, decoded some at a time; those that do not decode are told all at once."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from collab.data.decoding import decoded
from collab.data.source import BLOCK
from collab.data.words import in_lines
from collab.errors import DataError

_DECODERS = 4  # PIL lets go of the interpreter lock while it decodes


def decoded_files(files: Sequence[Path], side: int) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
    """The images in `files` as squares of `side`, in blocks of at most 256.

    Raises DataError for files that do not decode, when all have been tried, so that they can be mended in one go.
    """

    def one(file: Path) -> np.ndarray | DataError:
        try:
            return decoded(file, side, where=str(file))
        except DataError as broken:
            return broken

    broken: list[DataError] = []
    with ThreadPoolExecutor(_DECODERS) as pool:
        for start in range(0, len(files), BLOCK):
            tried = list(pool.map(one, files[start : start + BLOCK]))
            broken += [each for each in tried if isinstance(each, DataError)]
            if not broken:
                yield np.stack([each for each in tried if not isinstance(each, DataError)])
    if len(broken) == 1:
        raise broken[0]
    if broken:
        raise DataError(f"{len(broken):,} of {len(files):,} images do not decode:{in_lines(map(str, broken))}")
