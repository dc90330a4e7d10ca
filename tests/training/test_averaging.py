"""Federated averaging against its closed form."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from collab.training.averaging import federated_average, with_momentum


@given(rows=st.lists(st.integers(1, 1000), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_the_average_is_weighted_by_rows(rows: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    states = [{"w": torch.randn(3, 2, generator=generator), "b": torch.randn(3, generator=generator)} for _ in rows]
    found = federated_average(states, rows)
    assert found.keys() == {"w", "b"}
    for name, value in found.items():
        wanted = sum(n * state[name].double() for n, state in zip(rows, states, strict=True)) / sum(rows)
        torch.testing.assert_close(value.double(), wanted, rtol=1e-6, atol=1e-6)
        assert value.dtype == torch.float32


def test_by_hand() -> None:
    states = [{"w": torch.tensor([1.0, 4.0])}, {"w": torch.tensor([5.0, 0.0])}]
    assert federated_average(states, [3, 1])["w"].tolist() == [2.0, 3.0]


def test_equal_weights_are_their_average_whatever_the_rows() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    network(torch.randn(2, 3, 8, 8))
    state = network.state_dict()
    found = federated_average([state, state, state], [1, 7, 3])
    assert found.keys() == state.keys()
    for name, value in state.items():
        torch.testing.assert_close(found[name], value, rtol=2e-7, atol=1e-8)
        assert found[name].dtype == value.dtype


def test_one_copy_is_kept_to_the_bit() -> None:
    state = {"w": torch.randn(5), "n": torch.tensor(3)}
    found = federated_average([state], [17])
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)
    assert federated_average([state, {**state, "n": torch.tensor(9)}], [1, 1])["n"].item() == 9


def test_a_server_with_momentum_goes_on_where_averages_stand_still() -> None:
    start, mean = {"w": torch.zeros(2), "count": torch.tensor(1)}, {"w": torch.ones(2), "count": torch.tensor(4)}
    weights, velocity = with_momentum(start, mean, {}, 0.5, ["w"])
    assert weights["w"].tolist() == [1, 1]  # the first step is plain averaging
    weights, velocity = with_momentum(weights, weights, velocity, 0.5, ["w"])
    assert weights["w"].tolist() == [1.5, 1.5]
    assert velocity["w"].tolist() == [0.5, 0.5]
    assert with_momentum(start, mean, {}, 0.5, ["w"])[0]["count"] == 4
