"""How passes shuffle: uniformly, however large the files of images and features are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from collab import mapped
from collab.training import columns
from collab.training.feeds import FeatureFeed, ImageSet, InMemory, Pictures, numbered_batches

CPU = torch.device("cpu")
ROWS, BATCH, PASSES = 24, 4, 600
TOO_FAR = 5.0
"""Standard deviations that a statistic may lie from its mean."""

Deal = Callable[[torch.Generator], Tensor]


def misfit(squares: float, degrees: int) -> float:
    """A chi-square of many degrees in standard deviations from its mean."""
    return (squares - degrees) / (2 * degrees) ** 0.5


def meetings(orders: Tensor, batch: int) -> Tensor:
    """How often each two rows were in one batch [rows, rows], of `orders` [passes, rows]."""
    numbers = torch.empty_like(orders).scatter_(1, orders, torch.arange(orders.shape[1]).expand_as(orders) // batch)
    return (numbers[:, :, None] == numbers[:, None, :]).sum(0)


def misfit_of_places(orders: Tensor) -> float:
    """How far it is from chance how often each row stood at each place.

    The matrix of a uniform permutation of n rows varies alike in the (n - 1)^2 directions that keep its sums.
    """
    passes, rows = orders.shape
    counts = torch.zeros(rows, rows).index_put_((orders, torch.arange(rows).expand_as(orders)), torch.ones(1), True)
    return misfit(float((rows - 1) / passes * (counts - passes / rows).square().sum()), (rows - 1) ** 2)


def misfit_of_meetings(orders: Tensor, batch: int) -> float:
    """How far it is from chance how often two rows met in a batch.

    Each row meets batch - 1 others in each pass, which leaves n (n - 3) / 2 directions, all alike.
    """
    passes, rows = orders.shape
    share = (batch - 1) / (rows - 1)
    pairs = meetings(orders, batch)[*torch.triu_indices(rows, rows, 1)]
    variance = share * (1 - share) * (rows - 1) / (rows - 3)
    return misfit(float((pairs - passes * share).square().sum() / (passes * variance)), rows * (rows - 3) // 2)


def deal_often(deal: Deal, passes: int = PASSES) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.stack([deal(generator) for _ in range(passes)])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that each show their own number."""
    file = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(file, np.broadcast_to(np.arange(ROWS, dtype=np.uint8)[:, None, None, None], (ROWS, 3, 2, 2)))
    return file


def from_file(images: np.ndarray) -> Deal:
    """Numbers of the images in the order in which a training gets them."""
    pictures = Pictures(ImageSet(images, np.arange(ROWS)), CPU)
    return lambda generator: torch.cat(
        [pictures.pixels(numbers)[:, 0, 0, 0] for numbers in numbered_batches(ROWS, BATCH, generator, CPU)]
    ).long()


@pytest.fixture
def is_larger_than_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mapped file counts as large, and rows are asked for five at a time."""
    monkeypatch.setattr(mapped, "LARGE", 0)
    monkeypatch.setattr(columns, "AHEAD_BYTES", 5 * 12)


@pytest.mark.usefixtures("is_larger_than_memory")
def test_images_come_from_a_large_file_in_the_order_that_they_have_in_memory(file: Path) -> None:
    on_disk, in_memory = (deal_often(from_file(images), 20) for images in (np.load(file, mmap_mode="r"), np.load(file)))
    assert torch.equal(on_disk, in_memory)
    assert len(on_disk.unique(dim=0)) == 20


@pytest.mark.usefixtures("is_larger_than_memory")
def test_images_of_a_large_file_are_shuffled_fairly(file: Path) -> None:
    orders = deal_often(from_file(np.load(file, mmap_mode="r")))
    assert torch.equal(orders.sort().values, torch.arange(ROWS).expand_as(orders))
    assert abs(misfit_of_places(orders)) < TOO_FAR
    assert abs(misfit_of_meetings(orders, BATCH)) < TOO_FAR


def in_windows(generator: torch.Generator, order: list[int]) -> Tensor:
    """A shuffle of the rows inside each half of the file, the halves in this order."""
    half = ROWS // 2
    return torch.cat([half * part + torch.randperm(half, generator=generator) for part in order])


def test_shuffles_inside_windows_of_the_file_are_found_unfair() -> None:
    assert misfit_of_places(deal_often(lambda generator: in_windows(generator, [0, 1]))) > 2 * TOO_FAR
    mixed = deal_often(lambda generator: in_windows(generator, torch.randperm(2, generator=generator).tolist()))
    assert abs(misfit_of_places(mixed)) < TOO_FAR  # places do not tell
    assert misfit_of_meetings(mixed, BATCH) > 2 * TOO_FAR


def test_features_that_stay_in_their_files_are_shuffled_fairly() -> None:
    parts = [20, ROWS - 20]
    readers = [InMemory(torch.zeros(part, 1, 1, 1), torch.zeros(part, dtype=torch.int64)) for part in parts]
    feed = FeatureFeed(readers, (1, 1, 1), BATCH, CPU, held_bytes=0)
    orders = deal_often(lambda generator: torch.cat([numbers for _, _, numbers in feed.batches(generator)]))
    assert torch.equal(orders.sort().values, torch.arange(ROWS).expand_as(orders))
    assert abs(misfit_of_places(orders)) < TOO_FAR
    assert abs(misfit_of_meetings(orders, BATCH)) < TOO_FAR
