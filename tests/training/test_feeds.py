import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from collab.training.feeds import FeatureFeed, ImageSet, even_batches, steps_in


class Memory:
    """A shard in memory: feature and label of row i are i (and `offset`)."""

    batch_rows = 4

    def __init__(self, rows: int, offset: int) -> None:
        self.rows, self.offset = rows, offset
        self.batches = -(-rows // self.batch_rows)
        self.reads = 0

    def read_into(self, x: torch.Tensor, y: torch.Tensor, batch: int, at: int) -> int:
        self.reads += 1
        values = torch.arange(self.rows)[batch * 4 : batch * 4 + 4] + self.offset
        x[at : at + len(values)] = values.view(-1, 1, 1, 1).to(x.dtype)
        y[at : at + len(values)] = values
        return len(values)


def feed_of(sizes: list[int], window_bytes: int, batch_size: int = 3) -> FeatureFeed:
    readers = [Memory(size, 100 * index) for index, size in enumerate(sizes)]
    return FeatureFeed(readers, (2, 1, 1), batch_size, torch.device("cpu"), window_bytes=window_bytes)


@given(st.lists(st.integers(1, 23), min_size=1, max_size=4), st.sampled_from([1, 64, 1 << 20]), st.integers(1, 9))
def test_a_pass_gives_every_row_of_every_shard_once(sizes: list[int], window_bytes: int, batch_size: int) -> None:
    feed = feed_of(sizes, window_bytes, batch_size)
    expected = [100 * index + row for index, size in enumerate(sizes) for row in range(size)]
    starts = np.cumsum([0, *sizes])
    for epoch in range(2):
        seen, numbers = [], []
        for x, y, row in feed.batches(torch.Generator().manual_seed(epoch)):
            assert x.dtype == torch.float32
            assert torch.equal(x[:, 0, 0, 0], y.float())
            seen += y.tolist()
            numbers += row.tolist()
        assert sorted(seen) == expected
        shard = np.searchsorted(starts, numbers, "right") - 1
        assert (np.array(seen) - 100 * shard + starts[shard]).tolist() == numbers


def test_a_set_that_fits_is_read_once_and_a_large_one_window_by_window() -> None:
    small, large = feed_of([20], 1 << 20), feed_of([20], 1)
    for feed in (small, large):
        for epoch in range(3):
            list(feed.batches(torch.Generator().manual_seed(epoch)))
    assert small.readers[0].reads == 5
    assert large.readers[0].reads == 15


def test_the_order_follows_from_the_generator() -> None:
    def order(seed: int) -> list[int]:
        return [
            label for _, y, _ in feed_of([9, 8], 1).batches(torch.Generator().manual_seed(seed)) for label in y.tolist()
        ]

    assert order(1) == order(1)
    assert order(1) != order(2)


@given(st.integers(1, 300), st.integers(1, 64))
def test_batches_differ_by_at_most_one_row(rows: int, batch_size: int) -> None:
    batches = list(even_batches(rows, batch_size, None))
    assert torch.equal(torch.cat(batches), torch.arange(rows))
    assert max(map(len, batches)) <= batch_size
    assert max(map(len, batches)) - min(map(len, batches)) <= 1
    assert len(batches) == steps_in(rows, batch_size)


def test_images_become_floats_in_the_unit_range() -> None:
    images = ImageSet(np.array([0, 51, 255], dtype=np.uint8).reshape(3, 1, 1, 1).repeat(3, 1), np.arange(3))
    taken = images.take(np.array([2, 1]), torch.device("cpu"))
    assert taken[:, 0, 0, 0].tolist() == pytest.approx([1.0, 0.2])
