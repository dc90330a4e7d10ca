import copy

import pytest
import torch
from torch import nn

from collab.architectures import ARCHITECTURES
from collab.defenses.dpm_network import build_dpm
from collab.models.backbones import Split, build_split
from collab.models.freeze import fold, freeze
from collab.models.reconstructors import build_reconstructor
from tests.digests import state_digest

CONVOLUTIONAL = [n for n, kind in ARCHITECTURES.items() if kind.layout == "maps" and not n.startswith("timm:")]
"""Of timm's test_timm_networks.py sees what they answer."""


def stirred(network: nn.Module) -> nn.Module:
    """BatchNorms that do something, so that folding has something to fold."""
    generator = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for value, low in (
                (layer.weight, 0.8),
                (layer.bias, -0.2),
                (layer.running_mean, -0.2),
                (layer.running_var, 0.8),
            ):
                value.data.uniform_(low, low + 0.4, generator=generator)
    return network


def split(backbone: str, hook: str, width: int | None = None) -> Split:
    torch.manual_seed(0)
    return build_split(backbone, hook, classes=10, width=width)


def norms(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in network.modules())


CASES = {
    "small decider": (lambda: split("resnet14", "conv3_1", 16).decider, (32, 16, 16), 0),
    "small featurizer": (lambda: split("resnet18_small", "conv4_1").featurizer, (3, 32, 32), 0),
    "resnet18 decider": (lambda: split("resnet18", "conv4_1").decider, (256, 4, 4), 0),
    "resnet50 decider": (lambda: split("resnet50", "conv5_1").decider, (2048, 2, 2), 0),
    "resnext featurizer": (lambda: split("resnext50_32x4d", "conv2_1").featurizer, (3, 64, 64), 0),
    "biases as in vgg": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()), (3, 16, 16), 0),
    # In a dense layer only the second norm follows a convolution, the first one a concatenation.
    "densenet featurizer": (lambda: split("densenet121", "conv2_3").featurizer, (3, 64, 64), 3),
    "densenet decider": (lambda: split("densenet121", "conv5_14").decider, (960, 2, 2), 3),
    "px2s2": (lambda: build_reconstructor("px2s2", (32, 8, 8), 32), (32, 8, 8), 0),
    "rx2s4-c": (lambda: build_reconstructor("rx2s4-c", (128, 8, 8), 32, upscale="bilinear"), (128, 8, 8), 0),
    "dpm": (lambda: build_dpm(32), (32, 8, 8), 0),
}


@pytest.mark.parametrize("name", CASES)
def test_folding_removes_norms_and_nothing_else(name: str) -> None:
    build, shape, left = CASES[name]
    torch.manual_seed(0)
    network = stirred(build())
    before = state_digest(network)
    copied = fold(network)
    assert norms(network) > norms(copied) == left
    assert network.training
    assert all(value.requires_grad for value in network.parameters())
    assert state_digest(network) == before

    network.eval()
    inputs = [torch.rand(2, *shape, generator=torch.Generator().manual_seed(2)).requires_grad_() for _ in range(2)]
    outputs = [net(x) for net, x in zip((network, copied), inputs, strict=True)]
    scale = outputs[0].abs().max()
    assert scale > 0
    assert (outputs[0] - outputs[1]).abs().max() <= 1e-5 * scale
    for out in outputs:
        out.square().sum().backward()
    gradient, other = (x.grad for x in inputs)
    assert gradient.abs().max() > 0
    # ReLUs within rounding of 0 may switch, which moves single entries: compared as a whole.
    assert (gradient - other).norm() <= 1e-3 * gradient.norm()
    assert all(value.grad is None and not value.requires_grad for value in copied.parameters())
    assert not any(part.training for part in copied.modules())


def test_a_folded_network_drops_nothing_out() -> None:
    torch.manual_seed(0)
    tail = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    x = torch.rand(2, 4, 8, 8)
    assert torch.equal(fold(tail)(x), fold(tail)(x))


@pytest.mark.parametrize("backbone", CONVOLUTIONAL)
def test_both_halves_of_every_backbone_can_be_folded(backbone: str) -> None:
    hooks = ARCHITECTURES[backbone].hooks
    with torch.device("meta"):
        whole = build_split(backbone, hooks[len(hooks) // 2], classes=10)
        x = torch.zeros(1, 3, 64, 64)
        for part in (whole.featurizer, whole.decider):
            copied = fold(part)
            if backbone != "densenet121":
                assert norms(copied) == 0
            assert norms(copied) < norms(part)
            x = copied(x)
    assert x.shape == (1, 10)


def test_a_network_that_cannot_be_traced_is_frozen_as_it_is() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = stirred(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x if x.sum() > 0 else -x)

    network, x = Branching(), torch.rand(2, 1, 3, 3)
    copied = fold(network)
    assert torch.equal(copied(x), network.eval()(x))
    assert not any(value.requires_grad for value in copied.parameters())
    assert all(value.requires_grad for value in network.parameters())


def test_a_frozen_network_keeps_its_state_through_training_around_it() -> None:
    network = freeze(split("resnet8", "conv3_1", 8).decider)
    before = state_digest(network)
    x = torch.rand(8, 16, 8, 8, requires_grad=True)
    network(x).square().sum().backward()
    assert state_digest(network) == before
    assert x.grad.abs().sum() > 0
    assert all(value.grad is None for value in network.parameters())


def test_a_forgotten_freeze_is_seen_by_the_digest() -> None:
    network = split("resnet8", "conv3_1", 8).decider
    before = state_digest(network)
    network(torch.rand(8, 16, 8, 8))  # still in training mode: BatchNorm learns from what passes
    assert state_digest(network) != before


def test_digest_is_of_the_state_alone() -> None:
    network = split("resnet8", "conv3_1", 8).decider
    first = state_digest(network)
    assert (
        first
        == state_digest(copy.deepcopy(network).to(memory_format=torch.channels_last))
        == state_digest(freeze(network))
    )
    assert first != state_digest(split("resnet8", "conv3", 16).decider)


@pytest.mark.parametrize("name", ["weight", "running_var", "num_batches_tracked"])
def test_digest_sees_one_changed_bit_of_any_tensor(name: str) -> None:
    norm = nn.BatchNorm2d(3)
    before = state_digest(norm)
    value = norm.state_dict()[name]
    value.view(-1).view(torch.uint8)[0] ^= 1
    assert state_digest(norm) != before


def test_digest_sees_names_types_and_shapes() -> None:
    zeros = [
        nn.ParameterDict({"a": torch.zeros(2, 3)}),
        nn.ParameterDict({"b": torch.zeros(2, 3)}),
        nn.ParameterDict({"a": torch.zeros(3, 2)}),
        nn.ParameterDict({"a": torch.zeros(6)}),
        nn.ParameterDict({"a": torch.zeros(2, 6, dtype=torch.bfloat16)}),
        nn.ParameterDict({"a": torch.zeros(2, 6, dtype=torch.float16)}),
    ]
    assert len({state_digest(net) for net in zeros}) == len(zeros)
