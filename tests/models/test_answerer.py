"""What answers: one decider or a committee, softened and rounded."""

from itertools import product

import pytest
import torch
from torch import nn

from collab.models.answerer import Answerer, Committee, round_answers


def decider(seed: int) -> nn.Module:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(8, 3)).eval()


def test_a_committee_answers_by_the_mean_of_outputs() -> None:
    features, both = torch.rand(5, 2, 2, 2), [decider(0), decider(1)]
    mean = (both[0](features) + both[1](features)) / 2
    answers = Answerer(Committee(both), temperature=2.0)(features)
    torch.testing.assert_close(answers[:, :, 0, 0], torch.softmax(mean / 2, 1))


def test_a_committee_begins_as_so_many_copies_that_learn_apart() -> None:
    released = decider(0)
    begun = Answerer.begin_as(released, deciders=3)
    assert len({id(each) for each in begun.deciders}) == 3
    features = torch.rand(4, 2, 2, 2)
    torch.testing.assert_close(begun(features), Answerer(released)(features))
    assert Answerer.begin_as(released).decider is not released


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_rounded_answers_are_distributions_in_few_steps_less_than_one_away(bits: int) -> None:
    answers = torch.randn(200, 5, generator=torch.Generator().manual_seed(bits)).mul(3).softmax(1)
    rounded = round_answers(answers, bits)
    steps = rounded.double() * 2**bits
    assert torch.equal(steps, steps.round())
    assert torch.equal(rounded.sum(1), torch.ones(200))
    assert (rounded >= 0).all()
    assert ((rounded - answers).abs() < 2.0**-bits).all()
    assert torch.equal(round_answers(rounded, bits), rounded)
    assert torch.equal(rounded.half().float(), rounded)  # a shard keeps them as they are


def test_no_other_distribution_in_these_steps_is_nearer() -> None:
    """Against all of them, by the sum of squares: quarters of three classes."""
    every = torch.tensor([each for each in product(range(5), repeat=3) if sum(each) == 4]) / 4
    answers = torch.rand(100, 3, generator=torch.Generator().manual_seed(0))
    answers = answers / answers.sum(1, keepdim=True)
    nearest = (answers[:, None] - every[None]).square().sum(2).min(1).values
    torch.testing.assert_close((round_answers(answers, 2) - answers).square().sum(1), nearest, rtol=1e-5, atol=1e-7)
