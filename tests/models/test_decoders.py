from itertools import pairwise

import pytest
import torch
from torch import nn

from collab.errors import ScenarioError
from collab.models.backbones import build_split
from collab.models.decoders import build_decoder, build_discriminator, build_obfuscator_reconstructor
from collab.models.small import vgg_pieces


def size(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


def conv(inputs: int, outputs: int, side: int) -> int:
    return inputs * outputs * side * side


def test_deepobfuscators_networks_have_the_papers_sizes() -> None:
    """SCIENCE 2.4, written out layer by layer; a BatchNorm has two values for each channel and makes a bias idle."""
    with torch.device("meta"):
        pieces = vgg_pieces((2, 2, 3, 3, 3), 20, 64, map_size=(6, 5))
        names = list(pieces)
        cut = names.index("pool2") + 1
        obfuscator = nn.Sequential(*(pieces[name] for name in names[:cut]))
        classifier = nn.Sequential(*(pieces[name] for name in names[cut:]))
        rebuild = build_obfuscator_reconstructor((128, 54, 44), (218, 178))
        images = torch.zeros(2, 3, 218, 178)
        features = obfuscator(images)
        assert features.shape == (2, 128, 54, 44)
        assert classifier.eval()(features).shape == (2, 20)
        assert rebuild(features).shape == images.shape
    widths = [3, 64, 64, 128, 128]
    assert size(obfuscator) == sum(conv(a, b, 3) + 2 * b for a, b in pairwise(widths))
    widths = [128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    full = [15_360, 4096, 4096, 20]
    assert size(classifier) == sum(conv(a, b, 3) + 2 * b for a, b in pairwise(widths)) + sum(
        a * b + b for a, b in pairwise(full)
    )
    widths = [(128, 128), (128, 64), (64, 64), (64, 3)]
    assert size(rebuild) == sum(2 * a + conv(a, b, 3) + b for a, b in widths)


@pytest.mark.parametrize("side", [32, 64])
def test_the_small_vgg_is_that_network_with_other_widths(side: int) -> None:
    split = build_split("vgg16_small", "pool2", classes=20, width=8)
    features = split.featurizer(torch.rand(2, 3, side, side))
    assert features.shape == (2, 16, side // 4, side // 4)
    assert split.decider.eval()(features).shape == (2, 20)
    assert build_obfuscator_reconstructor((16, side // 4, side // 4), (side, side))(features).shape == (
        2,
        3,
        side,
        side,
    )


def test_the_papers_decoder_reverses_a_resnet50_from_its_last_layer() -> None:
    with torch.device("meta"):
        decoder = build_decoder((1000, 1, 1), 224, top=2048, blocks=(3, 6, 4, 3, 1))
        assert decoder(torch.zeros(2, 1000, 1, 1)).shape == (2, 3, 224, 224)

    def block(channels: int) -> int:
        middle = channels // 4
        return 2 * conv(channels, middle, 1) + conv(middle, middle, 3) + 4 * middle + 2 * channels

    layout = 1000 * 2048 * 49 + 2048 * 49
    stages = zip((2048, 1024, 512, 256, 128), (3, 6, 4, 3, 1), strict=True)
    body = sum(count * block(c) + conv(c, c // 2, 3) + 2 * (c // 2) for c, count in stages)
    assert size(decoder) == layout + body + conv(64, 3, 3) + 3


@pytest.mark.parametrize("hook", ["conv2", "conv3", "conv4", "conv5", "avgpool", "fc"])
def test_there_is_a_decoder_for_each_layer_of_table_3(hook: str) -> None:
    split = build_split("resnet18_small_mlp", hook, classes=4, width=4)
    features = split.featurizer(torch.rand(2, 3, 32, 32))
    rebuilt = build_decoder(tuple(features.shape[1:]), 32)(features)
    assert rebuilt.shape == (2, 3, 32, 32)
    assert 0 <= rebuilt.min() <= rebuilt.max() <= 1
    assert rebuilt.std() > 0


def test_a_map_that_cannot_be_doubled_to_the_image_is_refused() -> None:
    with pytest.raises(ScenarioError, match="8×8 do not double to images of 24×24"):
        build_decoder((16, 8, 8), 24)


@pytest.mark.parametrize(("side", "last"), [(32, 4), (64, 4), (224, 7)])
def test_the_discriminator_ends_in_one_logit(side: int, last: int) -> None:
    with torch.device("meta"):
        network = build_discriminator(side, width=4)
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 1)
    assert network[-1].in_features % (last * last) == 0
