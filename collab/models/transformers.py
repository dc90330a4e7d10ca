"""Vision transformers, untrained, cut into pieces at every block: torchvision's, and one for small images."""

import math
from typing import Any

from torch import nn

from collab.architectures import ARCHITECTURES
from collab.models.large import untrained
from collab.models.pretrained import note_names
from collab.models.tokens import FirstToken, Tokens


def vit(backbone: str, classes: int, width: None = None) -> dict[str, nn.Module]:
    """The pieces of torchvision's ViT; ResourceError where torchvision cannot be imported."""
    return pieces_of_vit(untrained(backbone, classes))


def small_vit(backbone: str, classes: int, width: int) -> dict[str, nn.Module]:
    """A ViT for images of 16 to 64 pixels, by torchvision's class: patches of 4 pixels, `width` values each."""
    from torchvision.models import VisionTransformer

    kind = ARCHITECTURES[backbone]
    network = VisionTransformer(
        image_size=32, patch_size=kind.patch, num_layers=len(kind.tail) - 1,
        num_heads=math.gcd(width, 4), hidden_dim=width, mlp_dim=4 * width, num_classes=classes,
    )  # fmt: skip
    note_names(network)
    return pieces_of_vit(network)


def pieces_of_vit(network: Any) -> dict[str, nn.Module]:
    """The pieces of a VisionTransformer of torchvision."""
    encoder = network.encoder
    embed = Tokens(network.conv_proj, encoder.pos_embedding, {"class_token": network.class_token})
    note_names(embed, {"positions": "encoder.pos_embedding", "class_token": "class_token"})
    blocks = {f"block{number}": block for number, block in enumerate(encoder.layers.children(), start=1)}
    return {"embed": embed, **blocks, "head": nn.Sequential(encoder.ln, FirstToken(), *network.heads.children())}


def swin(backbone: str, classes: int, width: None = None) -> dict[str, nn.Module]:
    """The pieces of torchvision's Swin; ResourceError where torchvision cannot be imported."""
    return pieces_of_swin(untrained(backbone, classes))


def pieces_of_swin(network: Any) -> dict[str, nn.Module]:
    """The pieces of a SwinTransformer of torchvision; merging of patches begins the stage behind it."""
    stem, *parts = network.features.children()
    pieces: dict[str, nn.Module] = {"stem": stem}
    merging: list[nn.Module] = []
    stage = 2
    for part in parts:
        if not isinstance(part, nn.Sequential):  # between stages
            merging, stage = [part], stage + 1
            continue
        for number, block in enumerate(part.children(), start=1):
            pieces[f"conv{stage}_{number}"] = nn.Sequential(*merging, block)
            merging = []
    tail = network.norm, network.permute, network.avgpool, network.flatten, network.head
    return {**pieces, "head": nn.Sequential(*tail)}
