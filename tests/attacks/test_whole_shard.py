"""What attacks take of a whole shard: what one pass over all rows at once would give, within bounds."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from collab.attacks import whole_shard
from collab.attacks.base import Knowledge
from collab.attacks.distribution_matching import Moments
from collab.attacks.whole_shard import sample_rows, shard_means

GENERATOR = torch.Generator().manual_seed(0)
ROWS = torch.rand(50, 3, 4, 4, generator=GENERATOR) ** 2 * torch.tensor([1.0, 2.0, 9.0]).view(-1, 1, 1)
LABELS = torch.arange(50) % 3


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    yield from zip(torch.split(ROWS, 16), torch.split(LABELS, 16), strict=True)


KNOWN = Knowledge("this test", ROWS[:10], LABELS[:10], frozenset(), shard=batches, published=50)


def test_moments_along_axes_are_those_of_all_rows_at_once() -> None:
    whole, parts = Moments.of(ROWS), Moments.over(lambda: (features for features, _ in batches()))
    torch.testing.assert_close(parts.mean, whole.mean)
    torch.testing.assert_close(parts.values, whole.values)
    torch.testing.assert_close(parts.axes.abs(), whole.axes.abs())
    torch.testing.assert_close(
        whole.values, torch.linalg.eigvalsh(torch.cov(ROWS.double().transpose(0, 1).flatten(1), correction=0))
    )


def test_rows_behind_those_attacked_are_taken_all_or_evenly() -> None:
    features, labels = sample_rows(KNOWN, skipped=10)
    assert torch.equal(features, ROWS[10:])
    assert torch.equal(labels, LABELS[10:])
    features, labels = sample_rows(KNOWN, 8, skipped=10)
    assert torch.equal(features, ROWS[10::5])
    assert torch.equal(labels, LABELS[10::5])
    assert len(sample_rows(KNOWN, skipped=50)[0]) == 0


def test_wide_rows_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_shard, "MOST_BYTES", 25 * 4 * ROWS[0].numel())
    assert torch.equal(sample_rows(KNOWN)[0], ROWS[::2])


def test_means_of_classes_are_those_of_all_rows_and_of_an_empty_class_the_mean() -> None:
    means = shard_means(KNOWN, 4).view(4, 3, 4, 4)
    torch.testing.assert_close(means[:3], torch.stack([ROWS[number::3].mean(0) for number in range(3)]))
    torch.testing.assert_close(means[3], ROWS.mean(0))
