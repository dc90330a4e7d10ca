import subprocess
import sys

import pytest
import torch

from collab.seeding import Stream


def test_a_stream_depends_on_each_of_its_names_and_on_nothing_else() -> None:
    base = Stream(0, "a1", "poison").integer("weights")
    others = [
        Stream(1, "a1", "poison").integer("weights"),
        Stream(0, "a2", "poison").integer("weights"),
        Stream(0, "a1", "refine").integer("weights"),
        Stream(0, "a1", "poison").integer("order"),
    ]
    assert len({base, *others}) == 5
    assert Stream(0, "a1", "poison").integer("weights") == base


def test_names_do_not_run_into_one_another() -> None:
    assert Stream(0, "a", "bc").integer("d") != Stream(0, "ab", "c").integer("d")


def test_another_process_draws_the_same() -> None:
    code = "from collab.seeding import Stream; print(Stream(7, 'a1', 'poison').integer('weights'))"
    drawn = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(drawn) == Stream(7, "a1", "poison").integer("weights")


def test_initialization_is_seeded_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with Stream(0, "a1", "pretrain").initialization():
        first = torch.nn.Linear(3, 3).weight.detach().clone()
    torch.testing.assert_close(torch.rand(2), expected)
    with Stream(0, "a1", "pretrain").initialization():
        assert torch.equal(first, torch.nn.Linear(3, 3).weight)


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_generators_are_fresh_at_each_call(kind: str) -> None:
    stream = Stream(0, "a1", "refine")
    if kind == "torch":
        assert torch.equal(torch.rand(4, generator=stream.torch("x")), torch.rand(4, generator=stream.torch("x")))
    else:
        assert (stream.numpy("x").random(4) == stream.numpy("x").random(4)).all()


def test_the_generator_of_the_gpu_in_use_is_put_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    states = {0: torch.tensor([0]), 1: torch.tensor([1])}
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: states[device])
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: states.__setitem__(device, state))

    def seed_all(seed: int) -> None:
        seeded.append(seed)
        states[1] = torch.tensor([seed])

    monkeypatch.setattr(torch.cuda, "manual_seed_all", seed_all)
    with Stream(0, "a1", "poison").initialization():
        assert states[1] == seeded[0] == Stream(0, "a1", "poison").integer("weights")
    assert states == {0: torch.tensor([0]), 1: torch.tensor([1])}


def test_without_a_gpu_no_seed_is_kept_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    before = len(torch.cuda._queued_calls)
    with Stream(0, "a1", "poison").initialization():
        drawn = torch.rand(2)
    assert len(torch.cuda._queued_calls) == before
    with torch.random.fork_rng([]):
        torch.manual_seed(Stream(0, "a1", "poison").integer("weights"))
        assert torch.equal(drawn, torch.rand(2))
