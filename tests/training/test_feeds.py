"""Feeds: every row once in each pass, under its own number, however little memory there is."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from typing_extensions import override

from collab.training.feeds import FeatureFeed, ImageSet, InMemory, OneHot, even_batches, steps_in

CPU = torch.device("cpu")
SHAPE = (2, 1, 2)


class Shard(InMemory):
    """Rows `first` to `first + rows`, each filled with its number; its label is that number times 3."""

    def __init__(self, first: int, rows: int) -> None:
        number = torch.arange(first, first + rows)
        super().__init__(number.view(-1, 1, 1, 1).expand(-1, *SHAPE), 3 * number)
        self.taken: list[int] = []
        self.asked: list[int] = []

    @override
    def take(self, rows: np.ndarray) -> Tensor:
        self.taken += rows.tolist()
        return super().take(rows)

    @override
    def ask_for(self, rows: np.ndarray) -> None:
        self.asked += rows.tolist()


HELD = pytest.mark.parametrize("held_bytes", [0, 1 << 30], ids=["in files", "held"])


def feed_of(sizes: list[int], *, batch_size: int = 5, held_bytes: int = 1 << 30) -> FeatureFeed:
    starts = np.cumsum([0, *sizes])
    shards = [Shard(int(start), rows) for start, rows in zip(starts, sizes, strict=False)]
    return FeatureFeed(shards, SHAPE, batch_size, CPU, held_bytes=held_bytes)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def order(feed: FeatureFeed, generator: torch.Generator | None) -> list[int]:
    return torch.cat([row for _, _, row in feed.batches(generator)]).tolist()


@given(st.integers(1, 300), st.integers(1, 70), st.booleans())
def test_even_batches_hold_every_row_once_and_differ_by_one_row_at_most(rows: int, size: int, shuffled: bool) -> None:
    batches = list(even_batches(rows, size, seeded(1) if shuffled else None))
    lengths = [len(batch) for batch in batches]
    found = torch.cat(batches).tolist()
    assert (sorted(found) if shuffled else found) == list(range(rows))
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= size
    assert len(batches) == steps_in(rows, size) == -(-rows // size)


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(1, 20),
    st.sampled_from([0, 1 << 30]),
    st.integers(0, 99),
)
def test_pass_gives_every_row_once_with_its_number_and_label(
    sizes: list[int], batch_size: int, held_bytes: int, seed: int
) -> None:
    feed = feed_of(sizes, batch_size=batch_size, held_bytes=held_bytes)
    for generator in (seeded(seed), seeded(seed + 1), None):
        seen = []
        for x, y, row in feed.batches(generator):
            assert len(x) <= batch_size
            assert torch.equal(x, row.view(-1, 1, 1, 1).expand_as(x).float())
            assert torch.equal(y, 3 * row)
            seen += row.tolist()
        assert sorted(seen) == list(range(sum(sizes)))


@HELD
def test_order_follows_the_generator_alone(held_bytes: int) -> None:
    def make() -> FeatureFeed:
        return feed_of([50, 37, 4], held_bytes=held_bytes)

    assert order(make(), seeded(3)) == order(make(), seeded(3)) != order(make(), seeded(4))
    assert order(make(), None) == list(range(91))
    feed = make()
    first = order(feed, seeded(3))
    order(feed, seeded(8))
    assert order(feed, seeded(3)) == first  # an earlier pass leaves no trace
    assert order(feed_of([50, 37, 4]), seeded(3)) == first  # wherever the rows lie


@pytest.mark.parametrize(("held_bytes", "reads"), [(50 * 8, 1), (50 * 8 - 1, 3)], ids=["held", "in files"])
def test_what_fits_is_read_once_and_the_rest_for_each_pass(held_bytes: int, reads: int) -> None:
    feed = feed_of([30, 20], held_bytes=held_bytes)
    shards = [shard for shard in feed.readers if isinstance(shard, Shard)]
    for epoch in range(3):
        order(feed, seeded(epoch))
    assert [sorted(shard.taken) for shard in shards] == [sorted(list(range(n)) * reads) for n in (30, 20)]
    assert [sorted(shard.asked) for shard in shards] == [
        sorted(list(range(n)) * (reads if reads > 1 else 0)) for n in (30, 20)
    ]


def test_features_come_in_fp32_and_channels_last() -> None:
    x, y, _ = next(feed_of([9]).batches(None))
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64
    assert x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("wrap", [lambda x: x, np.ascontiguousarray], ids=["array", "copy"])
def test_images_are_taken_as_shares_of_255_in_the_asked_order(wrap: Callable[[np.ndarray], np.ndarray]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 4), dtype=np.uint8)
    images = ImageSet(wrap(pixels), np.arange(6))
    rows = np.array([4, 0, 4])
    taken = images.take(rows, CPU)
    assert len(images) == 6
    assert taken.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(taken.numpy(), pixels[rows].astype(np.float32) / np.float32(255))


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    held_bytes=st.sampled_from([0, 1 << 30]),
    data=st.data(),
)
def test_a_feed_of_some_rows_gives_those_and_counts_them_anew(
    sizes: list[int], held_bytes: int, data: st.DataObject
) -> None:
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, sum(sizes) - 1), min_size=1))))
    feed = feed_of(sizes, held_bytes=held_bytes).at(rows)
    assert feed.rows == len(rows)
    for generator in (None, seeded(3)):
        for x, y, numbers in feed.batches(generator):
            expected = torch.from_numpy(rows)[numbers]
            assert x.mean((1, 2, 3)).tolist() == expected.tolist()
            assert torch.equal(y, 3 * expected)
        assert sorted(order(feed, generator)) == list(range(len(rows)))


def test_classes_become_distributions_that_are_all_on_them() -> None:
    x, y = torch.randn(4, 2, 3, 3), torch.tensor([2, 0, 1, 2])
    reader = OneHot(InMemory(x, y), 3)
    assert reader.targets().tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert torch.equal(reader.take(np.array([3, 0])), x[[3, 0]])
