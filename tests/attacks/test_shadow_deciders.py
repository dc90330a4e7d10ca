"""Likelihood ratios against shadow deciders: closed forms, and members of a decider told from others."""

import math

import pytest
import torch
from torch import nn

from collab.attacks.base import Knowledge
from collab.attacks.membership_inference import MembershipInference
from collab.attacks.options import By
from collab.attacks.shadow_deciders import likelihood_ratios, relative_likelihoods, renew
from collab.metrics.membership import auc
from collab.models.freeze import freeze
from collab.seeding import Stream
from collab.training.precision import resolve_compute
from collab.training.progress import Progress
from collab.training.tasks import Classification

COMPUTE, STREAM = resolve_compute("fp32", "cpu"), Stream(0, "eve", "attack")


def test_a_relative_likelihood_is_c_s_over_the_mean_of_the_shadows() -> None:
    shadows = torch.tensor([[0.2, 0.5], [0.6, 0.5], [0.1, 0.5]]).log()
    found = relative_likelihoods(torch.tensor([0.9, 0.25]).log(), shadows)
    torch.testing.assert_close(found.exp(), torch.tensor([3.0, 0.5]))


def test_a_likelihood_ratio_is_that_of_two_normal_densities() -> None:
    generator = torch.Generator().manual_seed(0)
    shadows = torch.rand(8, 5, generator=generator).log()
    is_in = torch.arange(40).view(8, 5) % 2 == 0
    target = torch.rand(5, generator=generator).log()
    found = likelihood_ratios(target, shadows, is_in)
    phi, own = (values.exp().logit() for values in (shadows, target))
    for candidate in range(5):
        density = []
        for here in (is_in, ~is_in):
            mean = phi[here[:, candidate], candidate].mean()
            apart = torch.cat([phi[here[:, each], each] - phi[here[:, each], each].mean() for each in range(5)])
            deviation = (apart.square().sum() / (len(apart) - 5)).sqrt()
            density.append(torch.distributions.Normal(mean, deviation).log_prob(own[candidate]))
        torch.testing.assert_close(found[candidate], density[0] - density[1], rtol=1e-4, atol=1e-4)


def test_a_candidate_of_all_halves_or_of_none_has_a_finite_ratio() -> None:
    shadows = torch.rand(4, 3).log()
    is_in = torch.tensor([[True, False, True]] * 2 + [[True, False, False]] * 2)
    assert likelihood_ratios(torch.rand(3).log(), shadows, is_in).isfinite().all()


def test_a_renewed_network_has_other_weights_and_nothing_of_the_old_statistics() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    network[1].running_mean.fill_(3.0)  # type: ignore[union-attr, operator]
    again, twice = renew(network, STREAM), renew(network, STREAM)
    assert not torch.equal(again[0].weight, network[0].weight)  # type: ignore[index]
    assert torch.equal(again[0].weight, twice[0].weight)  # type: ignore[index]
    assert again[1].running_mean.abs().max() == 0  # type: ignore[index, union-attr]


@pytest.mark.parametrize("by", ["relative", "ratio"])
def test_members_of_a_decider_are_told_and_of_one_that_learned_others_none(by: By) -> None:
    generator = torch.Generator().manual_seed(1)
    images, labels = torch.rand(80, 3, 4, 4, generator=generator), torch.randint(0, 3, (80,), generator=generator)

    def told(learned: slice) -> float:
        with torch.random.fork_rng():
            torch.manual_seed(2)
            decider = nn.Sequential(
                nn.Sequential(nn.Conv2d(3, 64, 4), nn.ReLU()), nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
            )
        optimizer = torch.optim.Adam(decider.parameters(), 1e-2)
        for _ in range(60):
            optimizer.zero_grad()
            nn.functional.cross_entropy(decider(images[learned]), labels[learned]).backward()
            optimizer.step()
        attack = MembershipInference(("logits",), by, 1, "none", 6, 15)
        rows = torch.zeros(1, 3, 4, 4), torch.zeros(1, dtype=torch.int64)
        had = {"candidates": images[:60], "candidate_labels": labels[:60], "featurizer": freeze(nn.Identity())}
        known = Knowledge(
            "this test", *rows, attack.asks_for, **had, decider=freeze(decider), task=Classification(("a", "b", "c"))
        )
        scores = attack.rebuild(known, STREAM, COMPUTE, Progress()).numpy()
        return auc(scores[:30], scores[30:])

    assert told(slice(0, 30)) > 0.75
    assert 0.25 < told(slice(60, 80)) < 0.75
    assert math.isfinite(told(slice(0, 60)))
