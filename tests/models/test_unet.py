"""The U-Net from features: its levels, what flows past the middle, and that it can stand in the place of an R."""

import pytest
import torch
from torch import nn

from collab.errors import ScenarioError
from collab.models.freeze import fold
from collab.models.reconstructors import build_reconstructor
from collab.models.unet import FeatureUNet


@pytest.mark.parametrize(
    ("feature", "side", "down", "rises"),
    [
        ((32, 16, 16), 32, [8, 4], [32]),
        ((32, 32, 32), 32, [16, 8, 4], []),
        ((48, 8, 8), 32, [4], [16, 32]),
        ((48, 2, 2), 9, [], [4, 8, 9]),  # the last by what remains
        ((96, 14, 14), 224, [7], [28, 56, 112, 224]),
    ],
)
def test_levels_are_those_of_the_text(
    feature: tuple[int, int, int], side: int, down: list[int], rises: list[int]
) -> None:
    network = FeatureUNet(feature, side).eval()
    seen: dict[str, list[int]] = {"down": [], "rise": []}
    for name, layers in (("down", network.down), ("rise", network.rise)):
        for level in layers:
            level.register_forward_hook(lambda _, __, out, name=name: seen[name].append(out.shape[-1]))
    network(torch.rand(1, *feature))
    assert seen == {"down": down, "rise": rises}
    levels = len(down) + 1 + len(down) + len(rises)
    assert sum(isinstance(part, nn.BatchNorm2d) for part in network.modules()) == 2 * levels
    assert sum(isinstance(part, nn.Conv2d) for part in network.modules()) == 2 * levels + 1


def test_parameters_as_computed_by_hand() -> None:
    def double(a: int, b: int) -> int:
        return 9 * a * b + 2 * b + 9 * b * b + 2 * b

    # Features of 16 pixels have 32 channels, those below 64 and 128; full size has 16.
    way_down, way_up = double(12, 32) + double(32, 64) + double(64, 128), double(192, 64) + double(96, 32)
    expected = way_down + way_up + double(32, 16) + 3 * 16 + 3
    assert sum(value.numel() for value in FeatureUNet((12, 16, 16), 32).parameters()) == expected


def test_each_place_of_the_features_is_seen_past_the_middle() -> None:
    torch.manual_seed(0)
    network = FeatureUNet((4, 12, 12), 24).eval()
    features = torch.rand(1, 4, 12, 12)
    before = network(features)
    with torch.no_grad():
        for layer in network.down.parameters():
            layer.zero_()  # nothing comes from below
    changed = features.clone()
    changed[:, :, 2, 5] += 3
    moved = (network(changed) - network(features)).abs().amax((0, 1))
    assert moved[4:6, 10:12].min() > 0  # by the map that goes across
    assert moved[-3:, :3].max() == 0  # which sees its neighborhood alone
    assert not torch.equal(network(features), before)


def test_folded_it_shows_the_same_and_gradients_reach_the_features() -> None:
    torch.manual_seed(0)
    network = build_reconstructor("unet", (12, 8, 8), 16)
    network.train()(torch.rand(16, 12, 8, 8))  # statistics of BatchNorm that are not those of the beginning
    features = torch.rand(3, 12, 8, 8, requires_grad=True)
    folded = fold(network)
    torch.testing.assert_close(folded(features), network.eval()(features))
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())  # or nothing was folded
    folded(features).sum().backward()
    assert features.grad is not None
    assert features.grad.abs().amin((0, 1)).min() > 0


def test_features_larger_than_the_image_are_refused() -> None:
    with pytest.raises(ScenarioError, match="features of 16×16 are larger than the images of 8×8"):
        build_reconstructor("unet", (16, 16, 16), 8)
