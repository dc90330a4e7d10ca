"""A row of Table 5 without the rows of each peer's most exposed images."""

import shutil
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from collab.participants.attacking import read_batches
from collab.participants.oracle import Oracle
from collab.participants.participant import Mixture
from collab.results.exposed import find_exposed
from collab.stages.base import Job, Playing
from collab.stages.refine_rest import Training
from collab.store.judged import read_judged
from collab.store.shards import ShardReader
from collab.training.progress import Progress
from collab.types import Measure, Report


def play(oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
    """Trains and scores as the row itself, in the entity's randomness, so that only the rows differ."""
    training: Training = job.order
    row, entity = training.rest.row, str(training.rest.row.entity)
    own, rests = oracle.features_of_entity(entity), dict[str, list[ShardReader]]()
    for sender in sorted(row.pool):
        stated = playing.stated(sender)
        exposed = find_exposed(read_judged(oracle.private, sender), has_module=stated.opens_module)
        left_out = exposed.most(training.rest.share) if stated.form.is_of_own_rows else exposed.rows[:0]
        rests[sender] = _rest_of(oracle, sender, left_out)
    mixture = Mixture([own, *(reader for readers in rests.values() for reader in readers)], own, training.most_rows)
    report = oracle.refine_on(mixture, row, oracle.stream_of(entity, "refine"), progress)[1]
    taken = (
        Measure(f"rows_from[{sender}]", sum(reader.rows for reader in readers)) for sender, readers in rests.items()
    )
    told = Report((*report.measures, *taken))
    shutil.rmtree(oracle.scratch, ignore_errors=True)
    return told


def _rest_of(oracle: Oracle, sender: str, left_out: np.ndarray) -> list[ShardReader]:
    """The shards of `sender` without the rows of these of its images."""
    readers = oracle.shards_of(sender)
    if not len(left_out):
        return readers
    is_kept = torch.from_numpy(~np.isin(oracle.published_order(sender), left_out))

    if not bool(is_kept.any()):
        return []

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        start = 0
        for features, labels in read_batches(readers):
            kept = is_kept[start : start + len(labels)]
            start += len(labels)
            yield features[kept], labels[kept]

    return [oracle.scratch_shard(f"rest_of_{sender}", batches())]
