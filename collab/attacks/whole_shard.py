"""What an attack takes of all rows that a victim published, however many: read batch by batch, kept within bounds."""

import torch
from torch import Tensor

from collab.attacks.base import Knowledge

MOST_ROWS = 4096
"""Rows of a shard that are held at a time, spread evenly over all: their number bounds time."""

MOST_BYTES = 512 << 20
"""Features of a shard that are held at a time, in fp32: with wide maps fewer rows than `MOST_ROWS`."""


def sample_rows(known: Knowledge, most: int = MOST_ROWS, *, skipped: int = 0) -> tuple[Tensor, Tensor]:
    """Rows of the shard behind its first `skipped`, and their labels: all of them, or at most `most`, evenly spread.

    Fewer than `most` where `MOST_BYTES` hold no more; none where nothing else was published.
    """
    row_bytes = 4 * max(known.features[0].numel(), 1)
    step = -(-max(known.published - skipped, 1) // max(1, min(most, MOST_BYTES // row_bytes)))
    parts, start = [(known.features[:0], known.labels[:0])], -skipped
    for features, labels in known.shard():
        places = torch.arange(start, start + len(labels))
        here = (places >= 0) & (places % step == 0)
        parts.append((features[here], labels[here]))
        start += len(labels)
    features, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    return features, labels


def shard_means(known: Knowledge, classes: int) -> Tensor:
    """The mean published row of each of so many classes, [classes, values]; of a class without rows that of all.

    Of a task without classes, whose labels are lists, all rows are of the first.
    """
    sums = torch.zeros(classes, known.features[0].numel(), dtype=torch.float64)
    counts = torch.zeros(classes, dtype=torch.float64)
    for features, labels in known.shard():
        groups = labels if labels.ndim == 1 else torch.zeros(len(labels), dtype=torch.int64)
        sums.index_add_(0, groups, features.flatten(1).double())
        counts += torch.bincount(groups, minlength=classes)
    means = sums / counts.clamp(min=1)[:, None]
    means[counts == 0] = sums.sum(0) / counts.sum()
    return means.float()
