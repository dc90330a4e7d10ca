"""timm's convolutional networks cut after every stage: the whole is what timm computes, and no cut changes a bit."""

from typing import Any

import pytest
import torch
from torch import nn

from collab.architectures import ARCHITECTURES
from collab.errors import ScenarioError
from collab.models.backbones import build_network, cut, feature_shape, is_rectified
from collab.models.freeze import fold
from collab.models.pretrained import load_weights
from collab.models.timm_networks import pieces_of_timm_stages

timm: Any = pytest.importorskip("timm", reason="pip install 'collab[timm]'")

NETWORKS = [name for name, kind in ARCHITECTURES.items() if kind.pieces.endswith(":timm_stages")]
OFTEN = ("_atto", "lite0", "efficientnet_b0", "v2_b0", "net26d", "_002", "_050", "large_100", "v2_100", "v2_50")
"""The small ones of each family; the others have the same parts and more of them."""

X = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(5))
COLORS = {"mean": torch.full((3, 1, 1), 0.5), "std": torch.full((3, 1, 1), 0.25)}
NOISE = torch.randn(1 << 22, generator=torch.Generator().manual_seed(6))


def filled(network: nn.Module) -> nn.Module:
    """A network of the meta device with numbers in it, without the time that initialization takes."""
    network.to_empty(device="cpu")
    with torch.no_grad():
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if name.endswith(("running_mean", "bias")) or not value.is_floating_point():
                value.zero_()
            elif value.dim() < 2:
                value.fill_(1.0)  # scales, variances
            else:
                times = -(-value.numel() // len(NOISE))
                fan_in = value[0].numel()
                value.copy_((NOISE.repeat(times)[: value.numel()] / fan_in**0.5).view(value.shape))
    return network.eval()


def created(backbone: str, classes: int = 5) -> nn.Module:
    network: nn.Module = timm.create_model(backbone.removeprefix("timm:"), pretrained=False, num_classes=classes)
    return network


def at_times(backbone: str) -> Any:
    return backbone if backbone.endswith(OFTEN) else pytest.param(backbone, marks=pytest.mark.slow)


@pytest.mark.parametrize("backbone", [at_times(name) for name in NETWORKS])
def test_every_cut_computes_what_timm_does_to_the_last_bit(backbone: str) -> None:
    with torch.device("meta"):
        theirs, ours = created(backbone), build_network(backbone, classes=5)
    filled(theirs)
    ours.to_empty(device="cpu").eval()
    ours.get_submodule("normalize").load_state_dict(
        {"mean": torch.full((3, 1, 1), 0.5), "std": torch.ones(3, 1, 1) / 4}
    )
    assert load_weights(ours, theirs.state_dict()) == ()
    with torch.no_grad():
        expected = theirs((X - 0.5) / 0.25)
        assert torch.equal(ours(X), expected)
        assert expected.isfinite().all()
        assert (expected[0] - expected[1]).abs().max() > 0
        hooks = ARCHITECTURES[backbone].hooks
        assert len(NETWORKS) > 20
        assert [name for name, _ in ours.named_children()] == ["normalize", "stem", *hooks, "head"]
        for hook in hooks:
            split = cut(ours, backbone, hook)
            features = split.featurizer(X)
            kept = features.clone()
            assert torch.equal(split.decider(features), expected), hook
            assert torch.equal(features, kept), f"the decider behind {hook} changes what it is given"
            assert is_rectified(backbone, hook) == bool(features.min() >= 0), hook


@pytest.mark.parametrize("backbone", [name for name in NETWORKS if name.endswith(OFTEN)])
def test_a_folded_copy_answers_the_same_up_to_rounding(backbone: str) -> None:
    with torch.device("meta"):
        ours = build_network(backbone, classes=5)
    hooks = ARCHITECTURES[backbone].hooks
    split = cut(filled(ours), backbone, hooks[len(hooks) // 2])
    ours.get_submodule("normalize").load_state_dict(COLORS)
    x = X
    with torch.no_grad():
        for part in (split.featurizer, split.decider):
            answer = part(x)
            scale = answer.abs().max()
            assert scale > 0
            assert (fold(part)(x) - answer).abs().max() < 1e-4 * scale
            x = answer


def test_some_shapes_literally() -> None:
    rows = {
        ("timm:convnext_tiny", "stage2", 224): (192, 28, 28),
        ("timm:efficientnet_b0", "stage5", 64): (112, 4, 4),
        ("timm:mobilenetv3_large_100", "stage7", 64): (960, 2, 2),
        ("timm:regnety_008", "stage1", 32): (64, 8, 8),
    }
    for (backbone, hook, side), shape in rows.items():
        with torch.device("meta"):
            network = build_network(backbone, classes=10)
            assert feature_shape(cut(network, backbone, hook).featurizer, side) == shape


def test_a_network_that_changes_what_it_is_given_does_not_any_more() -> None:
    network = build_network("timm:mobilenetv2_100", classes=5)
    assert not any(getattr(layer, "inplace", False) for layer in network.modules())
    assert any(getattr(layer, "inplace", False) for layer in created("timm:mobilenetv2_100").modules())


def test_another_number_of_classes_leaves_the_last_layer_as_it_was() -> None:
    with torch.device("meta"):
        given = filled(created("timm:regnetx_002", 1000)).state_dict()
    assert load_weights(build_network("timm:regnetx_002", classes=5), given) == ("head.1.fc",)


def test_a_network_without_stages_is_refused() -> None:
    with torch.device("meta"), pytest.raises(ScenarioError, match=r"has no stages but base_layer, level0, .*plugin"):
        pieces_of_timm_stages(created("timm:dla34"))
