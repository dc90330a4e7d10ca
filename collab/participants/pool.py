"""What peers offer in the pool, and whether it helps who takes it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from collab.errors import EntityError, ShardMissing, StoreError
from collab.metrics.scores import mean_measure
from collab.participants.participant import Mixture, Participant
from collab.scenario.model import Refinement
from collab.store.manifest import Record
from collab.store.shards import ShardReader
from collab.training.progress import Progress
from collab.training.recipes import outputs_of
from collab.types import Measure

FOLDS = 4
"""Parts of the own images when peers are tried on them."""


@dataclass(frozen=True)
class Pooled:
    """What one peer offers in the pool: shards that were verified, their records, and why others were refused."""

    sender: str
    shards: tuple[ShardReader, ...]
    records: tuple[Record, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows in all its shards."""
        return sum(shard.rows for shard in self.shards)


def offer(entity: Participant, sender: str) -> Pooled:
    """What `sender` published, every shard verified; one that is refused takes no other with it.

    Raises ShardMissing if it has published nothing, or withdrawn it.
    """
    try:
        records = entity.records_of(sender)
    except ShardMissing:
        raise
    except StoreError as error:  # a manifest that is none
        return Pooled(sender, (), refused=(str(error),))
    opened, refused = list[tuple[ShardReader, Record]](), list[str]()
    for record in records:
        try:
            opened.append((entity.layout.store.open(record, entity.spec_of(sender)), record))
        except StoreError as error:
            refused.append(str(error))
    shards = entity.as_features(sender, [shard for shard, _ in opened])
    return Pooled(sender, tuple(shards), tuple(record for _, record in opened), tuple(refused))


def of_classes(entity: Participant, peer: Pooled, names: Sequence[str]) -> Pooled:
    """The rows of `peer` that are of these classes, in the scratch of `entity`; EntityError for one that is unknown."""
    if unknown := sorted(set(names) - set(entity.class_names)):
        raise EntityError(
            f"entity {entity.name!r} wants rows of {', '.join(unknown)}; there are {', '.join(entity.class_names)}."
        )
    if entity.spec.targets.is_list or any(shard.spec.targets.is_list for shard in peer.shards):
        found = "answers about public images" if not entity.spec.targets.is_list else entity.task.kind
        raise EntityError(
            f"entity {entity.name!r} wants rows of {', '.join(names)}, but what {peer.sender!r} published has no class "
            f"beside each row, but {found}. Take `classes` out of its options."
        )
    labels = torch.tensor([entity.class_names.index(name) for name in names])

    def rows() -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in (shard.load() for shard in peer.shards):
            kept = torch.isin(y, labels)
            yield x[kept], y[kept]

    if not any(bool(torch.isin(shard.load()[1], labels).any()) for shard in peer.shards):
        return Pooled(peer.sender, ())
    return Pooled(peer.sender, (entity.scratch_shard(peer.sender, rows()),))


def measure_harm(
    entity: Participant, pool: Sequence[Pooled], row: Refinement, progress: Progress
) -> dict[str, Measure]:
    """By sender, how much worse C does on own images when its rows are mixed in: `harm[sender]`.

    Of classes, how many more images it gets wrong, a share; of attributes, decisions; of a pose, degrees more of error.
    Each image is held out once: C is refined on three quarters of the own rows, with and without the sender's, and
    tried on the other quarter. Hits, not losses: wrong labels lower the loss of a C that is too sure of itself.
    Fewer than 8 own rows tell nothing: 0 of none. Whoever pre-trained finds harm in all: C knows all its images.
    """
    own = entity.own_features(entity.private)
    if own.rows < 2 * FOLDS:
        return {peer.sender: Measure(f"harm[{peer.sender}]", 0.0, n=0) for peer in pool}
    stream, seed = entity.stream("vet"), entity.scenario.seed
    x, y = own.load()
    folds = torch.randperm(own.rows, generator=stream.torch("folds")).chunk(FOLDS)
    lost: dict[str, list[Tensor]] = {peer.sender: [] for peer in pool}
    for held in folds:
        kept = torch.cat([fold for fold in folds if fold is not held])
        base = entity.scratch_shard("kept", [(x[kept], y[kept])])

        def hits(shards: Sequence[ShardReader], base: ShardReader = base, held: Tensor = held) -> Tensor:
            decider = entity.train_further(Mixture([base, *shards], base), row, stream, progress)
            return entity.task.merits(outputs_of(decider, x[held], entity.compute), y[held])

        alone = hits(())
        for peer in pool:
            lost[peer.sender].append(alone - hits(peer.shards))
    return {sender: mean_measure(f"harm[{sender}]", torch.cat(parts), seed) for sender, parts in lost.items()}


def hurts(harm: Measure) -> bool:
    """Whether the whole 95 % interval of the harm lies above zero: who is not clearly harmful is taken."""
    return harm.low is not None and harm.low > 0
