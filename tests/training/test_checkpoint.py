import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from collab.seeding import Stream
from collab.training.loop import Recipe, Until, minimize
from collab.training.precision import Compute
from collab.training.progress import Progress

CPU = Compute("cpu", "float32")
STREAM = Stream(3, "a1", "poison")
EPOCHS = 5


class Killed(Exception):
    pass


def network() -> nn.Module:
    """BatchNorm has statistics, dropout draws from torch's own generator, convolutions lie channels last."""
    with STREAM.initialization():
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(16, 2)
        )
    return net.to(memory_format=torch.channels_last)


def trained(
    recipe: Recipe, progress: Progress, limit: float | None = None
) -> tuple[dict[str, Tensor], tuple[float, ...]]:
    """With a `limit` until BatchNorm has seen more batches."""
    net = network().train()
    x = torch.rand(12, 3, 4, 4, generator=torch.Generator().manual_seed(1))

    def batches(generator: torch.Generator) -> Iterator[Tensor]:
        for index in torch.randperm(12, generator=generator).split(4):
            yield x[index]

    losses = minimize(
        lambda batch: net(batch).square().mean(), net, batches, recipe,
        steps=3, stream=STREAM, compute=CPU, progress=progress,
        until=None if limit is None else Until("seen", limit, lambda: float(net[1].num_batches_tracked)),
    )  # fmt: skip
    return net.state_dict(), losses


@given(
    killed_after=st.integers(1, EPOCHS - 1),
    optimizer=st.sampled_from(["sgd", "adam", "adamw"]),
    schedule=st.sampled_from(["constant", "cosine", "one_cycle"]),
)
def test_going_on_from_a_checkpoint_gives_the_bits_of_an_undisturbed_training(
    tmp_path_factory: pytest.TempPathFactory, killed_after: int, optimizer: str, schedule: str
) -> None:
    folder = tmp_path_factory.mktemp("private")
    recipe = Recipe(EPOCHS, 4, optimizer, 0.05, 0.01, schedule)  # type: ignore[arg-type]

    def killed(epoch: int, epochs: int, loss: float, terms: object) -> None:
        if epoch == killed_after + 1:
            raise Killed

    with pytest.raises(Killed):
        trained(recipe, Progress(killed, folder, "key", seconds_between=0))
    torch.rand(7)  # whatever the process drew meanwhile
    told: list[int] = []
    going_on = Progress(lambda epoch, *_: told.append(epoch), folder, "key", seconds_between=0)
    found, losses = trained(recipe, going_on)
    expected, all_losses = trained(recipe, Progress())
    assert told == list(range(killed_after + 1, EPOCHS + 1))
    assert losses == all_losses == tuple(going_on.curves[0])
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_a_training_that_ends_early_ends_there_after_a_kill_too(tmp_path: Path, killed_after: int) -> None:
    recipe, limit = Recipe(EPOCHS, 4, "sgd", 0.05), 9.5  # of 3 batches each the fourth epoch exceeds it
    expected, all_losses = trained(recipe, Progress(), limit)
    assert len(all_losses) == 3

    def killed(epoch: int, epochs: int, loss: float, terms: object) -> None:
        if epoch == killed_after + 1:
            raise Killed

    with pytest.raises(Killed):
        trained(recipe, Progress(killed, tmp_path, "key", seconds_between=0), limit)
    found, losses = trained(recipe, Progress(folder=tmp_path, name="key", seconds_between=0), limit)
    assert losses == all_losses
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_without_its_optimizer_state_the_bits_would_differ(tmp_path: Path) -> None:
    """The guard of the test above: a checkpoint that forgot momentum must not pass it."""
    recipe = Recipe(EPOCHS, 4, "sgd", 0.05)
    stopped = Progress(lambda epoch, *_: (_ for _ in ()).throw(Killed) if epoch == 3 else None, tmp_path, "key", 0)
    with pytest.raises(Killed):
        trained(recipe, stopped)
    (path,) = tmp_path.glob("*.pt")
    state = torch.load(path, weights_only=True)
    state["learner optimizer 0"]["state"] = {}
    torch.save(state, path)
    found, _ = trained(recipe, Progress(folder=tmp_path, name="key", seconds_between=0))
    expected, _ = trained(recipe, Progress())
    assert not all(torch.equal(found[name], expected[name]) for name in expected)


def test_each_minimization_of_a_stage_has_its_own_file_and_all_are_forgotten_together(tmp_path: Path) -> None:
    progress = Progress(folder=tmp_path, name="key", seconds_between=0)
    recipe = Recipe(2, 4, "sgd", 0.05)
    first, second = trained(recipe, progress), trained(recipe, progress)
    assert first[1] == second[1]  # the second did not start from the first one's end
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key-1.pt", "key-2.pt"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.iterdir())
    progress.forget()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn"])
def test_a_torn_checkpoint_costs_time_and_no_result(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key-1.pt").write_bytes(content)
    recipe = Recipe(2, 4, "sgd", 0.05)
    found, _ = trained(recipe, Progress(folder=tmp_path, name="key", seconds_between=0))
    expected, _ = trained(recipe, Progress())
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_checkpoints_are_not_written_more_often_than_asked(tmp_path: Path) -> None:
    trained(Recipe(EPOCHS, 4, "sgd", 0.05), Progress(folder=tmp_path, name="key", seconds_between=3600))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_does_not_end_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    trained(Recipe(2, 4, "sgd", 0.05), Progress(folder=tmp_path, name="key", seconds_between=0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), RuntimeError("[enforce fail ...]\nframe")])
def test_a_disk_without_room_for_checkpoints_is_told_once_and_ends_nothing(
    failure: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch makes a RuntimeError of a disk that fills up while it writes."""

    def save(state: object, file: BinaryIO) -> None:
        file.write(b"a part")
        raise failure

    monkeypatch.setattr(torch, "save", save)
    notes = list[str]()
    progress = Progress(folder=tmp_path, name="key", noted=notes.append, seconds_between=0.0)
    state, _ = trained(Recipe(EPOCHS, 4, "sgd", 0.05), progress)
    expected, _ = trained(Recipe(EPOCHS, 4, "sgd", 0.05), Progress())
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert list(tmp_path.iterdir()) == []
    (note,) = notes
    assert note.startswith("goes on without a checkpoint")
    assert note.endswith(str(failure).partition("\n")[0])


def test_what_a_killed_process_had_not_finished_goes_with_the_checkpoints(tmp_path: Path) -> None:
    for name in ("key-1.pt", "key-1.0a.tmp", "other-1.0a.tmp"):
        (tmp_path / name).touch()
    Progress(folder=tmp_path, name="key").forget()
    assert [path.name for path in tmp_path.iterdir()] == ["other-1.0a.tmp"]
