"""Lines of the ledger: what of an entity's crosses its boundary."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from collab.store.manifest import Record
from collab.store.pictures import Exhibit, Pictures, Sheet, write_pictures
from collab.types import EVERYONE, Crossing


def net_crossing(stage: str, sender: str, kind: str, digest: str, path: Path, state: Mapping[str, Tensor]) -> Crossing:
    """The line of the ledger of a network, in the file `path`, that everybody may read."""
    return Crossing(stage, sender, EVERYONE, kind, digest, path.stat().st_size, "float32", (len(state),))


def shard_crossing(stage: str, sender: str, receiver: str, record: Record) -> Crossing:
    """A shard of `sender` as `receiver` reads it, or as it is published to everybody."""
    shape = (record.rows, *record.shape)
    return Crossing(stage, sender, receiver, "shard", record.sha256, record.bytes, record.dtype, shape)


def keep_pictures(folder: Path, sender: str, pictures: Pictures | Sheet | Exhibit) -> Crossing:
    """Puts pictures of held-out images into the folder of `sender` in `folder`, for the report; three of each image."""
    placed, shape = write_pictures(folder / sender, pictures), (3, *pictures.original.shape)
    return Crossing(pictures.stage, sender, "report", "pictures", placed.sha256, placed.bytes, "uint8", shape)
