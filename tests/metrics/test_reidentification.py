import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from collab.errors import DataError
from collab.metrics import reidentification
from collab.metrics.reidentification import (
    cosine_ranks,
    embed,
    guesses,
    pixel_ranks,
)


def counted(distances: list[float], own: int) -> float:
    """Middle rank, by sorting: the mean of the first and the last place that the truth may take."""
    ordered = sorted(distances)
    first = ordered.index(distances[own])
    return first + (ordered.count(distances[own]) + 1) / 2


def gallery_of(count: int, side: int = 4) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(count))


def test_ranks_in_pixels_are_those_of_a_sort() -> None:
    gallery, truth = gallery_of(1000), torch.arange(0, 1000, 25)
    rebuilt = gallery[truth] + 0.9 * torch.randn(40, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    ranks = pixel_ranks(rebuilt, gallery, truth)
    for rank, image, own in zip(ranks.tolist(), rebuilt.double().numpy(), truth.tolist(), strict=True):
        distances = [float(((image - each) ** 2).sum()) for each in gallery.double().numpy()]
        assert rank == counted(distances, own)
    assert 1 == ranks.min() < ranks.median() < ranks.max()
    assert ranks.dtype == torch.float32


def test_ranks_by_cosine_are_those_of_a_sort() -> None:
    generator = torch.Generator().manual_seed(1)
    gallery, truth = torch.randn(1000, 16, generator=generator), torch.arange(40)
    rebuilt = 7 * gallery[truth] + 9 * torch.randn(40, 16, generator=generator)
    ranks = cosine_ranks(rebuilt, gallery, truth)
    for rank, query, own in zip(ranks.tolist(), rebuilt.double().numpy(), truth.tolist(), strict=True):
        rows = gallery.double().numpy()
        cosines = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
        assert rank == counted((-cosines).tolist(), own)
    assert 1 == ranks.min() < ranks.median() < ranks.max()


def test_length_counts_in_pixels_and_not_in_cosine() -> None:
    gallery, truth = gallery_of(1000), torch.arange(20)
    dark = 0.05 * gallery[truth]
    assert (cosine_ranks(dark.flatten(1), gallery.flatten(1), truth) == 1).all()
    assert (pixel_ranks(dark, gallery, truth) > 1).any()


@pytest.mark.parametrize("copies", [1, 2, 7, 1000])
def test_copies_of_the_truth_share_the_middle_rank(copies: int) -> None:
    gallery = gallery_of(1000, side=7)
    spots = torch.randperm(1000, generator=torch.Generator().manual_seed(2))[:copies]
    gallery[spots] = gallery[spots[0]].clone()
    rebuilt = gallery[spots[:1]] + 0.01 * torch.randn(1, 3, 7, 7, generator=torch.Generator().manual_seed(3))
    assert pixel_ranks(rebuilt, gallery, spots[:1]).item() == (copies + 1) / 2
    assert cosine_ranks(rebuilt.flatten(1), gallery.flatten(1), spots[:1]).item() == (copies + 1) / 2


def test_an_embedding_without_direction_finds_nobody() -> None:
    gallery, truth = gallery_of(1000).flatten(1), torch.arange(3)
    blank = torch.zeros(3, 48)
    assert cosine_ranks(blank, gallery, truth).tolist() == [500.5] * 3
    assert cosine_ranks(gallery[:3], torch.ones(1000, 48), truth).tolist() == [500.5] * 3
    holed = gallery - 0.5
    holed[:500] = 0  # at a right angle to what is sought: behind all below 90 degrees, before all above
    below = (holed[500:] @ holed[700] > 0).sum().item()
    assert cosine_ranks(holed[700:701], holed, torch.tensor([0])).item() == below + 250.5
    assert 100 < below < 400


def test_an_image_that_is_not_finite_finds_nobody() -> None:
    gallery = gallery_of(1000)
    rebuilt = gallery[:2].clone()
    rebuilt[0, 0, 0, 0] = torch.nan
    assert pixel_ranks(rebuilt, gallery, torch.arange(2)).tolist() == [500.5, 1]
    assert cosine_ranks(rebuilt.flatten(1), gallery.flatten(1), torch.arange(2)).tolist() == [500.5, 1]


def test_unrelated_images_rank_like_chance() -> None:
    gallery, truth = gallery_of(1000), torch.arange(1000)
    ranks = pixel_ranks(gallery[torch.randperm(1000, generator=torch.Generator().manual_seed(4))], gallery, truth)
    assert ranks.median().item() == pytest.approx((1000 + 1) / 2, rel=0.15)
    assert (ranks <= 5).float().mean().item() == pytest.approx(5 / 1000, abs=0.008)


def test_memory_is_bounded_and_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, truth = gallery_of(1000), torch.arange(50)
    rebuilt = gallery[truth] + 0.3
    whole = pixel_ranks(rebuilt, gallery, truth)
    plain, held = torch.cdist, []

    def watched(a: Tensor, b: Tensor, **options: str) -> Tensor:
        held.append(len(a) * len(b))
        assert max(a.numel(), b.numel()) <= 7500
        return plain(a, b, **options)

    monkeypatch.setattr(reidentification, "HELD", 7500)
    monkeypatch.setattr(torch, "cdist", watched)
    assert torch.equal(pixel_ranks(rebuilt, gallery, truth), whole)
    assert max(held) == 7 * (7500 // 48)
    assert sum(held) == 50_000


def test_copies_tie_in_whatever_piece_of_the_gallery_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reidentification, "HELD", 333 * 48)  # the last piece has one row: a product would round it anew
    gallery = gallery_of(1000)
    gallery[[500, 999]] = gallery[0].clone()
    rebuilt = gallery[:1] + 0.01 * torch.randn(20, 3, 4, 4, generator=torch.Generator().manual_seed(6))
    assert pixel_ranks(rebuilt, gallery, torch.zeros(20, dtype=torch.long)).tolist() == [2.0] * 20


@pytest.mark.parametrize("ranks", [pixel_ranks, lambda x, y, z, **k: cosine_ranks(x.flatten(1), y.flatten(1), z, **k)])
def test_a_small_gallery_or_a_missing_truth_is_refused(ranks: Callable[..., Tensor]) -> None:
    gallery = gallery_of(999)
    with pytest.raises(DataError, match="999 images"):
        ranks(gallery[:1], gallery, torch.tensor([0]))
    assert ranks(gallery[:1], gallery, torch.tensor([0]), smallest=999).tolist() == [1]
    for wrong in (-1, 999):
        with pytest.raises(DataError, match="not all in the gallery"):
            ranks(gallery[:1], gallery, torch.tensor([wrong]), smallest=2)


@given(
    rows=st.lists(st.lists(st.integers(-2, 2), min_size=6, max_size=6), min_size=1, max_size=8), own=st.integers(0, 5)
)
def test_guesses_are_those_of_a_sort(rows: list[list[int]], own: int) -> None:
    found = guesses(torch.tensor(rows).float(), torch.full((len(rows),), own))
    assert found.tolist() == [counted([-float(score) for score in row], own) for row in rows]


def test_guesses_without_knowledge_take_half_of_the_candidates() -> None:
    assert guesses(torch.zeros(4, 9), torch.arange(4)).tolist() == [5.0] * 4
    assert guesses(torch.tensor([[math.nan, 0.0, 3.0]]), torch.tensor([0])).item() == 3
    assert guesses(torch.tensor([[0.0, math.nan, 3.0]]), torch.tensor([0])).item() == 2


def test_a_network_is_asked_in_pieces() -> None:
    images = torch.rand(600, 1, 2, 2)
    asked = []

    def network(x: Tensor) -> Tensor:
        asked.append(len(x))
        return x.flatten(1) * 2

    torch.testing.assert_close(embed(network, images.double()), images.flatten(1) * 2)
    assert asked == [256, 256, 88]
