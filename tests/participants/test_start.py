"""A scenario on pretrained weights: they reach pre-training and nothing else, and the card says whose they are."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import VisionTransformer, get_model

from collab.architectures import ARCHITECTURES
from collab.errors import EntityError, ScenarioError, StoreError
from collab.models.backbones import build_network
from collab.participants.start import Start
from collab.report.pages.summary import summarize
from collab.runtime.play import Played
from collab.runtime.prepared import Prepared
from collab.scenario.model import Scenario
from collab.scenario.network import ImageSchedule
from collab.scenario.reader import read_scenario
from collab.stages.pretrain import network_options
from tests.places import TINY
from tests.playing import play_here
from tests.stages.test_keys import RELEASED, changed, prepared

Small = Callable[..., Scenario]
STILL = "model.pretrain.learning_rate=1e-12"
"""A rate at which weights stay what they are, to 1e-6."""


def write_weights(path: Path, classes: int = 9, width: int = 4, **metadata: str) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = build_network("resnet8", classes=classes, width=width)
    save_file({name: value for name, value in network.state_dict().items() if "normalize" not in name}, path, metadata)
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "net.safetensors", license="CC0-1.0")


def test_weights_reach_the_released_network_and_no_row_from_scratch(
    small: Small, played: Played, weights: Path, tmp_path: Path
) -> None:
    scenario = small(f"model.weights={weights}", STILL, "scratch={epochs: 1, batch_size: 32}")
    ours = play_here(scenario, tmp_path / "runs")
    given = load_file(weights)
    released = load_file(ours.run / "release" / "featurizer.safetensors")
    kernels = [name for name in released if name in given and released[name].ndim == 4]
    assert len(kernels) == 6
    assert all(torch.allclose(released[name], given[name], atol=1e-6) for name in kernels)
    card = json.loads((ours.run / "release" / "decider.json").read_text())
    assert card["weights"] == {
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "license": "CC0-1.0",
        "mean": pytest.approx([0.485, 0.456, 0.406]),
        "std": pytest.approx([0.229, 0.224, 0.225]),
        "drawn": ["head.2"],
    }
    mean = released["normalize.mean"].flatten().tolist()
    assert mean == card["weights"]["mean"]
    scratch = {(row.row, row.metric): row.value for row in ours.rows if row.row in ("2", "3", "4", "5")}
    before = {(row.row, row.metric): row.value for row in played.rows if row.row in ("2", "3", "4", "5")}
    assert scratch == before
    assert {row.row for row in ours.rows if row.entity == "a1"} >= {"1", "pretrain"}  # two networks now


def test_a_public_featurizer_is_the_weights_to_the_bit_and_one_entity_fits_the_decider(
    small: Small, weights: Path, tmp_path: Path
) -> None:
    given = load_file(weights)
    scenario = small(f"model.weights={weights}", "model.pretrain={by: nobody, decider_by: a2, epochs: 1}")
    found = play_here(scenario, tmp_path / "runs")
    released = load_file(found.run / "release" / "featurizer.safetensors")
    compared = [name for name in released if not name.startswith("normalize.")]
    assert len(compared) > 10
    assert all(torch.equal(released[name], given[name]) for name in compared)  # BatchNorm's statistics too
    decider = load_file(found.run / "release" / "decider.safetensors")
    assert not torch.equal(decider["conv4_1.body.0.weight"], given["conv4_1.body.0.weight"])
    cards = [json.loads((found.run / "release" / f"{name}.json").read_text()) for name in ("featurizer", "decider")]
    assert [card["trained_by"] for card in cards] == ["nobody", "a2"]
    assert {row.entity for row in found.rows if row.row in ("pretrain", "reconstructor")} == {"a2"}
    answer = summarize(scenario, found.rows, (), {}).gained
    own = next(row.value for row in found.rows if (row.row, row.entity, row.metric) == ("c_own_a4", "a4", "top1"))
    assert own is not None
    assert "what they bring without any pool, by a decider that each refined on features of its own images" in answer
    assert f"a4 {100 * own:.1f} %" in answer


def test_a_public_featurizer_is_all_in_the_weights(small: Small, weights: Path, tmp_path: Path) -> None:
    stem = {name: value for name, value in load_file(weights).items() if name.startswith("stem.")}
    save_file(stem, tmp_path / "stem.safetensors")
    model = small(f"model.weights={tmp_path}/stem.safetensors", "model.pretrain={by: nobody, decider_by: a1}").model
    with pytest.raises(ScenarioError, match=r"all of F comes from the weights, and they lack conv2_1\.body\.0, "):
        Start(model, 4).split()


def test_a_transformer_on_weights_plays_from_tokens_to_table_and_attack(small: Small, tmp_path: Path) -> None:
    """Names are those of torchvision's class, which another makes the file with; 3 attacks look into C and behind F."""
    theirs = VisionTransformer(32, 4, 6, 4, 16, 64, num_classes=11)
    save_file(theirs.state_dict(), tmp_path / "vit.safetensors")
    curious = (
        "entities.a2={name: a2, share: 0.1, kind: curious, defense: dpm, options: {attacks: [straw_man, "
        "{kind: through_decider, epochs: 1}, {kind: leaked_pairs, pairs: 4}], victims: [a1]}}"
    )
    scenario = small(
        "model={backbone: vit6_small, width: 16, hook: block2, pretrain: {by: a1, epochs: 1, optimizer: adamw, "
        f"learning_rate: 1e-3}}, weights: {tmp_path}/vit.safetensors}}",
        curious,
    )
    found = play_here(scenario, tmp_path / "runs")
    card = json.loads((found.run / "release" / "featurizer.json").read_text())
    assert card["feature"] == [16, 5, 4]  # 4×4 patches of 16 px, and a row with the class token
    assert card["weights"]["drawn"] == ["head.2"]
    values = {(row.row, row.metric): row.value for row in found.rows}
    assert values["7", "top1"] is not None
    assert {row.attack for row in found.rows} >= {"straw_man", "through_decider[1]", "leaked_pairs[4]"}


