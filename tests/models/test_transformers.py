"""Transformers cut at every block: the whole is what the library computes, and no cut changes a bit of it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import SwinTransformer, VisionTransformer
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformerBlockV2

from collab.architectures import ARCHITECTURES, Architecture
from collab.errors import ScenarioError
from collab.models.backbones import build_network, build_split, cut, feature_shape, is_rectified
from collab.models.decoders import build_decoder
from collab.models.pretrained import names_in_library
from collab.models.reconstructors import build_reconstructor
from collab.models.timm_networks import pieces_of_timm_vit
from collab.models.tokens import MapToTokens, TokensToMap, blocks_of, resized
from collab.models.transformers import pieces_of_swin, pieces_of_vit

TRANSFORMERS = {name: kind for name, kind in ARCHITECTURES.items() if kind.layout != "maps"}
ONE_OF_A_FAMILY = [
    "vit6_small", "vit_b_32", "vit_l_16", "swin_t", "swin_s", "swin_v2_s", "timm:vit_tiny_patch16_224",
    "timm:vit_large_patch16_224", "timm:deit_tiny_patch16_224",
    "timm:vit_small_patch14_dinov2", "timm:vit_small_patch14_reg4_dinov2",
    "timm:vit_base_patch32_clip_224", "timm:vit_base_patch32_clip_quickgelu_224", "timm:vit_large_patch14_clip_224",
]  # fmt: skip
"""One size of each, and a second one where it differs in more than its widths."""

Build = Callable[[], nn.Module]


def timm_vit(**options: Any) -> nn.Module:
    timm = pytest.importorskip("timm")
    size = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 5}
    network: nn.Module = timm.models.vision_transformer.VisionTransformer(**(size | options))
    return network


SMALL: dict[str, tuple[Build, Callable[[Any], dict[str, nn.Module]], Architecture]] = {
    "torchvision's ViT": (
        partial(VisionTransformer, 32, 8, 2, 2, 16, 32, num_classes=5), pieces_of_vit, TRANSFORMERS["vit_b_16"]
    ),
    "torchvision's Swin": (
        partial(SwinTransformer, [2, 2], 8, [2, 1, 2], [2, 2, 2], [4, 4], num_classes=5),
        pieces_of_swin, TRANSFORMERS["swin_t"],
    ),
    "torchvision's Swin, second version": (
        partial(
            SwinTransformer, [2, 2], 8, [2, 1, 2], [2, 2, 2], [4, 4], num_classes=5,
            block=SwinTransformerBlockV2, downsample_layer=PatchMergingV2,
        ),
        pieces_of_swin, TRANSFORMERS["swin_v2_s"],
    ),
    "timm's ViT": (timm_vit, pieces_of_timm_vit, TRANSFORMERS["timm:vit_base_patch16_224"]),
    "DINOv2 with registers": (
        partial(timm_vit, reg_tokens=3, init_values=1.0, no_embed_class=True),
        pieces_of_timm_vit, Architecture("", (), layout="tokens", placeless=4),
    ),
    "CLIP's tower": (
        partial(timm_vit, pre_norm=True), pieces_of_timm_vit, TRANSFORMERS["timm:vit_base_patch16_clip_224"]
    ),
    "mean of tokens, none without a place": (
        partial(timm_vit, class_token=False, global_pool="avg"),
        pieces_of_timm_vit, Architecture("", (), layout="tokens"),
    ),
}  # fmt: skip


OTHER_LAYOUT = {"mean of tokens, none without a place"}
"""timm has its tokens there in another order in memory, and so adds in another."""


def stirred(network: nn.Module) -> nn.Module:
    """With every weight drawn anew: some libraries begin a head with zeros, which would answer all alike."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(weight + 0.2 * torch.randn(weight.shape, generator=generator))
    return network.eval()


