"""Released networks: what is read is what was written, or nothing."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from collab.errors import StoreError
from collab.store.release import read_release, write_release

CARD = {"feature": [64, 16, 16], "backbone": "resnet18", "epochs": 3, "top1": 0.5, "note": None}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)


def test_a_network_comes_back_to_the_bit_with_its_card(tmp_path: Path) -> None:
    state = network().state_dict()
    digest = write_release(tmp_path, "featurizer", state, CARD)
    found, card = read_release(tmp_path, "featurizer", digest)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) and found[key].dtype == state[key].dtype for key in state)
    assert card == CARD | {"sha256": digest}
    assert digest == hashlib.sha256((tmp_path / "featurizer.safetensors").read_bytes()).hexdigest()
    network().load_state_dict(found)
    found["0.weight"].add_(1)  # a copy: the file stays
    assert read_release(tmp_path, "featurizer")[1] == card


def test_layout_order_and_sharing_of_tensors_do_not_change_the_digest(tmp_path: Path) -> None:
    state = network().state_dict()
    plain = {key: value.contiguous() for key, value in reversed(list(state.items()))}
    digests = {write_release(tmp_path, name, each, {}) for name, each in (("a", state), ("b", plain))}
    assert len(digests) == 1
    shared = torch.rand(4)
    write_release(tmp_path, "tied", {"x": shared, "y": shared, "part": shared[:2]}, {})
    assert torch.equal(read_release(tmp_path, "tied")[0]["part"], shared[:2])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool])
def test_every_type_is_kept(dtype: torch.dtype, tmp_path: Path) -> None:
    value = torch.tensor([[0.0, 1.0, 2.5]]).to(dtype)
    write_release(tmp_path, "net", {"x": value, "scalar": value[0, 1]}, {})
    found, _ = read_release(tmp_path, "net")
    assert torch.equal(found["x"], value)
    assert found["scalar"].shape == ()
    assert found["x"].dtype == dtype


def test_another_network_than_the_asked_one_is_refused(tmp_path: Path) -> None:
    first = write_release(tmp_path, "net", {"x": torch.zeros(3)}, {})
    second = write_release(tmp_path, "net", {"x": torch.ones(3)}, {})
    assert read_release(tmp_path, "net", second)[0]["x"].sum() == 3
    with pytest.raises(StoreError, match=f"who asks says {first}"):
        read_release(tmp_path, "net", first)


def test_an_altered_network_or_card_is_refused(tmp_path: Path) -> None:
    write_release(tmp_path, "net", {"x": torch.zeros(3)}, CARD)
    weights, card = tmp_path / "net.safetensors", tmp_path / "net.json"
    for path in (weights, card):
        path.chmod(0o644)
    content = weights.read_bytes()
    for changed in (content[:-1], content[:-1] + b"\1", b""):
        weights.write_bytes(changed)
        with pytest.raises(StoreError, match="its card says"):
            read_release(tmp_path, "net")
    weights.write_bytes(content)
    told = json.loads(card.read_text())
    for text, reason in (
        (json.dumps(told | {"sha256": "0" * 64}), "its card says"),
        ("{}", "its card says"),
        ("[", "JSON"),
    ):
        card.write_text(text)
        with pytest.raises(StoreError, match=reason):
            read_release(tmp_path, "net")


def test_a_file_that_is_no_network_is_refused_though_its_digest_is_right(tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").write_bytes(b"\xff" * 64)
    (tmp_path / "net.json").write_text(json.dumps({"sha256": hashlib.sha256(b"\xff" * 64).hexdigest()}))
    with pytest.raises(StoreError, match="no safetensors file"):
        read_release(tmp_path, "net")


def test_what_was_not_released_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no network 'decider' was released"):
        read_release(tmp_path, "decider")
    with pytest.raises(StoreError, match="cannot be a name"):
        read_release(tmp_path, "../decider")


def test_a_card_that_is_no_json_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for card in ({"top1": float("nan")}, {"net": torch.zeros(1)}):
        with pytest.raises(StoreError, match="card of the released net"):
            write_release(tmp_path, "net", {"x": torch.zeros(3)}, card)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("is_durable", "waits"), [(True, 4), (False, 0)])
def test_the_disk_is_waited_for_where_a_network_has_to_outlast_a_loss_of_power(
    is_durable: bool, waits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = list[int]()
    monkeypatch.setattr("collab.store.files.os.fsync", synced.append)
    write_release(tmp_path, "featurizer", network().state_dict(), CARD, is_durable=is_durable)
    assert len(synced) == waits  # for each of two files, for its bytes and for its name
    assert read_release(tmp_path, "featurizer")[1].items() >= CARD.items()
