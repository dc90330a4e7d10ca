"""Options of defenses that take images: encoders, which make features of them, and those that publish images.

`options` has those of all others, and these names too.
"""

from typing import ClassVar, Literal

from pydantic import Field

from collab.scenario import base
from collab.scenario.base import Course, DefenseOptions, Form, Schedule
from collab.types import OptimizerName


class Encoding(Schedule, DefenseOptions):
    """What defenses share that make features of the images themselves."""

    form: ClassVar[Form] = base.IMAGES_TO_FEATURES

    batch_size: int = Field(32, ge=2, le=65_536, description="Rows of a step; memory grows with them.")
    optimizer: OptimizerName = Field("adam", description=base.ABOUT_OPTIMIZERS)
    schedule: Course = Field("constant", description="Course of the learning rate.")


class Obfuscator(Encoding):
    """DeepObfuscator: an encoder begun as F and trained against a reconstructor and a reader of private attributes."""

    kind: Literal["obfuscator"] = Field(description="`defense: obfuscator` is short for all defaults.")
    epochs: int = Field(
        20, ge=1, le=10_000, description="Of the adversarial stage; the schedule of its weight is stretched to them."
    )
    learning_rate: float = Field(1e-4, gt=0, description="Of all networks in the adversarial stage.")
    initial_epochs: int = Field(
        20, ge=1, le=10_000, description="In which the reconstructor and the reader of private attributes learn alone."
    )
    initial_learning_rate: float = Field(1e-3, gt=0, description="Its largest value in that stage, cosine.")


class Adversarial(Encoding):
    """Adversarial representations: an encoder begun as F and trained against a decoder that answers back."""

    kind: Literal["adversarial"] = Field(description="`defense: adversarial` is short for all defaults.")
    epochs: int = Field(10, ge=1, le=10_000, description="Passes over the entity's own images.")
    learning_rate: float = Field(1e-3, gt=0, description="Of all players.")
    pixel_weight: float = Field(1.0, ge=0, description="Lambda_r of (9), of the distance in pixels.")
    perceptual_weight: float = Field(0.0, ge=0, description="Lambda_p of (9), of the distance as people see.")
    decoder_perceptual_weight: float = Field(0.0, ge=0, description="Mu_p of (5), what the decoder gives to looks.")
    gan_weight: float = Field(0.0, ge=0, description="Mu_g of (5); above 0 a discriminator plays too.")
    begins: Literal["released", "scratch"] = Field(
        "released", description="As the released networks, or untrained as in the paper."
    )
    attributes: tuple[str, ...] = Field(
        (), description="Attributes of the task that it is trained for; all of them unless given."
    )
    head_start: int = Field(
        1, ge=0, le=1000, description="Passes over public images in which the decoder learns alone."
    )
    adversary_share: float = Field(
        1.0, gt=0, le=1, description="Share of the public images that the decoder learns on."
    )
    perceptual_epochs: int = Field(
        5, ge=1, le=10_000, description="Of the classifier of public images that says how images look, if it is asked."
    )


class ImageDefenseOptions(DefenseOptions):
    """What defenses that publish images share: how much harder to discern they are to become."""

    form: ClassVar[Form] = base.IMAGES_TO_IMAGES

    gain: float = Field(
        1.5,
        ge=1,
        le=1e4,
        description="Visual feature entropy to be reached, in multiples of the mean over the entity's own images.",
    )
    border: Literal["zero", "replicate"] = Field(
        "zero", description="What lies beyond the right and bottom edge of a window of visual feature entropy."
    )


class VisualMixer(ImageDefenseOptions):
    """VisualMixer: shuffles pixels inside regions, in each color channel by itself; publishes images, not features."""

    kind: Literal["visual_mixer"] = Field(description="`defense: visual_mixer` is short for all defaults.")
    regions: int | None = Field(
        None, ge=1, le=256, description="Regions along a side, which they divide; 14 from 112 px on, else 4."
    )
    score: Literal["variance", "attention"] = Field(
        "variance", description="Which regions are cut finer first; attention trains a small network on the own images."
    )
    epochs: int = Field(5, ge=1, le=10_000, description="Passes over the own images that train the attention.")


class PixelNoise(ImageDefenseOptions):
    """Gaussian noise on pixels, as much as reaches the wanted entropy; publishes images, for comparison."""

    kind: Literal["pixel_noise"] = Field(description="`defense: pixel_noise` is short for all defaults.")
