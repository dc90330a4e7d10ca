"""What every source must keep: labels that fit, and the images that are asked for, in that order, each time alike."""

import time
from collections.abc import Callable, Iterator

import numpy as np

from collab.data.copies import MOST_ALIKE, digest_images
from collab.data.source import BLOCK, Source, Split, WithNames
from collab.errors import CollabError, DataError
from collab.testing.controls import Check

MOST_LOOKED_AT = 1000
"""Images of a split that are read, spread over it, where there are more."""

_SPLITS: tuple[Split, ...] = ("train", "test")


def check_reading(open_at: Callable[[int], Source]) -> tuple[Check, ...]:
    """Opens a source with images of 16 and of 32 pixels, and reads it in several orders."""
    checks = list[Check]()
    try:
        source = open_at(32)
        for name, check in (
            ("labels", _check_labels),
            ("images", _check_images),
            ("order", _check_order),
            ("splits", _check_splits),
        ):
            start = time.perf_counter()
            problem = next(check(source), "")
            checks.append(Check(name, problem, "" if problem else f"{time.perf_counter() - start:.2f} s"))
            if problem:
                return tuple(checks)
        checks.append(Check("same bits", next(_check_bits(source, open_at(32)), "")))
        checks.append(_check_size(open_at))
    except CollabError as error:
        checks.append(Check("opens and reads", f"{error} State where its images are with --set KEY=VALUE."))
    except Exception as error:
        advice = "Raise DataError, and say which file or row is wrong, what is allowed and what to do."
        checks.append(Check("opens and reads", f"it raised {type(error).__name__}: {error}. {advice}"))
    return tuple(checks)


def _check_labels(source: Source) -> Iterator[str]:
    if len(set(source.classes)) < len(source.classes) or not all(isinstance(name, str) for name in source.classes):
        yield f"`classes` must be different texts, and are {source.classes!r}."
    for split in _SPLITS:
        labels = source.labels(split)
        if not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.ndim != 1:
            yield f"`labels({split!r})` must be an array int64 [rows], and is {_say(labels)}."
        elif len(labels) and not 0 <= labels.min() <= labels.max() < len(source.classes):
            yield f"`labels({split!r})` go from {labels.min()} to {labels.max()}, of {len(source.classes)} classes."
        if isinstance(source, WithNames) and not len(set(source.names(split))) == len(source.names(split)) == len(
            labels
        ):
            yield f"`names({split!r})` must be as many as rows, each once."
    if absent := sorted(set(range(len(source.classes))) - set(source.labels("train").tolist())):
        yield f"class {source.classes[absent[0]]} has no training image, so nobody could learn it. Leave it out."


def _check_images(source: Source) -> Iterator[str]:
    for split in _SPLITS:
        rows = _some(source, split)
        blocks = list(source.images(split, rows))
        for odd in (block for block in blocks if not _is_block(block, 32)):
            yield f"`images` must hand out uint8 [at most {BLOCK}, 3, side, side], and handed out {_say(odd)}."
        if (count := sum(map(len, blocks))) != len(rows):
            yield f"of {len(rows)} rows of {split!r} it handed out {count} images."
        if list(source.images(split, np.empty(0, np.int64))):
            yield f"of no rows of {split!r} it handed out images."


def _check_order(source: Source) -> Iterator[str]:
    for split in _SPLITS:
        rows = _some(source, split)[:: max(1, len(source.labels(split)) // 20)]
        mixed = np.random.default_rng(0).permutation(np.concatenate([rows, rows[:2]]))
        alone = [_read(source, split, np.array([row])) for row in mixed.tolist()]
        if len(rows) and not np.array_equal(_read(source, split, mixed), np.concatenate(alone)):
            yield f"rows {mixed[:5].tolist()} of {split!r} read together are not what each is alone: keep their order."


def _check_splits(source: Source) -> Iterator[str]:
    train, test = (digest_images(_read(source, split, _some(source, split))) for split in _SPLITS)
    if len(test) and len(both := set(train) & set(test)) > MOST_ALIKE * len(set(test)):
        yield f"{len(both)} of {len(set(test))} different test images are training images: nothing could be scored."


def _check_bits(one: Source, other: Source) -> Iterator[str]:
    if not isinstance(one.digest(), str) or one.digest() != other.digest():
        yield "`digest()` must be a text that is the same as long as the data are: no clock, no order of a set."
    if one.classes != other.classes:
        yield f"opened twice it had the classes {one.classes} and {other.classes}: sort what a folder or a set lists."
    for split in _SPLITS:
        rows = _some(one, split)
        if not np.array_equal(one.labels(split), other.labels(split)):
            yield f"opened twice its labels of {split!r} differ: sort what a folder or a set lists."
        if not np.array_equal(_read(one, split, rows), _read(other, split, rows)):
            yield f"opened twice its images of {split!r} differ: draw from `seed` and the row alone."


def _check_size(open_at: Callable[[int], Source]) -> Check:
    try:
        source = open_at(16)
        images = _read(source, "train", _some(source, "train")[:2])
    except DataError:
        return Check("size", figure="16 px refused")
    advice = "Resize, or refuse other sizes with DataError."
    return Check("size", "" if _is_block(images, 16) else f"for `image_size: 16` it gave {_say(images)}. {advice}")


def _some(source: Source, split: Split) -> np.ndarray:
    count = len(source.labels(split))
    return np.unique(np.linspace(0, max(0, count - 1), min(count, MOST_LOOKED_AT)).astype(np.int64))


def _read(source: Source, split: Split, rows: np.ndarray) -> np.ndarray:
    blocks = list(source.images(split, rows))
    return np.concatenate(blocks) if blocks else np.empty((0, 3, 1, 1), np.uint8)


def _is_block(block: object, side: int) -> bool:
    if not isinstance(block, np.ndarray) or block.dtype != np.uint8:
        return False
    return block.shape[1:] == (3, side, side) and len(block) <= BLOCK


def _say(value: object) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