def test_without_weights_the_key_is_what_it_was(small: Small) -> None:
    options = network_options(small().model)
    assert options.keys() == {"backbone", "width", "hook", "pretrain"}
    assert options["pretrain"].keys() == {"by", *ImageSchedule.model_fields}


def test_the_file_counts_by_its_content_and_not_by_its_place(small: Small, weights: Path, tmp_path: Path) -> None:
    def key(*overrides: str) -> Prepared:
        return prepared(small("scratch={epochs: 1}", *overrides))

    before = key(f"model.weights={weights}")
    elsewhere = weights.rename(tmp_path / "other.safetensors")
    assert changed(before, key(f"model.weights={elsewhere}")) == set()
    for override in ("model.weights_license=MIT", "model.mean=[0.5, 0.5, 0.5]", "model.std=[0.5, 0.5, 0.5]"):
        assert changed(before, key(f"model.weights={elsewhere}", override)) == RELEASED, override
    write_weights(elsewhere, classes=3)
    assert changed(before, key(f"model.weights={elsewhere}")) == RELEASED
    assert changed(before, key()) == RELEASED


def test_weights_of_another_network_end_the_run_with_what_does_not_fit(small: Small, tmp_path: Path) -> None:
    wide = write_weights(tmp_path / "wide.safetensors", width=8)
    with pytest.raises(EntityError, match=r"stem\.0\.weight of the weights is 8×3×3×3, of this network 4×3×3×3"):
        play_here(small(f"model.weights={wide}"), tmp_path / "runs")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.weights=nowhere.safetensors"], "model.weights: there is no file .*/nowhere.safetensors"),
        (["model.weights=net.pth"], "must be imagenet, timm:NAME"),
        (["model.weights=imagenet"], "torchvision publishes no weights of resnet8"),
        (
            ["model={backbone: resnet50, hook: conv4_1, weights: imagenet, pretrain: {by: a1}}", "data.image_size=64"],
            r"no file .*/torch/hub/checkpoints/resnet50-11ad3fa6.pth, .*get_model\('resnet50', weights='DEFAULT'\)",
        ),
        (
            ["model.weights=timm:resnet50.a1_in1k"],
            "models--timm--resnet50.a1_in1k.*`hf download timm/resnet50.a1_in1k model.safetensors config.json`",
        ),
        (["model.weights_license=MIT"], "model.weights_license: has no effect without `weights`"),
        (["model.mean=[0, 0, 0]"], "model.mean: has no effect without `weights`"),
        (["model.pretrain={by: nobody, decider_by: a1}"], "by: is nobody, so that F must come from `weights`"),
        (["model.pretrain={by: nobody}"], "by: is nobody; name in `decider_by` the entity that fits C"),
        (["model.pretrain={by: a1, decider_by: a2}"], "decider_by: has no effect without `by: nobody`"),
        (["model.pretrain={by: nobody, decider_by: a9}"], "decider_by: there is no entity 'a9'"),
        (["entities.a2.name=nobody"], "'nobody' is reserved"),
    ],
)
def test_what_is_not_there_is_told_with_what_to_do(
    overrides: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(ScenarioError, match=words):
        read_scenario(TINY, overrides)


def test_a_path_is_relative_to_the_scenario(weights: Path, tmp_path: Path) -> None:
    text = TINY.read_text().replace("width: 8", "width: 4\n  weights: net.safetensors")
    (tmp_path / "mine.yaml").write_text(text)
    assert read_scenario(tmp_path / "mine.yaml").scenario.model.weights == str(weights.resolve())


def test_a_file_of_torchs_hub_is_loaded_as_its_name_says(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    given = get_model("resnet18", weights=None).state_dict()
    torch.save(given, checkpoints / "new.pth")
    name = f"resnet18-{hashlib.sha256((checkpoints / 'new.pth').read_bytes()).hexdigest()[:8]}.pth"
    monkeypatch.setitem(ARCHITECTURES, "resnet18", replace(ARCHITECTURES["resnet18"], published=name))
    model = {"backbone": "resnet18", "hook": "conv4_1", "weights": "imagenet", "width": None}
    start = Start(small().model.model_copy(update=model), 4)
    path = (checkpoints / "new.pth").rename(checkpoints / name)
    split = start.split()
    assert torch.equal(split.featurizer.state_dict()["conv2_1.conv1.weight"], given["layer1.0.conv1.weight"])
    assert start.card["weights"]["drawn"] == ["head.2"]
    assert "torchvision" in start.card["weights"]["license"]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match="was altered"):
        start.split()


def test_a_repository_of_timms_is_loaded_with_what_it_expects(
    small: Small, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `hf download` leaves it: its files are links to their content."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    repository, revision = tmp_path / "hub" / "models--timm--some_net.in1k", "ab" * 20
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    expects = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.3], "license": "apache-2.0"}
    (snapshot / "config.json").write_text(json.dumps({"architecture": "some_net", "pretrained_cfg": expects}))
    (snapshot / "model.safetensors").symlink_to(weights)
    start = Start(small("model.weights=timm:some_net.in1k").model, 4)
    split = start.split()
    assert torch.equal(split.featurizer.state_dict()["stem.0.weight"], load_file(weights)["stem.0.weight"])
    about = start.card["weights"]
    assert (about["license"], about["mean"]) == ("apache-2.0", pytest.approx([0.5, 0.4, 0.3]))
