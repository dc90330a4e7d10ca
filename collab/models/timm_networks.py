"""timm's networks, untrained, cut into pieces: transformers at every block, convolutional ones after every stage."""

from typing import Any, Final

from torch import nn

from collab.errors import ResourceError, ScenarioError
from collab.models.pretrained import note_names
from collab.models.tokens import FirstToken, MeanToken, Tokens

TIMM: Final = "timm:"
CONTAINERS: Final = ("stages", "blocks")
"""What timm calls a row of stages; others have `layer1`, `layer2` ... or `s1`, `s2` ..."""


def timm_vit(backbone: str, classes: int, width: None = None) -> dict[str, nn.Module]:
    """The pieces of timm's ViT of this name: DeiT, DINOv2 and the image towers of CLIP are such.

    ResourceError where timm is missing.
    """
    return pieces_of_timm_vit(_untrained(backbone, classes))


def timm_stages(backbone: str, classes: int, width: None = None) -> dict[str, nn.Module]:
    """The pieces of timm's convolutional network of this name; ResourceError where timm is missing."""
    return pieces_of_timm_stages(_untrained(backbone, classes))


def pieces_of_timm_vit(network: Any) -> dict[str, nn.Module]:
    """The pieces of a VisionTransformer of timm. Raises ScenarioError for what it may have that we do not know."""
    names = {name: part for name in ("cls_token", "reg_token") if (part := getattr(network, name)) is not None}
    unknown = [name for name in ("attn_pool", "pool_include_prefix") if getattr(network, name, None)]
    if unknown or network.pos_embed is None or network.global_pool not in ("token", "avg"):
        raise ScenarioError(f"model: a network of timm with {unknown or network.global_pool} is not known here.")
    embed = Tokens(
        nn.Sequential(network.patch_embed.proj), network.pos_embed, names,
        places_all=not network.no_embed_class, norm=nn.Sequential(network.pos_drop, network.norm_pre),
    )  # fmt: skip
    note_names(embed, {"positions": "pos_embed", **{name: name for name in names}})
    blocks = {f"block{number}": block for number, block in enumerate(network.blocks.children(), start=1)}
    pool = FirstToken() if network.global_pool == "token" else MeanToken(network.num_prefix_tokens)
    tail = network.norm, pool, network.fc_norm, network.head_drop, network.head
    return {"embed": embed, **blocks, "head": nn.Sequential(*tail)}


def pieces_of_timm_stages(network: Any) -> dict[str, nn.Module]:
    """The pieces of a network of timm whose children are applied in order, some of which are its stages.

    Which ones is read off their names. That the order of children is that of computing, only a comparison with the
    network's own forward pass shows: do it for a network that the catalog does not have. Raises ScenarioError where
    there are no stages.
    """
    pieces: dict[str, nn.Module] = {}
    waiting: list[nn.Module] = []  # what comes before the first stage, and behind the last one
    for name, child in network.named_children():
        if name in CONTAINERS:
            stages = list(child.children())
        elif name.rstrip("0123456789") in ("layer", "s"):
            stages = [child]
        else:
            waiting.append(child)
            continue
        if waiting:
            pieces["stem"], waiting = nn.Sequential(*waiting), []
        for stage in stages:
            pieces[f"stage{len(pieces)}"] = stage
    if "stage1" not in pieces:
        names = ", ".join(name for name, _ in network.named_children())
        raise ScenarioError(f"model: this network of timm has no stages but {names}; bring it as a backbone plugin.")
    return {**pieces, "head": nn.Sequential(*waiting)}


def _untrained(backbone: str, classes: int) -> Any:
    try:
        from timm import create_model
    except ImportError as cause:
        raise ResourceError(
            f"backbone {backbone!r} is timm's, which cannot be imported: {cause}. Install it with `pip install "
            '"collab[timm]"`, or take a backbone of torchvision.'
        ) from cause
    network: Any = create_model(backbone.removeprefix(TIMM), pretrained=False, num_classes=classes)
    note_names(network)
    for layer in network.modules():
        if getattr(layer, "inplace", False):
            layer.inplace = False  # no piece may overwrite what it is given: a decider, the features
    return network
