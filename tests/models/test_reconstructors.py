import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from collab.errors import ScenarioError
from collab.models.layers import Residual
from collab.models.reconstructors import build_reconstructor


def kinds_of(network: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(part, kind) for part in network.modules())


@given(
    kind=st.from_regex(r"[pr]x[1-3]s[24](-c)?", fullmatch=True) | st.just("unet"),
    feature=st.tuples(st.sampled_from([3, 8, 32, 48]), st.integers(1, 9), st.integers(1, 9)),
    side=st.integers(9, 24),
    upscale=st.sampled_from(["nearest", "bilinear"]),
)
def test_images_have_the_asked_size_and_range(
    kind: str, feature: tuple[int, int, int], side: int, upscale: str
) -> None:
    torch.manual_seed(0)
    network = build_reconstructor(kind, feature, side, tail_blocks=1, upscale=upscale).eval()
    features = torch.rand(2, *feature)
    kept = features.clone()
    images = network(features)
    assert images.shape == (2, 3, side, side)
    assert 0 <= images.min() <= images.max() <= 1
    assert torch.equal(features, kept)


@pytest.mark.parametrize(
    ("kind", "side", "stacks", "sizes"),
    [
        ("px2s2", 14, 4, [28, 56, 112, 224]),
        ("px2s4", 14, 2, [56, 224]),
        ("rx4s2", 8, 2, [16, 32]),
        ("rx4s4", 8, 1, [32]),
        ("px2s4", 16, 1, [32]),  # upscaled by the remainder
        ("px2s4", 8, 2, [32, 64]),
        ("px2s2", 32, 0, []),
    ],
)
def test_stacks_are_those_of_the_text(kind: str, side: int, stacks: int, sizes: list[int]) -> None:
    with torch.device("meta"):
        network = build_reconstructor(kind, (128, side, side), sizes[-1] if sizes else side)
    found = [part.size[0] for part in network.modules() if isinstance(part, nn.Upsample)]
    assert found == sizes
    assert len(found) == stacks
    blocks = stacks * int(kind[2]) + 2
    assert kinds_of(network, Residual) == (blocks if kind[0] == "r" else 0)
    # One ReLU in a block, one in the tail; two norms in a block, one in the tail.
    assert kinds_of(network, nn.ReLU) == blocks + 1
    assert kinds_of(network, nn.BatchNorm2d) == 2 * blocks + 1
    widths = [part.in_channels for part in network.modules() if isinstance(part, nn.Conv2d) and part.out_channels == 3]
    assert widths == [max(128 >> stacks, 32)]


def test_parameters_as_computed_by_hand() -> None:
    def block(c: int) -> int:
        m = max(c // 4, 16)
        return c * m + 2 * m + 9 * m * m + 2 * m + m * c + c

    def tail(c: int) -> int:
        return 2 * block(c) + c * c + 2 * c + 3 * c + 3

    expected = 2 * block(128) + (128 * 64 + 64) + 2 * block(64) + (64 * 32 + 32) + tail(32)
    assert sum(value.numel() for value in build_reconstructor("px2s2", (128, 8, 8), 32).parameters()) == expected
    # At 32 channels nothing is halved.
    narrow = build_reconstructor("px2s2", (32, 16, 16), 32)
    assert sum(value.numel() for value in narrow.parameters()) == 2 * block(32) + tail(32)


def test_min_max_is_taken_image_by_image() -> None:
    torch.manual_seed(0)
    network = build_reconstructor("px1s2", (16, 4, 4), 8).eval()
    features = torch.rand(3, 16, 4, 4)
    images = network(features)
    assert torch.equal(images.amin((1, 2, 3)), torch.zeros(3))
    torch.testing.assert_close(images.amax((1, 2, 3)), torch.ones(3), rtol=0, atol=1e-3)
    others = features.clone()
    others[1:] *= 100
    torch.testing.assert_close(network(others)[0], images[0])


def test_a_clamp_starts_where_it_can_learn() -> None:
    torch.manual_seed(0)
    images = build_reconstructor("px2s2-c", (16, 4, 4), 8).train()(torch.rand(8, 16, 4, 4))
    assert ((images > 0) & (images < 1)).float().mean((0, 2, 3)).min() > 0.5


def test_without_tail_blocks_nearest_upscaling_shows_squares_and_bilinear_does_not() -> None:
    torch.manual_seed(0)

    def squares(upscale: str, tail_blocks: int) -> float:
        network = build_reconstructor("px2s2", (16, 8, 8), 16, tail_blocks=tail_blocks, upscale=upscale).eval()
        images = network(torch.rand(1, 16, 8, 8))
        return (images[..., ::2, ::2] - images[..., 1::2, 1::2]).abs().max().item()

    assert squares("nearest", 0) == 0
    assert squares("bilinear", 0) > 1e-3
    assert squares("nearest", 2) > 1e-3


def test_identity_sums_are_what_r_adds() -> None:
    for kind, changes in (("p", True), ("r", False)):
        block = build_reconstructor(f"{kind}x1s2", (16, 4, 4), 8)[0].eval()
        for value in block.parameters():
            nn.init.zeros_(value)
        x = torch.rand(1, 16, 4, 4)
        assert torch.equal(block(x), x) != changes


@pytest.mark.parametrize("kind", ["px0s2", "qx2s2", "px2s3", "px2s2-d", "px2s2\n", "", "px12s2"])
def test_unknown_kinds_are_refused(kind: str) -> None:
    with pytest.raises(ScenarioError, match="there is no kind"):
        build_reconstructor(kind, (16, 4, 4), 8)


def test_features_larger_than_the_image_are_refused() -> None:
    with pytest.raises(ScenarioError, match="features of 16×16 are larger than the images of 8×8"):
        build_reconstructor("px2s2", (16, 16, 16), 8)
