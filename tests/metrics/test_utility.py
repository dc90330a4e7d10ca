import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from collab.metrics.utility import agreement, kl, topk_hits


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
