"""What lies in the folders of parties, from names and heads of files: no image is decoded."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from collab.data.decoding import NamedFiles
from collab.data.source import Source, open_source
from collab.data.words import say_count, say_names
from collab.errors import DataError
from collab.meant import fold
from collab.scenario.sources import SOURCES, as_own_source

MOST_HEADS = 300
"""Files of a party whose heads are read, spread over all."""


@dataclass(frozen=True)
class PartyFolder:
    """What lies in the folder of a party: `part` is how a scenario states it, `counts` are images by class.

    `sides` are the shorter sides of some images in pixels; `headless` is how many of these have no head that can be
    read. `is_split` where the party has a test split of its own.
    """

    name: str
    part: Mapping[str, str | None]
    counts: Mapping[str, int]
    sides: Sequence[int]
    headless: int
    is_split: bool

    @property
    def images(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    def describe(self) -> str:
        """What lies there, in a sentence."""
        sides = f", {min(self.sides)} to {max(self.sides)} px" if self.sides else ""
        looked_at = len(self.sides) + self.headless
        broken = f"; {self.headless} of {say_count(looked_at, 'file')} looked at are no images" if self.headless else ""
        return f"{self.name}: {say_count(self.images, 'image')}{sides} ({say_names(self.counts)}){broken}"


def look(name: str, folder: Path) -> PartyFolder:
    """What lies in a folder of images or of Parquet files. Raises DataError if it is neither."""
    if not folder.is_dir():
        raise DataError(f"{name}: there is no folder {folder}.")
    part = _find_shards(folder) or {"source": "imagefolder", "root": str(_find_classes(folder))}
    stated = as_own_source(SOURCES[str(part["source"])]).model_validate(part)
    try:
        source = open_source(stated.opened_by, image_size=32, seed=0, **stated.source_options())
    except DataError as cause:
        raise DataError(f"{name}: {cause}") from cause
    labels = np.concatenate([source.labels("train"), source.labels("test")])
    counts = np.bincount(labels, minlength=len(source.classes)).tolist()
    sides = list(_read_heads(source))
    known = [side for side in sides if side]
    is_split = len(source.labels("test")) > 0
    return PartyFolder(
        name, part, dict(zip(source.classes, counts, strict=True)), known, len(sides) - len(known), is_split
    )


def unify_names(parties: Sequence[Mapping[str, int]]) -> dict[str, str]:
    """One name for each class of all parties: of spellings that are alike the one that most images have.

    Alike are names that differ in capitals, accents, what stands between words or a plural s.
    """
    alike: dict[str, Counter[str]] = {}
    for counts in parties:
        for name, count in counts.items():
            alike.setdefault(fold(name), Counter())[name] += count
    most = {
        key: max(sorted(spellings), key=lambda name: (count[name], name == name.lower()))
        for key, spellings in alike.items()
        for count in [spellings]
    }
    return {name: most[key] for key, spellings in alike.items() for name in spellings}


def _find_shards(folder: Path) -> dict[str, str | None] | None:
    """How a scenario states Parquet files, as public hubs lay them out; None if there are none."""
    for inside in ("", "data/"):
        splits = {re.split(r"[-.]", path.name)[0] for path in folder.glob(f"{inside}*.parquet")}
        if splits:
            test = next((each for each in ("test", "validation", "val") if {each, "train"} <= splits), None)
            train = f"{inside}{'train' if 'train' in splits else ''}*.parquet"
            tests = f"{inside}{test}*.parquet" if test else None
            return {"source": "parquet", "root": str(folder), "train": train, "test": tests}
    return None


def _find_classes(folder: Path) -> Path:
    """The folder that holds the folders of classes: itself, or the only one in it that does."""
    while True:
        inner = [each for each in sorted(folder.glob("[!.]*")) if each.is_dir()]
        if len(inner) != 1 or not any(each.is_dir() for each in inner[0].glob("[!.]*")):
            return folder
        folder = inner[0]


def _read_heads(source: Source) -> Iterator[int]:
    """The shorter sides of images, spread over all of them; 0 of a file whose head cannot be read."""
    if not isinstance(source, NamedFiles):
        return
    count = len(source.labels("train"))
    rows = np.unique(np.linspace(0, count - 1, min(count, MOST_HEADS)).astype(np.int64))
    for file, _ in source.encoded("train", rows):
        if Path(str(file)).suffix.lower() not in Image.registered_extensions():
            continue  # of DICOM and what a plugin reads Pillow knows no head
        side = 0
        with (
            suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError),
            Image.open(Path(str(file))) as image,
        ):
            side = min(image.size)
        yield side
