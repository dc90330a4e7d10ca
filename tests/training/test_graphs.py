"""Replayed steps: what a graph does is what the function does, for each shape; on a recorder of Python calls.

A real CUDA graph needs a GPU: `scripts/gpu_check` compares the two there, to the bit.
"""

import copy

import pytest
import torch
from torch import Tensor, nn

from collab.defenses.dpm_network import Rotating, build_dpm
from collab.models.backbones import build_split
from collab.models.filters import Noise
from collab.models.freeze import fold
from collab.seeding import Stream
from collab.training import graphs, loop
from collab.training.graphs import WARM_STEPS, Replayed, Work, can_replay
from collab.training.loop import Recipe, Turn, minimize, take_turns
from collab.training.precision import Compute
from collab.training.progress import Progress

GRAPHS = Compute("cpu", "float32", graphs=True)
EAGER = Compute("cpu", "float32")
STREAM = Stream(0, "a1", "graphs")


class Tape:
    """Records as a graph does: does nothing yet, and later the same work on the same tensors, into the same results."""

    recorded = 0
    replayed = 0

    def __call__(self, work: Work):  # type: ignore[no-untyped-def]
        Tape.recorded += 1
        outputs: list[Tensor] = []

        def replay() -> None:
            Tape.replayed += 1
            made = work()
            if not outputs:
                outputs.extend(torch.empty_like(part) for part in made)
            for kept, part in zip(outputs, made, strict=True):
                kept.copy_(part)

        return replay, outputs


@pytest.fixture(autouse=True)
def _tape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "CudaRecorder", Tape)
    Tape.recorded = Tape.replayed = 0


def batches(generator: torch.Generator):  # type: ignore[no-untyped-def]
    rows = torch.randn(46, 6, generator=generator)
    for part in torch.tensor_split(rows, 8):  # six of 6 rows, two of 5
        x = part.clone()  # aligned in memory as the graph's own copy is, or a CPU sums in another order
        yield x, x.sum(1, keepdim=True)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 1))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "muon"])
def test_replayed_steps_train_to_the_same_bits(optimizer: str) -> None:
    found = []
    for compute in (EAGER, GRAPHS):
        net = network()
        losses = minimize(
            lambda batch, net=net: (net(batch[0]) - batch[1]).square().mean(), net, batches,
            Recipe(3, 6, optimizer, 0.05),  # type: ignore[arg-type]
            steps=8, stream=STREAM, compute=compute, progress=Progress(), replays=True,
        )  # fmt: skip
        found.append((losses, net.state_dict()))
    (losses, state), (same, other) = found
    assert losses == same
    assert not [name for name in state if not torch.equal(state[name], other[name])], (state, other)
    assert Tape.recorded == 2  # one for each shape
    assert Tape.replayed == 3 * 8 - 2 * WARM_STEPS


def test_turns_are_replayed_as_one_graph() -> None:
    def play(compute: Compute) -> tuple[float, ...]:
        one, other = network(), copy.deepcopy(network())

        def turns(batch: tuple[Tensor, ...], index: int, epoch: int):  # type: ignore[no-untyped-def]
            yield Turn(("b",), lambda: (other(batch[0]) - one(batch[0]).detach()).square().mean())
            yield Turn(("a",), lambda: (one(batch[0]) - batch[1] + other(batch[0])).square().mean())

        return take_turns(
            turns, {"a": one, "b": other}, batches, Recipe(3, 6, "adamw", 0.05),
            steps=8, stream=STREAM, compute=compute, progress=Progress(), replays=True,
        )  # fmt: skip

    assert play(GRAPHS) == play(EAGER)
    assert Tape.recorded == 2


def test_who_does_not_say_that_a_step_can_be_replayed_has_it_computed() -> None:
    minimize(
        lambda batch: batch[0].sum() * network()[0].weight.sum(), network(), batches, Recipe(2, 6, "sgd", 0.05),  # type: ignore[index]
        steps=8, stream=STREAM, compute=GRAPHS, progress=Progress(),
    )  # fmt: skip
    assert Tape.recorded == 0


def test_a_result_is_not_overwritten_by_the_next_replay() -> None:
    step = Replayed(lambda batch: [2 * batch[0].sum()], Tape())
    answers = [step((torch.full((3,), float(number)),))[0] for number in range(6)]
    assert [answer.item() for answer in answers] == [0, 6, 12, 18, 24, 30]


class Foreign(nn.Module):
    """A layer of somebody else's."""


def test_our_networks_can_be_replayed_and_those_that_the_host_decides_for_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    split = build_split("resnet8", "conv2_1", classes=3, width=4)
    assert can_replay(split.featurizer, split.decider, fold(split.decider), build_dpm(8), None)
    monkeypatch.setattr(Foreign, "__module__", "somebody.layers")
    for layer in (Rotating([build_dpm(8)]), Noise(8, 0.1), Foreign()):
        assert not can_replay(nn.Sequential(build_dpm(8), layer))


def test_a_loop_asks_for_a_graph_only_where_compute_has_them() -> None:
    assert loop.Replayed is Replayed
    minimize(
        lambda batch: network()(batch[0]).sum(), network(), batches, Recipe(1, 6, "sgd", 0.05),
        steps=8, stream=STREAM, compute=EAGER, progress=Progress(), replays=True,
    )  # fmt: skip
    assert Tape.recorded == 0
