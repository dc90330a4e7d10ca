"""The task network, and where it is cut into featurizer and decider (DP-2)."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from collab.architectures import ARCHITECTURES, Architecture, Backbone
from collab.errors import ScenarioError
from collab.models.layers import Normalize
from collab.models.tokens import MapToTokens, TokensToMap, Turned

AnyBackbone = str | Backbone
"""A network of the catalog by its name, or one of a plugin."""


@dataclass(frozen=True)
class Split:
    """A network cut at a hook: `decider(featurizer(x))` is the whole; x in [0, 1], [batch, 3, side, side]."""

    featurizer: nn.Module
    decider: nn.Module


class Encoder(nn.Module):
    """E(x), which takes the place of F(x) and has its shape; `decider` learned beside it and reads it.

    Images are [batch, 3, side, side] in [0, 1].
    """

    def __init__(self, featurizer: nn.Module, decider: nn.Module) -> None:
        super().__init__()
        self.featurizer, self.decider = featurizer, decider

    @classmethod
    def begin_as(cls, split: Split) -> Self:
        """Copies of F and C, which are free to learn on."""
        return cls(*(copy.deepcopy(part).requires_grad_(True) for part in (split.featurizer, split.decider)))

    @override
    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch channel height width"]:
        features: Tensor = self.featurizer(images)
        return features


def build_split(
    backbone: AnyBackbone,
    hook: str,
    *,
    classes: int,
    width: int | None = None,
    mean: Sequence[float] = (0.5, 0.5, 0.5),
    std: Sequence[float] = (0.25, 0.25, 0.25),
) -> Split:
    """An untrained `backbone` cut at `hook`; normalization by `mean` and `std` is the featurizer's first layer.

    Draws from torch's global generator, and the same weights whatever the hook. `width`: channels of the first stage
    where those are free, 32 unless given. Raises ScenarioError for a backbone or hook that does not exist, and for a
    width where it is fixed; ResourceError where torchvision is needed and cannot be imported.
    """
    _last_piece(backbone, hook)  # a wrong name is refused before 138 million weights are drawn
    return cut(build_network(backbone, classes=classes, width=width, mean=mean, std=std), backbone, hook)


def build_network(
    backbone: AnyBackbone,
    *,
    classes: int,
    width: int | None = None,
    mean: Sequence[float] = (0.5, 0.5, 0.5),
    std: Sequence[float] = (0.25, 0.25, 0.25),
) -> nn.Sequential:
    """The whole network in one piece, its children named by their hooks; arguments and errors as in `build_split`."""
    kind = _architecture(backbone)
    if width is not None and kind.width is None:
        free = ", ".join(name for name, each in ARCHITECTURES.items() if each.width is not None)
        raise ScenarioError(
            f"model: {_name(backbone)} has fixed widths, so `width: {width}` cannot be honored; only {free} take one. "
            f"Leave `width` out."
        )
    width = kind.width if width is None else width
    if isinstance(backbone, Backbone):
        pieces = backbone.pieces(classes, width)
    else:
        pieces = family(ARCHITECTURES[backbone])(backbone, classes, width)
    network = nn.Sequential()
    for name, piece in {"normalize": Normalize(mean, std), **pieces}.items():
        network.add_module(name, piece)
    return network


def cut(network: nn.Sequential, backbone: AnyBackbone, hook: str) -> Split:
    """`network` of `build_network` in two parts that share its modules; raises ScenarioError for an unknown hook."""
    last = _last_piece(backbone, hook)
    featurizer, decider = nn.Sequential(), nn.Sequential()
    to_map, from_map = _between(_architecture(backbone))
    if from_map is not None:
        decider.add_module("from_map", from_map)
    target = featurizer
    for name, piece in network.named_children():
        target.add_module(name, piece)
        if name == last:
            if to_map is not None:
                featurizer.add_module("to_map", to_map)
            target = decider
    return Split(featurizer, decider)


def _between(kind: Architecture | Backbone) -> tuple[nn.Module | None, nn.Module | None]:
    """What makes a map of what pieces answer, and that of a map; neither has anything to learn."""
    match kind.layout:
        case "tokens":
            return TokensToMap(kind.placeless), MapToTokens(kind.placeless)
        case "channels last":
            return Turned(is_last=False), Turned(is_last=True)
        case _:
            return None, None


def feature_shape(featurizer: nn.Module, image_size: int) -> tuple[int, int, int]:
    """Channel, height, width of the features of square images; runs one black image, and leaves no trace of it."""
    # Not on the meta device, whose first use imports for 1.5 s; the image takes a tenth of that in the largest network.
    modes = [(part, part.training) for part in featurizer.modules()]
    images = torch.zeros(1, 3, image_size, image_size, device=next(featurizer.buffers()).device)
    try:
        with torch.no_grad():
            _, channels, height, width = featurizer.eval()(images).shape
    finally:
        for part, is_training in modes:
            part.training = is_training
    return channels, height, width


def is_rectified(backbone: AnyBackbone, hook: str) -> bool:
    """Whether features at `hook` are never negative; raises ScenarioError for an unknown backbone or hook."""
    _last_piece(backbone, hook)
    return _architecture(backbone).is_rectified(hook)


def family(kind: Architecture) -> Callable[[str, int, int | None], dict[str, nn.Module]]:
    """The function that makes the pieces of a backbone, as its entry in the catalog names it."""
    module, name = kind.pieces.split(":")
    build: Callable[[str, int, int | None], dict[str, nn.Module]] = getattr(import_module(module), name)
    return build


def _architecture(backbone: AnyBackbone) -> Architecture | Backbone:
    if isinstance(backbone, Backbone):
        return backbone
    if backbone not in ARCHITECTURES:
        names = ", ".join(ARCHITECTURES)
        raise ScenarioError(f"model: there is no backbone {backbone!r}. Take one of {names}.")
    return ARCHITECTURES[backbone]


def _last_piece(backbone: AnyBackbone, hook: str) -> str:
    kind = _architecture(backbone)
    if hook not in kind.hooks:
        hooks = ", ".join(kind.hooks)
        raise ScenarioError(f"model: {_name(backbone)} cannot be cut at {hook!r}. It has the hooks {hooks}.")
    return kind.last_piece(hook)


def _name(backbone: AnyBackbone) -> str:
    return backbone.kind if isinstance(backbone, Backbone) else backbone
