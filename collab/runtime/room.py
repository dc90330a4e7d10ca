"""The room that runs take on a disk, as far as it is known before they begin: that of their decoded images."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from collab.errors import MAKE_ROOM, StoreError
from collab.runtime.cache import Cache
from collab.stages.decode import count_images

if TYPE_CHECKING:
    from collab.runtime.prepared import Prepared, Where

WORTH_SAYING = 0.1
"""Of what is free; whoever has ten times as much room need not be told."""


def see_to_room(runs: "Iterable[Prepared]", where: "Where") -> str:
    """A sentence about the room that images of these runs will take, "" if there is plenty.

    Equal images of several runs are one file, and what the cache holds is there already. Raises StoreError if the disk
    has less than the images take.
    """
    cache, taken = Cache(where.cache), dict[str, int]()
    for each in runs:
        for job in each.jobs:
            key = each.keys[job.name]
            if key not in taken and (where.is_fresh or not cache.holds(key, job.participant)):
                side = each.scenario.data.image_size
                taken[key] = 3 * side * side * count_images(job, each.assignment, each.scenario)
    needed, free = sum(taken.values()), shutil.disk_usage(_existing(where.out)).free
    told = f"Decoded images will take {needed / 1e9:,.2f} GB, and {where.out} has {free / 1e9:,.2f}"
    if needed > free:
        raise StoreError(f"{told}; features and shards come on top. Nothing was begun. {MAKE_ROOM}")
    return f"{told}; features and shards come on top." if needed > WORTH_SAYING * free else ""


def _existing(folder: Path) -> Path:
    """The folder, or where it will be made."""
    folder = folder.resolve()
    return next(each for each in (folder, *folder.parents) if each.exists())