def every_cut(pieces: dict[str, nn.Module], kind: Architecture, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each hook, and the network cut there, as `cut` does it for a backbone of the catalog."""
    hooks = tuple(name for name in pieces if name not in ("stem", "head"))
    small = Architecture("", (), tail=hooks, layout=kind.layout, placeless=kind.placeless)
    monkeypatch.setitem(ARCHITECTURES, "small one", small)
    network = nn.Sequential()
    for name, piece in {"normalize": nn.Identity(), **pieces}.items():
        network.add_module(name, piece)
    return [(hook, cut(network, "small one", hook)) for hook in hooks]


@pytest.mark.parametrize("name", SMALL)
def test_every_cut_computes_what_the_library_does_to_the_last_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build, pieces_of, kind = SMALL[name]
    network = stirred(build())
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        theirs, pieces = network(images), pieces_of(network)
        whole = nn.Sequential(*pieces.values())(images)
        assert whole.std() > 0
        if name in OTHER_LAYOUT:
            torch.testing.assert_close(whole, theirs, rtol=1e-4, atol=1e-5)
        else:
            assert torch.equal(whole, theirs)
        cuts = every_cut(pieces, kind, monkeypatch)
        assert len(cuts) >= 3
        for hook, split in cuts:
            features = split.featurizer(images)
            kept = features.clone()
            assert torch.equal(split.decider(features), whole), hook
            assert torch.equal(features, kept), f"the decider behind {hook} changes what it is given"
            maps = features
            for block in blocks_of(split.decider):  # as attacks look into C
                maps = block(maps)
                assert maps.shape[1:] == features.shape[1:] or torch.equal(maps, whole) or "Swin" in name
            assert torch.equal(maps, whole)
            assert features.is_contiguous()
            stored = features.flatten().clone().view(features.shape).contiguous(memory_format=torch.channels_last)
            assert torch.equal(split.decider(stored), whole), f"{hook}: laid out otherwise, as a shard may be"
            assert not kind.is_rectified(hook) or "conv" in hook or features.min() < 0


@pytest.mark.parametrize("name", SMALL)
def test_gradients_flow_through_every_cut_as_through_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build, pieces_of, kind = SMALL[name]
    network = stirred(build())
    images = torch.randn(2, 3, 32, 32)
    weight = next(network.parameters())
    (whole,) = torch.autograd.grad(network(images).square().sum(), weight)
    assert whole.abs().sum() > 0
    _, split = every_cut(pieces_of(network), kind, monkeypatch)[1]
    (cut_once,) = torch.autograd.grad(split.decider(split.featurizer(images)).square().sum(), weight)
    torch.testing.assert_close(cut_once, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backbone", ONE_OF_A_FAMILY)
def test_every_transformer_of_the_catalog_has_its_hooks_its_maps_and_its_names(backbone: str) -> None:
    if backbone.startswith("timm:"):
        pytest.importorskip("timm")
    kind, side = TRANSFORMERS[backbone], TRANSFORMERS[backbone].patch * 8
    with torch.device("meta"):  # no weight is drawn
        network = build_network(backbone, classes=5)
        pieces = [name for name, _ in network.named_children() if name not in ("normalize", "stem", "head")]
        assert pieces == [hook for hook in kind.hooks if kind.last_piece(hook) == hook]
        middle = cut(network, backbone, kind.hooks[len(kind.hooks) // 2])
        shape = feature_shape(middle.featurizer, side)
        images = torch.zeros(2, 3, side, side)
        assert middle.decider.eval()(middle.featurizer.eval()(images)).shape == (2, 5)
    if kind.layout == "tokens":
        assert shape[1:] == (8 + bool(kind.placeless), 8)
    names = names_in_library(network)
    assert names.keys() == {name for name in network.state_dict() if "normalize" not in name}
    assert len(set(names.values())) == len(names)


def test_some_rows_of_the_table_literally() -> None:
    rows = {
        ("vit_b_16", "block4", 224): (768, 15, 14),
        ("vit6_small", "embed", 32): (64, 9, 8),
        ("swin_t", "conv4_1", 224): (384, 14, 14),
        ("swin_t", "conv2", 64): (96, 16, 16),
    }
    for (backbone, hook, side), shape in rows.items():
        with torch.device("meta"):
            assert feature_shape(build_split(backbone, hook, classes=10).featurizer, side) == shape
        assert not is_rectified(backbone, hook)


@pytest.mark.parametrize("backbone", ["vit_b_16", "swin_t", "swin_v2_s"])
def test_every_tensor_of_torchvisions_has_its_name(backbone: str) -> None:
    from torchvision.models import get_model

    with torch.device("meta"):
        theirs, ours = get_model(backbone, weights=None).state_dict(), build_network(backbone, classes=5)
    assert sorted(names_in_library(ours).values()) == sorted(theirs)


def test_every_tensor_of_timms_has_its_name() -> None:
    timm = pytest.importorskip("timm")
    for backbone in ("timm:vit_small_patch14_reg4_dinov2", "timm:vit_base_patch16_clip_quickgelu_224"):
        with torch.device("meta"):
            theirs = timm.create_model(backbone.removeprefix("timm:"), pretrained=False, num_classes=5).state_dict()
            assert sorted(names_in_library(build_network(backbone, classes=5)).values()) == sorted(theirs)


@pytest.mark.parametrize("placeless", [0, 1, 3])
def test_a_map_holds_its_tokens_where_it_says(placeless: int) -> None:
    tokens = torch.randn(2, placeless + 9, 5)
    features = TokensToMap(placeless)(tokens)
    assert features.shape == (2, 5, 3 + bool(placeless), 3)
    assert torch.equal(features[1, :, -1, 0], tokens[1, placeless + 6])  # left in the lowest line of patches
    assert placeless == 0 or torch.equal(features[1, :, 0, placeless - 1], tokens[1, placeless - 1])
    assert torch.equal(MapToTokens(placeless)(features), tokens)
    if placeless:
        features[:, :, 0, placeless:] = 7.0  # a defense may write there; nobody reads it
        assert torch.equal(MapToTokens(placeless)(features), tokens)


def test_more_tokens_than_columns_are_refused() -> None:
    with pytest.raises(ScenarioError, match="5 tokens without a place do not fit above a grid of 4×4"):
        TokensToMap(5)(torch.zeros(1, 21, 3))


def test_positions_of_another_grid_are_torchs_own_resizing() -> None:
    positions = torch.randn(1, 2 + 49, 6)
    assert resized(positions, 2, 7) is positions
    for side in (4, 12):
        grid = positions[:, 2:].transpose(1, 2).unflatten(2, (7, 7))
        expected = functional.interpolate(grid, (side, side), mode="bicubic", antialias=True).flatten(2).transpose(1, 2)
        found = resized(positions, 2, side)
        torch.testing.assert_close(found[:, 2:], expected, rtol=1e-4, atol=1e-5)
        assert torch.equal(found[:, :2], positions[:, :2])


def test_what_rebuilds_images_sees_every_place_and_the_class_token() -> None:
    for build in (partial(build_reconstructor, "px2s2", tail_blocks=0), build_decoder):
        net = build((8, 5, 4), 16).eval()
        features = torch.randn(1, 8, 5, 4, requires_grad=True)
        images: Tensor = net(features)
        assert images.shape == (1, 3, 16, 16)
        (reach,) = torch.autograd.grad(images.square().sum(), features)
        assert bool((reach.abs().sum(1) > 0).all())


def test_a_width_of_the_small_one_is_its_own_and_images_of_other_sides_fit() -> None:
    split = build_split("vit6_small", "block2", classes=3, width=16)
    for side in (16, 32, 64):
        assert feature_shape(split.featurizer, side) == (16, side // 4 + 1, side // 4)
