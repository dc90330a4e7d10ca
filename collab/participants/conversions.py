"""How participants play the forms of a defense: features or images to features, images to images, answers, draws."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.defenses.base import AnsweringDefense, Defense, ImageDefense
from collab.models.answerer import Answerer
from collab.models.backbones import Encoder, Split
from collab.participants.asking import Asked
from collab.participants.published_images import LEVELS, as_published, discernibility, read_images
from collab.scenario.base import (
    FEATURES_TO_ANSWERS,
    FEATURES_TO_DRAWS,
    FEATURES_TO_FEATURES,
    IMAGES_TO_FEATURES,
    IMAGES_TO_IMAGES,
    Form,
)
from collab.store.codec import CODECS, CodecName
from collab.store.shards import BATCH_ROWS, IMAGES, Batches, ShardReader, ShardSpec, Written
from collab.tasks import DISTRIBUTION, PUBLIC_ROW

Featurize = Callable[[Tensor], Tensor]
"""F of images [batch, 3, side, side]."""

Release = Callable[[], Split]
"""Loads F and C."""


class Keep(Protocol):
    """Writes features that a peer made itself into its scratch, with targets as shards have them unless given."""

    def __call__(self, batches: Batches, spec: ShardSpec | None = None) -> ShardReader:
        """The shard, as a reader has it."""
        ...


@dataclass(frozen=True)
class Reading:
    """What a peer has to read shards with: F, the shard of F of all public images, and a place for what it makes."""

    featurize: Featurize
    public: Callable[[], ShardReader]
    keep: Keep


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

    def shard_spec(self, features: ShardSpec, side: int, public: Callable[[], Written], mixes: int = 0) -> ShardSpec:
        """What its shards look like, where those of `features` look so and images have this side.

        `public` says what the shard of F of all public images is, `mixes` how many of each may be answered about.
        """
        return features

    def as_features(self, shards: Sequence[ShardReader], reading: Reading) -> list[ShardReader]:
        """Shards of features of published ones."""
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
    def shard_spec(self, features: ShardSpec, side: int, public: Callable[[], Written], mixes: int = 0) -> ShardSpec:
        # Whole numbers up to 255 must stay exact, which a quantized codec does not promise.
        return replace(features, shape=(3, side, side), dtype=_exact(features), featurizer=IMAGES)

    @override
    def as_features(self, shards: Sequence[ShardReader], reading: Reading) -> list[ShardReader]:
        if not shards:
            return []
        return [reading.keep((reading.featurize(images), labels) for images, labels in read_images(shards))]

    @override
    def discernibility(self, defense: Defense, module: nn.Module, images: Callable[[], Tensor]) -> dict[str, Tensor]:
        assert isinstance(defense, ImageDefense)
        return discernibility(defense, module, images())


class FeaturesToAnswers(Conversion):
    """C_i(F(z)) of public images z is published, C_i being C as it has learned of the own rows.

    Peers put F(z), which everybody has, and the answer together; z may be a mix of two (`Asked`).
    """

    form = FEATURES_TO_ANSWERS

    @override
    def new_module(self, defense: Defense, released: Release, channels: int, *, rectified: bool) -> nn.Module:
        assert isinstance(defense, AnsweringDefense)
        return defense.begin(released().decider)

    @override
    def decider(self, module: nn.Module, released: Split) -> nn.Module:
        assert isinstance(module, Answerer)
        return module.decider

    @override
    def shard_spec(self, features: ShardSpec, side: int, public: Callable[[], Written], mixes: int = 0) -> ShardSpec:
        there = public()
        rows = there.rows * (1 + mixes)
        return ShardSpec((features.classes, 1, 1), _exact(features), rows, there.sha256, PUBLIC_ROW)

    @override
    def as_features(self, shards: Sequence[ShardReader], reading: Reading) -> list[ShardReader]:
        def answered() -> Iterator[tuple[Tensor, Tensor]]:
            asked = Asked(reading.public())
            for shard in shards:
                for answers, rows in zip(*(torch.split(part, BATCH_ROWS) for part in shard.load()), strict=True):
                    yield asked.take(rows.numpy()), answers.flatten(1).float()

        return [reading.keep(answered(), replace(reading.public().spec, target=DISTRIBUTION))] if shards else []


class FeaturesToDraws(Conversion):
    """Rows are drawn from statistics of the own ones, as many as those say; peers read them as any features."""

    form = FEATURES_TO_DRAWS


def _exact(features: ShardSpec) -> CodecName:
    """The codec of features, or where that would bend whole numbers and sums, one that does not."""
    return "float16" if CODECS[features.dtype].is_quantized else features.dtype


def conversion_of(form: Form) -> Conversion:
    """How a form is played."""
    kinds = (Conversion, ImagesToFeatures, ImagesToImages, FeaturesToAnswers, FeaturesToDraws)
    return next(kind() for kind in kinds if kind.form == form)
