"""The catalog of backbones and where each can be split; free of torch, so that a scenario is checked without it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from torch import nn

Layout = Literal["maps", "tokens", "channels last"]
"""What pieces of a network answer: [batch, channels, height, width], [batch, count, width], or channels behind."""


class Backbone(ABC):
    """A task network of a plugin: where it can be split, and its pieces.

    It says its `kind`, and in `Options`, a model of `collab.scenario.network.Network`, what a scenario may state beside
    it; it is built with each of these. Its module imports torch in `pieces` alone, so that a scenario is checked
    without. `sides` are the least and the largest side of its images. `width` is that of the first stage where a
    scenario states none, None where none can be stated. `layout`, `placeless` and `patch` are as in `Architecture`.
    """

    group: ClassVar[str] = "backbones"
    kind: ClassVar[str]
    sides: ClassVar[tuple[int, int]] = (16, 512)
    width: ClassVar[int | None] = None
    layout: ClassVar[Layout] = "maps"
    placeless: ClassVar[int] = 0
    patch: ClassVar[int] = 1

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if (kind := vars(cls).get("kind")) and (options := vars(cls).get("Options")):
            options.opens = {kind: f"{cls.__module__}:{cls.__qualname__}"}  # in any process that imports the plugin

    @property
    @abstractmethod
    def hooks(self) -> tuple[str, ...]:
        """All names at which the network can be split, shallow first."""

    def last_piece(self, hook: str) -> str:
        """The last piece before a split at `hook`; the piece of that name unless overridden."""
        return hook

    def is_rectified(self, hook: str) -> bool:
        """Whether features at `hook` are never negative."""
        return False

    @abstractmethod
    def pieces(self, outputs: int, width: int | None) -> "dict[str, nn.Module]":
        """The untrained network, after its normalization, cut into modules by name, which are applied in order.

        The last one is called `head`, and no hook: it answers [batch, outputs]. Those before it answer maps [batch,
        channels, height, width], or what `layout` says. No piece may change what it is given. Draws weights from
        torch's global generator.
        """


@dataclass(frozen=True)
class Architecture:
    """A backbone: blocks of each stage, numbered as in Table 1 of He et al. (VGG: its own), and the sides it takes.

    `pieces` names the function of `collab.models` that makes the network, as `module:function`. It takes the backbone,
    the number of outputs and the width, and answers the modules in order: one for each hook, and `head` at last; what
    comes before the first hook is the `stem`. `width` is that of the first stage where a scenario states none, None
    where the family fixes it. `signed` is a pattern of the pieces whose values may be negative: what else there is ends
    in a ReLU. `layout` is that of what pieces answer: a cut turns it to maps and back. Of tokens, `placeless` have no
    place in the image; images are cut into patches of `patch` pixels. `published` is the file of the weights that
    torchvision publishes of it, whose sha256 begins as its name ends.
    """

    pieces: str
    blocks: tuple[int, ...]
    first_stage: int = 2
    first_block: int = 1  # densenet: 0, the map after the transition and before the first dense layer
    pools: bool = False
    sides: tuple[int, int] = (64, 512)
    tail: tuple[str, ...] = ()  # further pieces before the head, each of which is a hook
    width: int | None = None
    signed: str = "fc"
    published: str = ""
    layout: Layout = "maps"
    placeless: int = 0
    patch: int = 1

    @property
    def hooks(self) -> tuple[str, ...]:
        """All names at which the network can be split, shallow first; `convS` alone is the end of stage S."""
        names: list[str] = []
        for stage, count in enumerate(self.blocks, start=self.first_stage):
            names += [f"conv{stage}_{block}" for block in range(self.first_block, count + 1)]
            names += [f"conv{stage}"] + [f"pool{stage}"] * self.pools
        return (*names, *self.tail)

    def last_piece(self, hook: str) -> str:
        """The last piece before a split at `hook`: the hook itself, or the last block of the stage that it names."""
        blocks = [name for name in self.hooks if name.startswith(f"{hook}_")]
        return blocks[-1] if blocks else hook

    def is_rectified(self, hook: str) -> bool:
        """Whether features at `hook` are never negative."""
        return not re.fullmatch(self.signed, self.last_piece(hook))


_POOLED = ("avgpool", "fc")
_RESNET50 = "resnet50-11ad3fa6.pth"
_small_resnet = partial(Architecture, "collab.models.small:resnet", sides=(16, 64), width=32)  # SCIENCE 2.1
_resnet = partial(Architecture, "collab.models.large:resnet")
_swin = partial(Architecture, "collab.models.transformers:swin", sides=(32, 512), signed=".*", layout="channels last")


def _vit(pieces: str, depth: int, patch: int, **others: Any) -> Architecture:
    """A transformer of one stage, which can be cut after its embedding and after each block."""
    tail = ("embed", *(f"block{number}" for number in range(1, depth + 1)))
    sides = (-(-32 // patch) * patch, 512 // patch * patch)
    about = {"sides": sides, "placeless": 1, **others}
    return Architecture(f"collab.models.{pieces}", (), tail=tail, patch=patch, signed=".*", layout="tokens", **about)


_DEPTH = {"tiny": 12, "small": 12, "base": 12, "large": 24}


def _transformers_of_timm() -> Iterator[tuple[str, Architecture]]:
    """By timm's names, `{}` in the place of the size."""
    for name, sizes, patch, placeless in (
        ("vit_{}_patch16_224", "tiny small base large", 16, 1),
        ("deit_{}_patch16_224", "tiny small base", 16, 1),
        ("vit_{}_patch14_dinov2", "small base large", 14, 1),
        ("vit_{}_patch14_reg4_dinov2", "small base large", 14, 5),
        ("vit_{}_patch32_clip_224", "base", 32, 1),
        ("vit_{}_patch16_clip_224", "base", 16, 1),
        ("vit_{}_patch14_clip_224", "large", 14, 1),
        ("vit_{}_patch32_clip_quickgelu_224", "base", 32, 1),
        ("vit_{}_patch16_clip_quickgelu_224", "base", 16, 1),
        ("vit_{}_patch14_clip_quickgelu_224", "large", 14, 1),
    ):
        for size in sizes.split():
            sides = (patch * max(placeless, 2), 512 // patch * patch)
            yield (
                f"timm:{name.format(size)}",
                _vit("timm_networks:timm_vit", _DEPTH[size], patch, placeless=placeless, sides=sides),
            )


def _stages_of_timm() -> Iterator[tuple[str, Architecture]]:
    """Convolutional networks of timm by its names, `{}` in the place of the size, with their number of stages."""
    for name, sizes, stages in (
        ("convnext_{}", "atto nano tiny small base", 4),
        ("convnextv2_{}", "atto nano tiny base", 4),
        ("efficientnet_{}", "lite0 b0 b1 b2", 7),
        ("tf_efficientnet_{}", "b0 b2 b4", 7),
        ("tf_efficientnetv2_{}", "b0 b2 s", 6),
        ("tf_efficientnetv2_{}", "m", 7),
        ("mobilenetv2_{}", "100", 7),
        ("mobilenetv3_small_{}", "050 100", 6),
        ("mobilenetv3_large_{}", "100", 7),
        ("regnetx_{}", "002 008 032", 4),
        ("regnety_{}", "002 008 032", 4),
        ("resnet{}", "26d 50d", 4),
        ("seresnet{}", "50", 4),
        ("resnetv2_{}", "50 50x1_bit", 4),
    ):
        ends_in_relu = name.startswith(("regnet", "resnet{}", "seresnet"))  # others add what may be negative
        tail, signed = tuple(f"stage{number}" for number in range(1, stages + 1)), "" if ends_in_relu else ".*"
        for size in sizes.split():
            pieces = "collab.models.timm_networks:timm_stages"
            yield f"timm:{name.format(size)}", Architecture(pieces, (), tail=tail, sides=(32, 512), signed=signed)


ARCHITECTURES = {
    "resnet8": _small_resnet((1, 1, 1)),
    "resnet14": _small_resnet((2, 2, 2)),
    "resnet20": _small_resnet((3, 3, 3)),
    "resnet18_small": _small_resnet((2, 2, 2, 2)),
    "resnet18_small_mlp": _small_resnet((2, 2, 2, 2), tail=_POOLED),
    "vgg16_small": Architecture(
        "collab.models.small:vgg", (2, 2, 3, 3, 3), first_stage=1, pools=True, sides=(32, 64), width=32
    ),
    "resnet18": _resnet((2, 2, 2, 2), published="resnet18-f37072fd.pth"),
    "resnet34": _resnet((3, 4, 6, 3), published="resnet34-b627a593.pth"),
    "resnet50": _resnet((3, 4, 6, 3), published=_RESNET50),
    "resnet50_mlp": _resnet((3, 4, 6, 3), tail=_POOLED, published=_RESNET50),
    "resnet101": _resnet((3, 4, 23, 3), published="resnet101-cd907fc2.pth"),
    "resnext50_32x4d": _resnet((3, 4, 6, 3), published="resnext50_32x4d-1a0047aa.pth"),
    "densenet121": Architecture(  # its blocks add what may be negative; its stem ends in a ReLU
        "collab.models.large:densenet",
        (6, 12, 24, 16),
        first_block=0,
        signed="conv(?!2_0).*",
        published="densenet121-a639ec97.pth",
    ),
    "vgg16_bn": Architecture(
        "collab.models.large:vgg", (2, 2, 3, 3, 3), first_stage=1, pools=True, published="vgg16_bn-6c64b313.pth"
    ),
    "vit6_small": _vit("transformers:small_vit", 6, 4, width=64, sides=(16, 64)),
    "vit_b_16": _vit("transformers:vit", 12, 16, published="vit_b_16-c867db91.pth"),
    "vit_b_32": _vit("transformers:vit", 12, 32, published="vit_b_32-d86f8d99.pth"),
    "vit_l_16": _vit("transformers:vit", 24, 16, published="vit_l_16-852ce7e3.pth"),
    "swin_t": _swin((2, 2, 6, 2), published="swin_t-704ceda3.pth"),
    "swin_s": _swin((2, 2, 18, 2), published="swin_s-5e29d889.pth"),
    "swin_b": _swin((2, 2, 18, 2), published="swin_b-68c6b09e.pth"),
    "swin_v2_t": _swin((2, 2, 6, 2), published="swin_v2_t-b137f0e2.pth"),
    "swin_v2_s": _swin((2, 2, 18, 2), published="swin_v2_s-637d8ceb.pth"),
    "swin_v2_b": _swin((2, 2, 18, 2), published="swin_v2_b-781e5279.pth"),
    **dict(_transformers_of_timm()),
    **dict(_stages_of_timm()),
}
RECONSTRUCTOR = r"^(?:([pr])x([1-9])s(2|4)(-c)?|unet)$"
"""Kinds of reconstructors: the papers' family, or a U-Net."""
