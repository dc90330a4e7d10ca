import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from collab.errors import DataError
from collab.metrics.identity import (
    between_variance,
    knn_hits,
    lda_score,
    tsne,
    within_variance,
)


def test_variances_of_two_pairs_by_hand() -> None:
    """Two identities around -3 and 5, each a pair at distance 1: mean 1, within 1, between 16."""
    z, ids = torch.tensor([[-4.0], [-2.0], [4.0], [6.0]]), torch.tensor([7, 7, 2, 2])
    assert within_variance(z, ids) == 1
    assert between_variance(z, ids) == 16
    assert lda_score(z, ids) == 16


@given(seed=st.integers(0, 99), identities=st.integers(1, 6), rows=st.integers(2, 40))
def test_within_and_between_add_up_to_the_whole_variance(seed: int, identities: int, rows: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, 3, 2, 2, generator=generator)
    ids = torch.randint(identities, (rows,), generator=generator)
    whole = z.flatten(1).double().var(0, correction=0).sum()
    assert within_variance(z, ids) + between_variance(z, ids) == pytest.approx(float(whole))


def test_the_score_of_identities_without_spread_is_not_a_number_and_of_shuffled_ones_is_low() -> None:
    assert math.isnan(lda_score(torch.zeros(4, 2), torch.tensor([0, 0, 1, 1])))
    generator = torch.Generator().manual_seed(0)
    ids = torch.arange(200).repeat_interleave(8)
    z = ids[:, None] + 0.1 * torch.randn(1600, 3, generator=generator)
    shuffled = ids[torch.randperm(1600, generator=generator)]
    assert lda_score(z, ids) > 1e4
    assert lda_score(z, shuffled) == pytest.approx(1 / 7, rel=0.2)  # chance: (1/8) of the variance over 7/8


def test_neighbors_are_others_and_the_majority_counts() -> None:
    z = torch.tensor([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]])
    labels = torch.tensor([True, True, False, False, False, False])
    # Of the first three: 0 sees {T, F, far}, with k = 1 only its nearest.
    assert knn_hits(z, labels, k=1).tolist() == [True, True, False, True, True, True]


@given(seed=st.integers(0, 20))
def test_neighbors_against_a_slow_count(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    z, labels = torch.randn(40, 2, generator=generator), torch.rand(40, generator=generator) < 0.5
    expected = []
    for i in range(40):
        order = sorted((j for j in range(40) if j != i), key=lambda j: float((z[i].double() - z[j].double()).norm()))
        expected.append((sum(bool(labels[j]) for j in order[:5]) > 2) == bool(labels[i]))
    assert knn_hits(z, labels, k=5).tolist() == expected


def test_neighbors_are_those_of_scikit_learn_where_no_two_are_equally_far() -> None:
    generator = torch.Generator().manual_seed(2)
    z, labels = torch.randn(700, 3, 2, 2, generator=generator), torch.rand(700, generator=generator) < 0.5
    nearest = NearestNeighbors(n_neighbors=15).fit(z.flatten(1).double().numpy()).kneighbors(return_distance=False)
    assert torch.equal(knn_hits(z, labels), (2 * labels[torch.from_numpy(nearest)].sum(1) > 15) == labels)


def test_separable_labels_are_told_and_random_ones_are_not() -> None:
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(1200, 4, generator=generator)
    assert knn_hits(z, z[:, 0] > 0).float().mean() > 0.85
    assert knn_hits(z, torch.rand(1200, generator=generator) < 0.5).float().mean().item() == pytest.approx(
        0.5, abs=0.06
    )


@pytest.mark.parametrize(("k", "rows"), [(4, 40), (15, 15)])
def test_ties_and_too_few_images_are_refused(k: int, rows: int) -> None:
    with pytest.raises(DataError, match=f"{k} neighbors of {rows} images"):
        knn_hits(torch.zeros(rows, 2), torch.zeros(rows, dtype=torch.bool), k=k)


def test_the_picture_keeps_two_clusters_apart_and_is_the_same_for_a_seed() -> None:
    generator = torch.Generator().manual_seed(0)
    side = torch.arange(60) % 2 == 0
    z = torch.randn(60, 5, generator=generator) + 20 * side[:, None]
    placed = tsne(z, 3)
    assert placed.shape == (60, 2)
    assert knn_hits(placed, side, k=5).all()
    assert torch.equal(placed, tsne(z, 3))
