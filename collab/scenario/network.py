"""The task network of a scenario: one of ours, or one of a plugin with its options."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat

from collab.architectures import ARCHITECTURES, Backbone
from collab.scenario.base import Kind, Name, Part, Schedule
from collab.weights import PATTERN as WEIGHTS
from collab.weights import TIMM, WeightsFile, find_weights


class ImageSchedule(Schedule):
    """A schedule for training on raw images."""

    epochs: int = Field(30, ge=1, le=10_000, description="Passes over the images; time grows with them.")
    weight_decay: float = Field(5e-4, ge=0, description="L2 penalty (adamw: decoupled).")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the target spread over all classes.")
    augment: bool | Literal["resized_crop", "mirror"] = Field(
        True,
        description="Random shifts by up to an eighth of the side, and mirroring; resized_crop: random parts of 8 to "
        "100 % of the image, enlarged, and mirroring, as is usual for ImageNet; mirror: mirroring alone, which keeps a "
        "grid of shuffled fields where it is.",
    )


class Pretrain(ImageSchedule):
    """Step 1: who trains the network that is split."""

    by: Name = Field(
        description="The entity that pre-trains; the papers take the one with most images. `nobody`: F is what "
        "`weights` of the model say, and only C is fitted, by whom `decider_by` names."
    )
    decider_by: Name | None = Field(
        None, description="With `by: nobody`: the entity that fits C on its own images, F standing still, and trains R."
    )

    @property
    def leader(self) -> str:
        """The entity that releases F, C and R."""
        return self.decider_by or self.by


NOBODY = "nobody"
"""Who pre-trains where F is public; no entity has this name."""

_OURS = {name: kind for name, kind in ARCHITECTURES.items() if not name.startswith(TIMM)}
_SIDES = "; ".join(
    f"{low} to {high} px for {', '.join(name for name, kind in _OURS.items() if kind.sides == (low, high))}"
    for low, high in dict.fromkeys(kind.sides for kind in _OURS.values())
)


class Network(Part):
    """The task network and where it is split; the options of a plugin subclass it."""

    opens: ClassVar[Mapping[str, str]] = {}
    """For each `backbone` that has this part, the class that makes it, as `module:Class`; a plugin fills it in."""

    backbone: Kind = Field(description="The backbone plugin.")
    width: int | None = Field(
        None,
        ge=4,
        le=256,
        description="Channels of the first stage, small networks only, 32 unless given; time grows with its square.",
    )
    hook: str = Field(
        description="Where featurizer and decider part, e.g. conv4_1 (He et al., Table 1); deeper discloses less."
    )
    pretrain: Pretrain = Field(description="Step 1: the network that is split, and who trains it.")
    weights: Annotated[str, Field(pattern=WEIGHTS)] | None = Field(
        None,
        description="Weights that pre-training begins from; rows from scratch do not. `imagenet`: torchvision's, from "
        "the cache of torch's hub; `timm:NAME`: timm's, from the Hugging Face cache; a safetensors file, relative "
        "to this one, whose names are ours or the library's. Nothing is downloaded.",
    )
    weights_license: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None,
        description="License of the weights, for the card of what is released; what their file states unless given.",
    )
    mean: tuple[float, float, float] | None = Field(
        None,
        description="Mean of red, green and blue in [0, 1] that images are normalized by with `weights`; what those "
        "state unless given, and ImageNet's where they state none.",
    )
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(None, description="Likewise the deviation.")

    @property
    def own_options(self) -> dict[str, object]:
        """The options that a plugin adds to these."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in Network.model_fields}

    @property
    def architecture(self) -> str | Backbone:
        """The backbone: its name in our catalog, or that of a plugin, with its options. Imports its module."""
        module, _, name = self.opens[self.backbone].rpartition(":")
        backbone: Backbone = getattr(import_module(module), name)(**self.own_options)
        return backbone

    @property
    def weights_file(self) -> WeightsFile | None:
        """Where its weights lie and how images are normalized for them; ScenarioError where they are not here."""
        if self.weights is None:
            return None
        ours = ARCHITECTURES.get(self.backbone)
        file = find_weights(self.weights, self.backbone, ours.published if ours else "")
        stated = {key: value for key in ("mean", "std") if (value := getattr(self, key)) is not None}
        if self.weights_license is not None:
            stated["license"] = self.weights_license
        return replace(file, **stated)


class Model(Network):
    """The task network and where it is split."""

    backbone: Literal[tuple(ARCHITECTURES)] = Field(  # type: ignore[valid-type]
        description=f"The task network; images must be {_SIDES}. `_mlp` ends in two further layers (Xiao et al.) and "
        "can be split at avgpool and fc. A ViT takes multiples of its patches; `timm:` needs timm (docs/networks.md)."
    )

    @property
    def architecture(self) -> str | Backbone:
        """Its name in our catalog."""
        return str(self.backbone)
