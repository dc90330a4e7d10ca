import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, matthews_corrcoef

from collab.errors import DataError
from collab.metrics.utility import (
    agreement,
    average_precision,
    kl,
    mcc,
    mean_average_precision,
    resample_mcc,
    topk_hits,
)


@given(
    rows=st.lists(st.lists(st.integers(-2, 2), min_size=4, max_size=4), min_size=1, max_size=8),
    k=st.integers(1, 5),
    label=st.integers(0, 3),
)
def test_hits_are_those_of_a_stable_sort(rows: list[list[int]], k: int, label: int) -> None:
    expected = [label in sorted(range(4), key=lambda index, row=row: (-row[index], index))[:k] for row in rows]
    labels = torch.full((len(rows),), label)
    assert topk_hits(torch.tensor(rows).float(), labels, k).tolist() == expected


def test_hits_agree_with_torch_where_nothing_ties() -> None:
    logits, labels = torch.randn(200, 10), torch.randint(0, 10, (200,))
    for k in (1, 5):
        assert torch.equal(topk_hits(logits, labels, k), (logits.topk(k).indices == labels[:, None]).any(1))


def test_constant_logits_score_like_chance() -> None:
    labels = torch.arange(10)
    assert topk_hits(torch.zeros(10, 10), labels, 1).sum() == 1
    assert topk_hits(torch.zeros(10, 10), labels, 5).sum() == 5


@pytest.mark.parametrize("column", [0, 1, 2])
def test_nan_never_counts(column: int) -> None:
    logits = torch.tensor([[0.0, 9.0, 1.0]])
    labels = torch.tensor([1])
    assert topk_hits(logits, labels, 1).item()
    assert agreement(logits, logits).item()
    broken = logits.clone()
    broken[0, column] = torch.nan
    assert not topk_hits(broken, labels, 3).any()
    assert not agreement(broken, logits).any()
    assert not agreement(logits, broken).any()


def test_agreement_is_of_the_first_class() -> None:
    a = torch.tensor([[1.0, 2.0, 0.0], [1.0, 2.0, 0.0], [3.0, 3.0, 1.0]])
    b = torch.tensor([[0.0, 9.0, 8.0], [9.0, 0.0, 0.0], [5.0, 1.0, 1.0]])
    assert agreement(a, b).tolist() == [True, False, True]


def test_kl_has_a_closed_form() -> None:
    p, q = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.9, 0.1]])
    expected = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert kl(p.log() + 3, q.log() - 2).item() == pytest.approx(expected, abs=1e-6)
    assert kl(q.log(), p.log()).item() != pytest.approx(expected, abs=1e-2)


def test_kl_is_never_below_zero_and_zero_for_equal_logits() -> None:
    a, b = torch.randn(50, 10), torch.randn(50, 10)
    assert kl(a, b).min() > 0
    torch.testing.assert_close(kl(a, a + 5), torch.zeros(50), rtol=0, atol=1e-5)


def test_mixed_precision_changes_nothing() -> None:
    a, b, labels = torch.randn(20, 10), torch.randn(20, 10), torch.arange(20) % 10
    plain = kl(a, b), topk_hits(a, labels, 1), agreement(a, b)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = kl(a, b), topk_hits(a, labels, 1), agreement(a, b)
    assert all(torch.equal(x, y) for x, y in zip(plain, mixed, strict=True))


def attributes(images: int = 200, count: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities without ties, and labels that follow them more the later the attribute; the last is rare."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(images, count, generator=generator)
    noise = torch.rand(images, count, generator=generator) * torch.linspace(3, 0, count)
    labels = scores + noise > scores.mean(0) + noise.mean(0)
    labels[:, -1] = scores[:, -1] > 0.95
    return scores, labels


def test_mcc_and_average_precision_agree_with_scikit_learn() -> None:
    scores, labels = attributes()
    columns = list(zip(scores.T.numpy(), labels.T.numpy(), strict=True))
    expected = [matthews_corrcoef(own, score > 0.5) for score, own in columns]
    assert mcc(scores, labels).tolist() == pytest.approx(expected, abs=1e-6)
    expected = [average_precision_score(own, score) for score, own in columns]
    assert average_precision(scores, labels).tolist() == pytest.approx(expected, abs=1e-6)
    assert expected[0] < 0.8 < expected[-1]


def test_mcc_has_its_bounds_and_is_0_where_nothing_varies() -> None:
    labels = torch.tensor([[1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]]).bool()
    answers = torch.tensor([[0.9, 0.1, 0.9, 0.5], [0.1, 0.9, 0.1, 0.5], [0.2, 0.8, 0.2, torch.nan]])
    assert mcc(answers, labels).tolist() == [1, -1, 0, 0]
    assert mcc(answers, labels, threshold=0.95).tolist() == [0, 0, 0, 0]


def test_mcc_of_a_resample_counts_copies() -> None:
    scores, labels = attributes()
    times = torch.randint(0, 4, (3, len(labels)), generator=torch.Generator().manual_seed(1))
    expected = [mcc(scores.repeat_interleave(row, 0), labels.repeat_interleave(row, 0)) for row in times]
    assert resample_mcc(scores, labels, times.double().numpy()) == pytest.approx(
        torch.stack(expected).numpy(), abs=1e-6
    )


def test_mcc_counts_many_images() -> None:
    labels = torch.arange(400_000)[:, None] % 2 == 0
    assert mcc(labels.float(), labels).item() == 1
    assert mcc(torch.ones(400_000, 1), labels).item() == 0


@given(
    ranked=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=12).filter(
        lambda x: any(positive for _, positive in x)
    )
)
def test_average_precision_breaks_ties_by_index(ranked: list[tuple[int, bool]]) -> None:
    scores, labels = (torch.tensor(column)[:, None] for column in zip(*ranked, strict=True))
    order = sorted(range(len(ranked)), key=lambda index: (-ranked[index][0], index))
    found = [place for place, index in enumerate(order, 1) if ranked[index][1]]
    expected = sum(hits / place for hits, place in enumerate(found, 1)) / len(found)
    assert average_precision(scores.float(), labels).item() == pytest.approx(expected, abs=1e-6)


def test_a_score_that_is_not_a_number_comes_last() -> None:
    scores, labels = torch.tensor([[torch.nan], [-torch.inf], [0.5]]), torch.tensor([[True], [False], [False]])
    assert average_precision(scores, labels).item() == 1 / 2  # equal to -inf, and earlier
    assert average_precision(scores.flip(0), labels.flip(0)).item() == pytest.approx(1 / 3)


def test_random_order_scores_the_rate_of_positives() -> None:
    generator = torch.Generator().manual_seed(1)
    labels = torch.rand(20_000, 1, generator=generator) < 0.3
    scores = torch.rand(20_000, 1, generator=generator)
    assert average_precision(scores, labels).item() == pytest.approx(0.3, abs=0.015)


def test_attributes_without_positives_are_skipped_and_counted() -> None:
    scores, labels = attributes()
    labels[:, [1, 3]] = False
    each = average_precision(scores, labels)
    assert each.isnan().tolist() == [False, True, False, True, False]
    assert mean_average_precision(scores, labels) == (pytest.approx(each[[0, 2, 4]].mean().item()), 2)
    with pytest.raises(DataError, match="5 attributes"):
        mean_average_precision(scores, torch.zeros_like(labels))
