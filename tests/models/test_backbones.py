import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from collab.architectures import ARCHITECTURES
from collab.errors import ResourceError, ScenarioError
from collab.models.backbones import build_network, build_split, cut, feature_shape, is_rectified
from collab.models.layers import SampledConvolution, convolution
from tests.digests import state_digest

SMALL = ("resnet8", "resnet14", "resnet20", "resnet18_small", "resnet18_small_mlp", "vgg16_small")
CONVOLUTIONAL = tuple(n for n, kind in ARCHITECTURES.items() if kind.layout == "maps" and not n.startswith("timm:"))
"""timm's stand in test_timm_networks.py."""

"""Those of tokens are tried in test_transformers.py."""

LARGE = tuple(name for name in CONVOLUTIONAL if name not in SMALL)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def stirred(network: nn.Module) -> nn.Module:
    """Eval mode, and BatchNorms that do something: new ones are nearly the identity."""
    torch.manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.8, 1.2)
            nn.init.uniform_(layer.bias, -0.2, 0.2)
            nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            nn.init.uniform_(layer.running_var, 0.8, 1.2)
    return network.eval()


def expected_shape(backbone: str, hook: str, side: int) -> tuple[int, int, int]:
    """The table of SCIENCE 2.1 as formulas; written apart from `ARCHITECTURES`, which only names the hooks."""
    where, _, block = hook.partition("_")
    if where in ("avgpool", "fc"):
        return {"resnet18_small_mlp": 256, "resnet50_mlp": 2048 if where == "avgpool" else 1000}[backbone], 1, 1
    stage = int(where[-1])
    if backbone == "vgg16_small":
        halvings = stage - (not hook.startswith("pool"))
        return (32, 64, 128, 256, 256)[stage - 1], side >> halvings, side >> halvings
    if backbone in SMALL:
        return 32 << (stage - 2), side >> (stage - 2), side >> (stage - 2)
    if backbone == "vgg16_bn":
        halvings = stage - (not hook.startswith("pool"))
        return (64, 128, 256, 512, 512)[stage - 1], side >> halvings, side >> halvings
    channels = 64 << (stage - 2)
    if backbone == "densenet121":
        channels += 32 * (int(block) if block else (6, 12, 24, 16)[stage - 2])
    elif backbone not in ("resnet18", "resnet34"):
        channels *= 4
    return channels, side >> stage, side >> stage


