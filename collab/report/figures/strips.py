"""Strips of pictures inside the page: original, rebuilt from its features, rebuilt from poisoned ones."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from collab.store.pictures import Pictures

MOST_BYTES = 1_600_000
"""The most bytes of all pictures of a page, as text: with everything else a page then stays below 3 MB."""

MOST_ENTITIES = 24
"""The most entities whose pictures are shown: more would be encoded in vain."""

LARGEST = 112
"""Pixels of a side in the page; larger pictures are reduced, and kept as JPEG."""


@dataclass(frozen=True)
class Strip:
    """One image three times, as addresses that hold the data, and both SSIMs."""

    row: int
    label: str
    sources: tuple[str, str, str]
    original: float
    poisoned: float


@dataclass(frozen=True)
class Strips:
    """What is shown of one entity; `side` is how large a picture is drawn, in CSS pixels."""

    entity: str
    metric: str
    heldout: int
    worst: tuple[Strip, ...]
    median: tuple[Strip, ...]
    side: int


def strips_of(pictures: Mapping[str, Pictures], classes: Sequence[str]) -> tuple[tuple[Strips, ...], int]:
    """Strips of as many entities, and of as many images each, as fit; and how many entities were left out.

    Entities with the worst single image come first where there is not room for all.
    """
    there = {name: each for name, each in pictures.items() if len(each)}
    worst = sorted(there, key=lambda name: -float(there[name].ssim_poisoned.max()))[:MOST_ENTITIES]
    found = [_strips(name, each, classes) for name, each in there.items() if name in worst]
    for count in (8, 4, 2, 1):
        fewer = [replace(each, worst=each.worst[:count], median=each.median[:count]) for each in found]
        if _bytes(fewer) <= MOST_BYTES:
            break
    while _bytes(fewer) > MOST_BYTES:
        fewer.remove(min(fewer, key=lambda strips: strips.worst[0].poisoned))
    return tuple(fewer), len(there) - len(fewer)


def _bytes(found: Sequence[Strips]) -> int:
    return sum(len(source) for each in found for strip in (*each.worst, *each.median) for source in strip.sources)


def _strips(name: str, pictures: Pictures, classes: Sequence[str]) -> Strips:
    worst, median = ([at for at in range(len(pictures)) if bool(pictures.is_worst[at]) is wanted]
                     for wanted in (True, False))  # fmt: skip
    side = pictures.original.shape[-1]
    return Strips(
        entity=name,
        metric=pictures.metric,
        heldout=pictures.heldout,
        worst=tuple(_strip(pictures, at, classes) for at in worst),
        median=tuple(_strip(pictures, at, classes) for at in median),
        side=min(side, LARGEST) if side >= 56 else 2 * side if side >= 28 else 4 * side,
    )


def _strip(pictures: Pictures, at: int, classes: Sequence[str]) -> Strip:
    label = int(pictures.labels[at])
    images = (pictures.original[at], pictures.from_original[at], pictures.from_poisoned[at])
    first, second, third = (data_url(image) for image in images)
    return Strip(
        row=int(pictures.rows[at]),
        label=classes[label] if 0 <= label < len(classes) else str(label),
        sources=(first, second, third),
        original=float(pictures.ssim_original[at]),
        poisoned=float(pictures.ssim_poisoned[at]),
    )


def data_url(image: np.ndarray) -> str:
    """The image, uint8 [3, H, W], as an address that holds it: PNG as it is, or a smaller JPEG if it is large."""
    drawn = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    target = io.BytesIO()
    if max(drawn.size) <= LARGEST // 2:
        drawn.save(target, "PNG", optimize=True)
        kind = "png"
    else:
        drawn.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
        drawn.save(target, "JPEG", quality=88)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(target.getvalue()).decode()}"
