"""What crossed each entity's boundary, from the ledger."""

from collections.abc import Mapping, Sequence
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
    def each(self) -> float:
        """Bytes published for an image."""
        return self.published / self.rows if self.rows else 0.0

    @property
    def factor(self) -> float:
        """Bytes published in raw images of the same size."""
        return self.each / self.raw


def boundaries(
    names: Sequence[str], crossings: Sequence[Crossing], side: int, rows: Sequence[Result] = ()
) -> tuple[Boundary, ...]:
    """A line for each entity; images have `side` pixels of three bytes; `rows` tell what they take as JPEG."""
    jpeg = {row.entity: row.value for row in rows if row.metric == "jpeg_bytes"}
    found = []
    for name in names:
        sent = [each for each in crossings if each.sender == name]
        shards = [each for each in sent if (each.stage, each.kind) == ("publish", "shard")]
        read = [each for each in crossings if each.receiver == name and each.kind == "shard"]
        once: Mapping[str, int] = {each.digest: each.bytes for each in read}
        found.append(
            Boundary(
                entity=name,
                rows=sum(each.shape[0] for each in shards),
                published=sum(each.bytes for each in shards),
                released=sum(each.bytes for each in sent if each.stage == "release"),
                read=sum(once.values()),
                raw=3 * side * side,
                jpeg=jpeg.get(name),
                reports=sum(each.bytes for each in sent if each.kind == "report"),
            )
        )
    return tuple(found)
