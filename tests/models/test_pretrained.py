"""Weights of a file into a network: all of it, its first part, another head; and nothing that does not fit."""

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from collab.architectures import ARCHITECTURES
from collab.errors import ScenarioError
from collab.models.backbones import build_network
from collab.models.pretrained import load_weights, names_in_library
from collab.weights import IMAGENET_MEAN, IMAGENET_STD

X = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
PUBLISHED = [name for name, kind in ARCHITECTURES.items() if kind.published]
CONVOLUTIONAL = [name for name in PUBLISHED if ARCHITECTURES[name].layout == "maps"]
"""Of the others test_transformers.py sees that every tensor has a name."""


def network(backbone: str = "resnet8", classes: int = 4, width: int | None = 4, seed: int = 1) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_network(backbone, classes=classes, width=width, mean=IMAGENET_MEAN, std=IMAGENET_STD).eval()


def weights(**sizes: int) -> dict[str, Tensor]:
    return {name: value for name, value in network(**sizes, seed=2).state_dict().items() if "normalize" not in name}


def test_a_file_of_torchvisions_makes_its_own_network() -> None:
    """torchvision's module is the independent implementation: it normalizes outside, and so must give the same."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        theirs = get_model("resnet18", weights=None, num_classes=5).eval()
    ours = network("resnet18", 5, None)
    assert load_weights(ours, theirs.state_dict()) == ()
    mean, std = (torch.tensor(color).view(-1, 1, 1) for color in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        assert torch.equal(ours(X), theirs((X - mean) / std))


@pytest.mark.parametrize("backbone", CONVOLUTIONAL)
def test_every_tensor_of_torchvisions_has_a_place(backbone: str) -> None:
    with torch.device("meta"):  # no weight is drawn
        theirs = get_model(backbone.removesuffix("_mlp"), weights=None).state_dict()
        ours = build_network(backbone, classes=5)
    names, state = names_in_library(ours), ours.state_dict()
    assert sorted(names.values()) == sorted(theirs)
    last = {"weight", "bias"}
    shapes = {name for name in names if state[name].shape != theirs[names[name]].shape}
    assert {name.rpartition(".")[2] for name in shapes} == (set() if backbone.endswith("_mlp") else last)


def test_another_number_of_classes_leaves_the_last_layer_as_it_was() -> None:
    ours, theirs = network("resnet18", 5, None), get_model("resnet18", weights=None, num_classes=7).state_dict()
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    assert load_weights(ours, theirs) == ("head.2",)
    names, kept = names_in_library(ours), {"head.2.weight", "head.2.bias"}
    assert all(torch.equal(ours.state_dict()[name], before[name]) for name in kept)
    assert all(torch.equal(ours.state_dict()[name], theirs[names[name]]) for name in names if name not in kept)


def test_what_xiao_et_al_add_is_drawn_and_fc_is_kept() -> None:
    with torch.device("meta"):
        ours, theirs = build_network("resnet50_mlp", classes=3), get_model("resnet50", weights=None).state_dict()
    assert load_weights(ours, theirs) == ("head.2", "head.4")


def test_names_of_ours_are_as_good() -> None:
    ours, given = network(), weights()
    assert load_weights(ours, given) == ()
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in given.items())


def test_a_released_featurizer_is_a_first_part_and_says_how_it_normalizes() -> None:
    ours = network()
    featurizer = {name: value for name, value in weights().items() if name[:5] in ("stem.", "conv2")}
    assert load_weights(ours, {**featurizer, "normalize.mean": torch.full((3, 1, 1), 0.25)}) == (
        "conv3_1.body.0", "conv3_1.body.1", "conv3_1.body.3", "conv3_1.body.4",
        "conv3_1.shortcut.0", "conv3_1.shortcut.1",
        "conv4_1.body.0", "conv4_1.body.1", "conv4_1.body.3", "conv4_1.body.4",
        "conv4_1.shortcut.0", "conv4_1.shortcut.1", "head.2",
    )  # fmt: skip
    assert ours.state_dict()["normalize.mean"].flatten().tolist() == [0.25] * 3
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in featurizer.items())


def test_counters_of_batches_may_be_missing_as_in_old_files() -> None:
    given = {name: value for name, value in weights().items() if "num_batches" not in name}
    assert load_weights(network(), given) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda given: given.pop("stem.0.weight"), "the weights lack stem.0.weight, which this network has"),
        (lambda given: given.pop("conv2_1.body.1.bias"), "lack conv2_1.body.1.bias"),
        (lambda given: given.update(extra=torch.zeros(1)), "the weights have extra, which this network lacks"),
        (lambda given: given.update({"stem.0.weight": torch.zeros(8, 3, 3, 3)}), "is 8×3×3×3, of this network 4×3×3×3"),
        (lambda given: (given.clear(), given.update(a=torch.zeros(1), b=torch.zeros(1))), "they are called a, b, it"),
        (lambda given: given.clear(), "have no name of this network"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(change: object, words: str) -> None:
    ours, given = network(), weights()
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    change(given)  # type: ignore[operator]
    with pytest.raises(ScenarioError, match=words):
        load_weights(ours, given)
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())


def test_the_published_files_are_torchvisions_own() -> None:
    assert len(PUBLISHED) >= 8
    for backbone in PUBLISHED:
        theirs = get_model_weights(backbone.removesuffix("_mlp")).DEFAULT
        expects = theirs.transforms()
        assert theirs.url.rpartition("/")[2] == ARCHITECTURES[backbone].published
        assert (tuple(expects.mean), tuple(expects.std)) == (IMAGENET_MEAN, IMAGENET_STD)
