"""Many encoded images, decoded on all cores, some at a time; those that do not decode are told all at once."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from collab.data.decoding import decode
from collab.data.words import say_lines
from collab.errors import DataError

Encoded = tuple[bytes | Path, str]
"""The content of an image or its file, and what errors call it."""

_AT_ONCE = 16  # images that a thread decodes at a time: few, since encoded photographs of megabytes wait in memory
_THREADS = max(4, (os.cpu_count() or 1))  # PIL lets go of the interpreter lock; a slow drive answers four


def decode_all(images: Iterable[Encoded], side: int) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
    """The `images` as squares of `side`, in their order; of them as many are taken ahead as threads can decode.

    Raises DataError for images that do not decode, when all have been tried, so that they can be mended in one go.
    """
    broken, count, left = list[DataError](), 0, iter(images)
    running = deque[Future[list[np.ndarray | DataError]]]()
    with ThreadPoolExecutor(_THREADS) as pool:
        while (some := list(islice(left, _AT_ONCE))) or running:
            if some:
                running.append(pool.submit(_try_all, some, side))
            if some and len(running) <= _THREADS:
                continue
            tried = running.popleft().result()
            count += len(tried)
            broken += [image for image in tried if isinstance(image, DataError)]
            if not broken:
                yield np.stack([image for image in tried if isinstance(image, np.ndarray)])
    if len(broken) == 1:
        raise broken[0]
    if broken:
        raise DataError(f"{len(broken):,} of {count:,} images do not decode:{say_lines(map(str, broken))}")


def _try_all(images: list[Encoded], side: int) -> list[np.ndarray | DataError]:
    results: list[np.ndarray | DataError] = []
    for image, where in images:
        try:
            results.append(decode(image, side, where=where))
        except DataError as broken:
            results.append(broken)
    return results
