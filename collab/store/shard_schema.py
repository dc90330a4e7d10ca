"""What a shard is made of: its constants, its Arrow schema, and what must be known of one to open it.

The format is specified in docs/store.md.
"""

from dataclasses import dataclass

import pyarrow as pa
import torch

from collab.errors import StoreError
from collab.store.codec import CODECS, QUANTIZED, CodecName, row_bytes
from collab.store.manifest import Record
from collab.store.targets import Targets
from collab.store.written import Written
from collab.tasks import CLASS, PUBLIC_ROW, TargetKind

FORMAT = "1"
"""Version of the format; it is part of the bytes and so of every digest."""

BATCH_ROWS = 256
"""Rows of a record batch, a constant of the format; only the last may have fewer, so equal rows give equal bytes."""

FILE_SLACK, BATCH_SLACK = 64 << 10, 4 << 10
"""Bytes allowed besides the rows: schema and footer of a file; header, padding and footer entry of a batch."""

IMAGES = "images"
"""Stands for the digest of the featurizer in shards whose rows are images, (3, side, side), values 0 to 255."""


@dataclass(frozen=True)
class ShardSpec:
    """What a reader expects: (channel, height, width), stored type, number of classes, digest of the featurizer.

    `classes` counts the numbers of a target where `target` is no class, and the public images where it is one of these:
    the values of a row are then a distribution over `shape[0]` classes, and `featurizer` is the digest of what
    everybody has, the shard of F of all public images.
    """

    shape: tuple[int, int, int]
    dtype: CodecName
    classes: int
    featurizer: str
    target: TargetKind = CLASS

    def __post_init__(self) -> None:
        """Refuses what no shard can be."""
        most = (1 << 31) - 1 if self.target == PUBLIC_ROW else 1 << 15
        if len(self.shape) != 3 or min(self.shape) < 1 or not 1 <= self.classes <= most or self.dtype not in CODECS:
            raise StoreError(
                f"{self}: a shard has three positive sides, one of {', '.join(CODECS)}, and 1 to {most} classes."
            )

    @property
    def targets(self) -> Targets:
        """What stands beside the features of a row."""
        return Targets(self.target, self.classes)

    @property
    def torch_dtype(self) -> torch.dtype:
        """The type that rows are read as: the stored one, or float32 for quantized rows."""
        return CODECS[self.dtype].reads_as

    @property
    def row_bytes(self) -> int:
        """Bytes of a row: its features, its target and its number (int32)."""
        return row_bytes(self.dtype, self.shape) + self.targets.row_bytes + 4

    def schema(self, entity: str) -> pa.Schema:
        """The one schema of a shard; its metadata are digested, so they hold only what follows from the rows."""
        codec = CODECS[self.dtype]
        tensor = pa.fixed_shape_tensor(codec.value, self.shape, dim_names=("C", "H", "W"))
        metadata = {"format": FORMAT, "entity": entity, "dtype": self.dtype, "shape": ",".join(map(str, self.shape))}
        metadata |= {} if self.target == CLASS else {"target": self.target}
        return pa.schema(
            [
                pa.field("x", tensor, nullable=False),
                pa.field("y", self.targets.type, nullable=False),
                pa.field("row_id", pa.int32(), nullable=False),
                *(pa.field(name, pa.float32(), nullable=False) for name in QUANTIZED if codec.is_quantized),
            ],
            metadata=metadata | {"classes": str(self.classes), "featurizer": self.featurizer},
        )


Sealed = Written | Record
"""What must be known of a shard to open it."""