@pytest.mark.parametrize(("backbone", "side"), [(n, s) for n in SMALL for s in (32, 64)] + [(n, 224) for n in LARGE])
def test_features_have_the_shapes_of_the_table(backbone: str, side: int) -> None:
    with torch.device("meta"):
        network = build_network(backbone, classes=10).eval()
        reached, at = torch.zeros(1, 3, side, side), 0
    hooks = ARCHITECTURES[backbone].hooks
    for hook in hooks:
        featurizer = cut(network, backbone, hook).featurizer
        reached, at = featurizer[at:](reached), len(featurizer)  # each piece once, not once for each hook
        assert tuple(reached.shape[1:]) == expected_shape(backbone, hook, side), hook
    middle = hooks[len(hooks) // 2]
    assert feature_shape(cut(network, backbone, middle).featurizer, side) == expected_shape(backbone, middle, side)


def test_some_rows_of_the_table_literally() -> None:
    rows = {
        ("resnet18", "conv4_1", 224): (256, 14, 14),
        ("resnet101", "conv4_1", 224): (1024, 14, 14),
        ("densenet121", "conv3_0", 224): (128, 28, 28),
        ("densenet121", "conv5", 224): (1024, 7, 7),
        ("vgg16_bn", "pool5", 224): (512, 7, 7),
        ("resnet18_small", "conv4_1", 32): (128, 8, 8),
    }
    for (backbone, hook, side), shape in rows.items():
        with torch.device("meta"):
            assert feature_shape(build_split(backbone, hook, classes=10).featurizer, side) == shape


@pytest.mark.parametrize("backbone", CONVOLUTIONAL)
def test_every_piece_between_stem_and_head_is_a_hook_and_hooks_go_deeper(backbone: str) -> None:
    with torch.device("meta"):
        network = build_network(backbone, classes=10)
    hooks = ARCHITECTURES[backbone].hooks
    names = [name for name, _ in network.named_children() if name not in ("normalize", "stem", "head")]
    assert names == [hook for hook in hooks if "_" in hook or "pool" in hook or hook == "fc"]
    depths = [len(cut(network, backbone, hook).featurizer) for hook in hooks]
    assert depths == sorted(depths)
    assert depths[0] >= 2
    assert depths[-1] == len(network) - 1


@pytest.mark.parametrize("backbone", CONVOLUTIONAL)
def test_decider_after_featurizer_is_the_whole_network_to_the_last_bit(backbone: str) -> None:
    torch.manual_seed(0)
    network = build_network(backbone, classes=10, mean=MEAN, std=STD)
    stirred(network)
    assert not any(getattr(part, "inplace", False) for part in network.modules())
    side = 32 if backbone in SMALL else 64
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        whole = reference(
            backbone, network, (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
        )
        assert whole.std() > 0
        reached, seen = images, 0
        for hook in ARCHITECTURES[backbone].hooks:
            split = cut(network, backbone, hook)
            # Features of the pieces since the last hook: each piece is computed once, not once for each hook.
            reached, seen = split.featurizer[seen:](reached), len(split.featurizer)
            kept = reached.clone()
            logits = split.decider(reached)
            assert torch.equal(logits, whole), hook
            assert torch.equal(reached, kept), f"the decider after {hook} changes the features it is given"
            assert not is_rectified(backbone, hook) or reached.min() >= 0, hook
            assert is_rectified(backbone, hook) or reached.min() < 0, hook
        middle = cut(network, backbone, ARCHITECTURES[backbone].hooks[-2])
        assert torch.equal(middle.decider(middle.featurizer(images)), whole)


def reference(backbone: str, network: nn.Sequential, normalized: torch.Tensor) -> torch.Tensor:
    """The same weights in torchvision's own model, or in the equations of a small ResNet."""
    if backbone == "vgg16_small":
        return small_vgg(network, normalized)
    if backbone in SMALL:
        return small_resnet(network, normalized)
    from torchvision.models import get_model

    with torch.device("meta"):
        has_mlp = backbone.endswith("_mlp")
        whole = get_model(backbone.removesuffix("_mlp"), weights=None, num_classes=1000 if has_mlp else 10).eval()
    # State dicts list layers in the order of the network in both; a swap would show as another shape or another result.
    theirs, ours = whole.state_dict(), (network[1:-1] if has_mlp else network[1:]).state_dict()
    assert len(theirs) == len(ours)
    values = list(ours.values())
    assert [value.shape for value in theirs.values()] == [value.shape for value in values]
    whole.load_state_dict(dict(zip(theirs, values, strict=True)), assign=True)
    return mlp(network, whole(normalized)) if has_mlp else whole(normalized)


def mlp(network: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    """The two layers after fc in Xiao et al.'s networks."""
    held = network.state_dict()
    hidden = functional.linear(x.relu(), held["head.2.weight"], held["head.2.bias"]).relu()
    return functional.linear(hidden, held["head.4.weight"], held["head.4.bias"])


def small_vgg(network: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    held = dict(network.state_dict())
    for name, _ in network.named_children():
        if name.startswith("conv"):
            norm = (held[f"{name}.1.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
            x = functional.batch_norm(functional.conv2d(x, held[f"{name}.0.weight"], padding=1), *norm).relu()
        elif name.startswith("pool"):
            x = functional.max_pool2d(x, 2)
    x = functional.adaptive_avg_pool2d(x, 1).flatten(1)
    for layer in (2, 5):
        x = functional.linear(x, held[f"head.{layer}.weight"], held[f"head.{layer}.bias"]).relu()
    return functional.linear(x, held["head.8.weight"], held["head.8.bias"])


def small_resnet(network: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    held = dict(network.state_dict())

    def conv(x: torch.Tensor, name: str, bn: str, stride: int = 1) -> torch.Tensor:
        weight = held[f"{name}.weight"]
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        norm = (held[f"{bn}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *norm)

    x = conv(x, "stem.0", "stem.1").relu()
    for name, _ in network.named_children():
        if name.startswith("conv"):
            stride = 2 if f"{name}.shortcut.0.weight" in held else 1
            assert (stride == 2) == (name.endswith("_1") and name != "conv2_1")
            out = conv(x, f"{name}.body.0", f"{name}.body.1", stride).relu()
            out = conv(out, f"{name}.body.3", f"{name}.body.4")
            x = (out + (conv(x, f"{name}.shortcut.0", f"{name}.shortcut.1", stride) if stride == 2 else x)).relu()
    pooled = functional.adaptive_avg_pool2d(x, 1).flatten(1)
    if "fc.1.weight" in held:
        return mlp(network, functional.linear(pooled, held["fc.1.weight"], held["fc.1.bias"]))
    return functional.linear(pooled, held["head.2.weight"], held["head.2.bias"])


def test_torchvision_weights_are_torchvisions_own() -> None:
    """Equal random seeds give equal networks: nothing is initialized anew, and the hook plays no part."""
    from torchvision.models import get_model

    torch.manual_seed(3)
    theirs = get_model("resnet18", weights=None, num_classes=7).state_dict().values()
    for hook in ("conv2_1", "conv5"):
        torch.manual_seed(3)
        split = build_split("resnet18", hook, classes=7)
        ours = [*list(split.featurizer.state_dict().values())[2:], *split.decider.state_dict().values()]
        assert all(torch.equal(a, b) for a, b in zip(theirs, ours, strict=True))


def test_small_weights_do_not_depend_on_the_hook() -> None:
    digests = set()
    for hook in ARCHITECTURES["resnet14"].hooks:
        torch.manual_seed(4)
        split = build_split("resnet14", hook, classes=10, width=16)
        digests.add(state_digest(nn.Sequential(*split.featurizer, *split.decider)))
    assert len(digests) == 1


def test_depth_counts_weighted_layers() -> None:
    for backbone, depth in {"resnet8": 8, "resnet14": 14, "resnet20": 20, "resnet18_small": 18}.items():
        network = build_network(backbone, classes=10)
        layers = [name for name, part in network.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)]
        assert len([name for name in layers if "shortcut" not in name]) == depth


def test_convolutions_are_initialized_by_kaiming() -> None:
    weight = build_network("resnet8", classes=10, width=64).get_submodule("conv4_1.body.3").weight
    assert weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_a_strided_convolution_of_few_channels_is_torchs_own(monkeypatch: pytest.MonkeyPatch, capability: str) -> None:
    """In channels that lie apart, which oneDNN gets right everywhere; where they lie last it may overrun memory."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    (ours,) = convolution(4, 8, 1, stride=2, norm=False)
    assert isinstance(ours, SampledConvolution)
    torchs = nn.Conv2d(4, 8, 1, stride=2)
    torchs.load_state_dict(ours.state_dict())
    images = torch.randn(2, 4, 7, 6)
    answers, expected = ours(images), torchs(images)
    torch.testing.assert_close(answers, expected)
    for layer, answer in ((ours, answers), (torchs, expected)):
        answer.square().sum().backward()
        assert layer.weight.grad is not None
    torch.testing.assert_close(ours.weight.grad, torchs.weight.grad)


def test_strided_convolutions_of_few_channels_do_not_overrun_memory() -> None:
    """Found on a processor with AVX2 alone: torch 2.14.1, oneDNN's issue 6035; there the process dies in some steps."""
    network = build_network("resnet8", classes=4, width=4).to(memory_format=torch.channels_last)
    for _ in range(100):
        images = torch.randn(8, 3, 16, 16).contiguous(memory_format=torch.channels_last)
        network(images).square().mean().backward()
    assert all(torch.isfinite(part.grad).all() for part in network.parameters() if part.grad is not None)


def test_width_is_for_small_networks() -> None:
    default, narrow = (build_split("resnet8", "conv3_1", classes=4, width=width) for width in (None, 16))
    assert feature_shape(default.featurizer, 32) == (64, 16, 16)
    assert feature_shape(narrow.featurizer, 32) == (32, 16, 16)
    with pytest.raises(ScenarioError, match=r"resnet50 has fixed widths, so `width: 64`.*resnet8"):
        build_split("resnet50", "conv4_1", classes=4, width=64)


@pytest.mark.parametrize("is_training", [True, False])
def test_the_shape_is_found_without_a_trace(is_training: bool) -> None:
    featurizer = build_split("resnet8", "conv3_1", classes=4).featurizer.train(is_training)
    frozen_part = next(part for part in featurizer.modules() if isinstance(part, nn.BatchNorm2d)).eval()
    before, generator = state_digest(featurizer), torch.get_rng_state()
    assert feature_shape(featurizer, 48) == (64, 24, 24)
    assert state_digest(featurizer) == before
    assert featurizer.training == is_training
    assert not frozen_part.training
    assert all(value.device.type == "cpu" for value in featurizer.state_dict().values())
    assert torch.equal(torch.get_rng_state(), generator)


@pytest.mark.parametrize(
    ("backbone", "hook", "what"),
    [
        ("resnet9", "conv3_1", "'resnet9'.*resnet8"),
        ("resnet8", "conv3_2", "cut at 'conv3_2'.*conv3_1"),
        ("vgg16_bn", "conv3_", "pool5"),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(backbone: str, hook: str, what: str) -> None:
    with pytest.raises(ScenarioError, match=what):
        build_split(backbone, hook, classes=4)
    with pytest.raises(ScenarioError):
        is_rectified(backbone, hook)


def test_a_broken_torchvision_is_named_with_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ResourceError, match=rf"torch {torch.__version__.replace('+', '.')} and torchvision [0-9m]"):
        build_split("resnet18", "conv4_1", classes=4)
    build_split("resnet8", "conv3_1", classes=4)
