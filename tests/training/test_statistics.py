"""BatchNorm statistics over given rows: closed forms, torch's own over one batch of all rows, and what stands still."""

import copy
from collections.abc import Callable, Iterable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from collab.models.backbones import build_split
from collab.seeding import Stream
from collab.training.feeds import FeatureFeed, InMemory
from collab.training.loop import Recipe
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.recipes import refine_decider
from collab.training.statistics import settle_statistics
from tests.digests import state_digest

ABOUT = {"rtol": 3e-3, "atol": 3e-3}
"""Torch normalizes a batch by its biased variance, and keeps the unbiased one, by which eval mode normalizes."""

CPU = Compute("cpu", "float32")


def in_batches(rows: Tensor, size: int) -> Callable[[], Iterable[Tensor]]:
    return lambda: rows.split(size)


def statistics(network: nn.Module) -> list[Tensor]:
    return [value for name, value in network.state_dict().items() if name.endswith(("running_mean", "running_var"))]


def test_two_layers_in_closed_form() -> None:
    network = nn.Sequential(nn.BatchNorm1d(1), nn.BatchNorm1d(1))
    with torch.no_grad():
        network[0].weight.fill_(3.0)
        network[0].bias.fill_(5.0)
    settle_statistics(network, in_batches(torch.tensor([[1.0], [2.0], [6.0]]), 2), CPU)
    assert [value.item() for value in statistics(network)] == pytest.approx([3, 7, 5, 9], rel=1e-4)


@pytest.fixture(scope="module")
def rows() -> Tensor:
    """Features whose first half differs from the second, as rows that are sorted by class do."""
    torch.manual_seed(0)
    features = torch.randn(40, 8, 8, 8).relu()
    features[20:] = 3 * features[20:] + 1
    return features


@pytest.fixture(scope="module")
def decider() -> nn.Module:
    """With a shortcut, whose BatchNorm is registered after one that is reached after it."""
    torch.manual_seed(1)
    return build_split("resnet8", "conv3_1", classes=3, width=4).decider


@pytest.fixture(scope="module")
def of_one_batch(decider: nn.Module, rows: Tensor) -> list[Tensor]:
    """What torch makes of all rows at once; sorted rows in batches give others."""
    whole = copy.deepcopy(decider)
    update_bn([rows], whole)
    in_pieces = copy.deepcopy(decider)
    update_bn(rows.split(20), in_pieces)
    pairs = zip(statistics(whole), statistics(in_pieces), strict=True)
    assert any((one - other).abs().max() > 0.05 for one, other in pairs)  # or the tests below could not fail
    return statistics(whole)


@pytest.mark.parametrize("size", [40, 20, 7, 1])
@pytest.mark.parametrize("order", [torch.arange(40), torch.randperm(40, generator=torch.Generator().manual_seed(2))])
def test_batches_give_what_one_pass_over_all_rows_does(
    decider: nn.Module, rows: Tensor, of_one_batch: list[Tensor], size: int, order: Tensor
) -> None:
    network = copy.deepcopy(decider)
    settle_statistics(network, in_batches(rows[order], size), CPU)
    for value, wanted in zip(statistics(network), of_one_batch, strict=True):
        torch.testing.assert_close(value, wanted, **ABOUT)
    assert not network.training


def test_weights_stand_still_and_statistics_settle_once(decider: nn.Module, rows: Tensor) -> None:
    network = copy.deepcopy(decider)
    settle_statistics(network, in_batches(rows, 16), CPU)
    for name, value in network.named_parameters():
        assert torch.equal(value, decider.get_parameter(name))
    before = state_digest(network)
    settle_statistics(network, in_batches(rows, 16), CPU)
    assert state_digest(network) == before


def test_a_network_without_batchnorm_is_asked_nothing() -> None:
    def refuse() -> Iterator[Tensor]:
        raise AssertionError

    settle_statistics(nn.Linear(2, 2), refuse, CPU)


def test_refining_by_own_differs_from_update_in_statistics_alone(decider: nn.Module, rows: Tensor) -> None:
    """Of a decider that was trained on other rows too, the own ones say the statistics."""
    labels = torch.arange(40) % 3

    def feed(features: Tensor) -> FeatureFeed:
        return FeatureFeed([InMemory(features.half(), labels[: len(features)])], (8, 8, 8), 8, CPU.device)

    def refined(bn: str) -> nn.Module:
        network = copy.deepcopy(decider).requires_grad_(True)
        refine_decider(
            network, feed(torch.cat([rows[:20], 5 - rows[20:]])), Recipe(2, 8, "sgd", 0.05), bn=bn, own=feed(rows[:20]),  # type: ignore[arg-type]
            stream=Stream(0, "a1", "refine"), compute=CPU, progress=Progress(),
        )  # fmt: skip
        return network

    own, update = refined("own"), refined("update")
    for name, value in own.named_parameters():
        assert torch.equal(value, update.get_parameter(name))
    update_bn([rows[:20].half().float()], update)
    for value, wanted in zip(statistics(own), statistics(update), strict=True):
        torch.testing.assert_close(value, wanted, **ABOUT)
