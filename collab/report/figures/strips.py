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
    sources: tuple[str, ...]
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

    @property
    def size(self) -> int:
        """Bytes that its pictures take in a page."""
        return sum(len(source) for strip in (*self.worst, *self.median) for source in strip.sources)


def make_strips(pictures: Mapping[str, Pictures], classes: Sequence[str]) -> tuple[tuple[Strips, ...], int]:
    """Strips of as many entities, and of as many images each, as fit; and how many entities were left out.

    Entities with the worst single image come first where there is not room for all.
    """
    there = {name: shown for name, shown in pictures.items() if len(shown)}
    worst = sorted(there, key=lambda name: -float(there[name].ssim_poisoned.max()))[:MOST_ENTITIES]
    made = [_strips(name, shown, classes) for name, shown in there.items() if name in worst]
    for count in (8, 4, 2, 1):
        fewer = [replace(strips, worst=strips.worst[:count], median=strips.median[:count]) for strips in made]
        if sum(strips.size for strips in fewer) <= MOST_BYTES:
            break
    while sum(strips.size for strips in fewer) > MOST_BYTES:
        fewer.remove(min(fewer, key=lambda strips: strips.worst[0].poisoned))
    return tuple(fewer), len(there) - len(fewer)


def _strips(name: str, pictures: Pictures, classes: Sequence[str]) -> Strips:
    strips = [_strip(pictures, at, classes) for at in range(len(pictures))]
    worst, median = (
        tuple(strip for strip, is_worst in zip(strips, pictures.is_worst, strict=True) if bool(is_worst) is wanted)
        for wanted in (True, False)
    )
    side = pictures.original.shape[-1]
    shown = min(side, LARGEST) if side >= 56 else 2 * side if side >= 28 else 4 * side
    return Strips(name, pictures.metric, pictures.heldout, worst, median, shown)


def _strip(pictures: Pictures, at: int, classes: Sequence[str]) -> Strip:
    label = int(pictures.labels[at])
    images = (pictures.original[at], pictures.from_original[at], pictures.from_poisoned[at])
    return Strip(
        row=int(pictures.rows[at]),
        label=classes[label] if 0 <= label < len(classes) else str(label),
        sources=tuple(map(encode_image, images)),
        original=float(pictures.ssim_original[at]),
        poisoned=float(pictures.ssim_poisoned[at]),
    )


def encode_image(image: np.ndarray) -> str:
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
