"""Parquet files of any number of small images, all different, made from a few drawn ones, in little memory."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

DRAWN = 256
"""Pictures of smooth noise that all others are shifted copies of, in another order of their channels."""

GROUP = 4096
"""Rows of a row group: what a writer holds in memory."""

ORDERS = np.array([(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])


def draw_photographs(side: int, seed: int) -> Iterator[np.ndarray]:
    """Blocks of images uint8 [256, side, side, 3]; the first 1,536 x side^2 images all differ."""
    rng = np.random.default_rng(seed)
    coarse = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(DRAWN)]
    drawn = np.stack([np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC)) for picture in coarse])
    for right in range(side):
        for down in range(side):
            shifted = np.roll(drawn, (down, right), axis=(1, 2))
            yield from (np.ascontiguousarray(shifted[..., order]) for order in ORDERS)


def write_photographs(
    file: Path, parts: Iterable[tuple[np.ndarray, int]], side: int, form: Literal["JPEG", "BMP"] = "JPEG"
) -> None:
    """A Parquet file of an image and a label in each row: columns `image` and `label`.

    `parts` are labels and the seed of the drawn pictures behind their images, whose features are alike: private images
    need others than public ones. A BMP takes no time to make, a JPEG of quality 90 as long as to decode.
    """
    schema = pa.schema({"image": pa.binary(), "label": pa.int64()})
    with parquet.ParquetWriter(file, schema, compression="none", use_dictionary=False) as writer:
        for labels, seed in parts:
            images = chain.from_iterable(draw_photographs(side, seed))
            for first in range(0, len(labels), GROUP):
                some = labels[first : first + GROUP]
                encoded = [_encode(image, form) for image in islice(images, len(some))]
                writer.write_table(pa.table([encoded, some], schema=schema))


def _encode(image: np.ndarray, form: str) -> bytes:
    Image.fromarray(image).save(content := BytesIO(), form, quality=90)
    return content.getvalue()
