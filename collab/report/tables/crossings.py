"""What crossed each entity's boundary, from the ledger."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from collab.results.table import Result
from collab.types import Crossing


@dataclass(frozen=True)
class Boundary:
    """Bytes that one entity sent and received.

    `published` of `rows` images; `released` networks; `reports` to the driver, with figures and losses; `read` is what
    it took of others' shards, each counted once;
    `raw` is what the pixels of one image take, `jpeg` the mean of one as a JPEG; None where that was not measured.
    """

    entity: str
    rows: int
    published: int
    released: int
    read: int
    raw: int
    jpeg: float | None = None
    reports: int = 0

    @property
    def per_image(self) -> float:
        """Bytes published for an image."""
        return self.published / self.rows if self.rows else 0.0

    @property
    def factor(self) -> float:
        """Bytes published in raw images of the same size."""
        return self.per_image / self.raw


def sum_crossings(
    names: Sequence[str], crossings: Sequence[Crossing], side: int, rows: Sequence[Result] = ()
) -> tuple[Boundary, ...]:
    """A line for each entity; images have `side` pixels of three bytes; `rows` tell what they take as JPEG."""
    jpeg = {result.entity: result.value for result in rows if result.metric == "jpeg_bytes"}
    made, sent_by, read_by = [], defaultdict[str, list[Crossing]](list), defaultdict[str, dict[str, int]](dict)
    for crossing in crossings:
        sent_by[crossing.sender].append(crossing)
        if crossing.kind == "shard":
            read_by[crossing.receiver][crossing.digest] = crossing.bytes
    for name in names:
        sent, read = sent_by[name], read_by[name]
        shards = [crossing for crossing in sent if (crossing.stage, crossing.kind) == ("publish", "shard")]
        made.append(
            Boundary(
                entity=name,
                rows=sum(shard.shape[0] for shard in shards),
                published=sum(shard.bytes for shard in shards),
                released=sum(crossing.bytes for crossing in sent if crossing.stage == "release"),
                read=sum(read.values()),
                raw=3 * side * side,
                jpeg=jpeg.get(name),
                reports=sum(crossing.bytes for crossing in sent if crossing.kind == "report"),
            )
        )
    return tuple(made)
