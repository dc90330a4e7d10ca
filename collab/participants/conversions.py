"""How participants play the forms of a defense: features to features, images to features, images to images."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from torch import Tensor, nn
from typing_extensions import override

from collab.defenses.base import Defense, ImageDefense
from collab.models.backbones import Encoder, Split
from collab.participants.published_images import LEVELS, as_published, discernibility, read_images
from collab.scenario.base import FEATURES_TO_FEATURES, IMAGES_TO_FEATURES, IMAGES_TO_IMAGES, Form
from collab.store.codec import CODECS
from collab.store.shards import IMAGES, Batches, ShardReader, ShardSpec

Featurize = Callable[[Tensor], Tensor]
"""F of images [batch, 3, side, side]."""

Release = Callable[[], Split]
"""Loads F and C."""


class Conversion:
    """From a module to those who read its shards: P(F(x)) is published, as a DPM makes it, and the released C reads it.

    What differs in other forms is overridden.
    """

    form: ClassVar[Form] = FEATURES_TO_FEATURES

    def new_module(self, defense: Defense, released: Release, channels: int, *, rectified: bool) -> nn.Module:
        """The untrained module; features have `channels`, none of them negative where `rectified`.

        `released` is called by who needs F and C: to load them draws from the generator that initializes the module.
        """
        return defense.build(channels, rectified=rectified)

    def decider(self, module: nn.Module, released: Split) -> nn.Module:
        """The decider that reads what is published."""
        return released.decider

    def features_for_peers(self, changed: Tensor, featurize: Featurize) -> Tensor:
        """The features that peers have in the end of what the module answered."""
        return changed

    def stored_rows(self, changed: Tensor) -> Tensor:
        """The rows of a shard of what the module answered."""
        return changed

    def shard_spec(self, features: ShardSpec, side: int) -> ShardSpec:
        """What its shards look like, where those of `features` look so and images have this side."""
        return features

    def as_features(
        self, shards: Sequence[ShardReader], featurize: Featurize, keep: Callable[[Batches], ShardReader]
    ) -> list[ShardReader]:
        """Shards of features of published ones; `keep` writes those that a peer computes."""
        return list(shards)

    def discernibility(self, defense: Defense, module: nn.Module, images: Callable[[], Tensor]) -> dict[str, Tensor]:
        """How hard images [rows, 3, side, side] have become to discern, values [rows]; nothing of features."""
        return {}


class ImagesToFeatures(Conversion):
    """E(x) is published; E begins as F, and a decider of its own, begun as C, learns beside it."""

    form = IMAGES_TO_FEATURES

    @override
    def new_module(self, defense: Defense, released: Release, channels: int, *, rectified: bool) -> nn.Module:
        return Encoder.begin_as(released())

    @override
    def decider(self, module: nn.Module, released: Split) -> nn.Module:
        assert isinstance(module, Encoder)
        return module.decider


class ImagesToImages(Conversion):
    """M(x) is published with 8 bits a value; peers compute F of it."""

    form = IMAGES_TO_IMAGES

    @override
    def new_module(self, defense: Defense, released: Release, channels: int, *, rectified: bool) -> nn.Module:
        return defense.build(3, rectified=False)

    @override
    def features_for_peers(self, changed: Tensor, featurize: Featurize) -> Tensor:
        return featurize(as_published(changed))

    @override
    def stored_rows(self, changed: Tensor) -> Tensor:
        return as_published(changed) * LEVELS

    @override
    def shard_spec(self, features: ShardSpec, side: int) -> ShardSpec:
        # Whole numbers up to 255 must stay exact, which a quantized codec does not promise.
        codec = "float16" if CODECS[features.dtype].is_quantized else features.dtype
        return replace(features, shape=(3, side, side), dtype=codec, featurizer=IMAGES)

    @override
    def as_features(
        self, shards: Sequence[ShardReader], featurize: Featurize, keep: Callable[[Batches], ShardReader]
    ) -> list[ShardReader]:
        return [keep((featurize(images), labels) for images, labels in read_images(shards))] if shards else []

    @override
    def discernibility(self, defense: Defense, module: nn.Module, images: Callable[[], Tensor]) -> dict[str, Tensor]:
        assert isinstance(defense, ImageDefense)
        return discernibility(defense, module, images())


def conversion_of(form: Form) -> Conversion:
    """How a form is played."""
    return next(kind() for kind in (Conversion, ImagesToFeatures, ImagesToImages) if kind.form == form)
