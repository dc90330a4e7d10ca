"""Options of our defenses, apart from the code that honors them: a scenario is validated without torch.

The class of a kind is found by the `kind` that it says (`collab.scenario.kinds`); its plugin takes it from here.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import override

from collab.architectures import RECONSTRUCTOR
from collab.defenses.image_options import Adversarial as Adversarial
from collab.defenses.image_options import Encoding as Encoding
from collab.defenses.image_options import ImageDefenseOptions as ImageDefenseOptions
from collab.defenses.image_options import Obfuscator as Obfuscator
from collab.defenses.image_options import PixelNoise as PixelNoise
from collab.defenses.image_options import VisualMixer as VisualMixer
from collab.scenario import base
from collab.scenario.base import DefenseOptions, Form, OneCycle, Part, Schedule


def _odd(side: int) -> int:
    if side % 2 == 0:
        raise ValueError("must be odd, so that the map stays in its place")
    return side


Side = Annotated[int, Field(ge=1, le=63, json_schema_extra={"not": {"multipleOf": 2}}), AfterValidator(_odd)]
"""Of a filter, in places of the feature map."""


def _distinct(kinds: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(kinds)) < len(kinds):
        raise ValueError("must name each kind once")
    return kinds


Reconstructors = Annotated[
    tuple[Annotated[str, Field(pattern=RECONSTRUCTOR)], ...],
    Field(json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]


class UntilGap(Part):
    """When a module stops to learn: as soon as C reads what it makes of its own rows better than of others."""

    gap: float = Field(
        gt=0, description="Largest G, as parts of 1 (degrees, of a pose); the epoch that exceeds it is undone."
    )
    share: float = Field(
        0.2,
        gt=0,
        le=0.5,
        description="Share of the own rows that it does not learn from; of few rows G is mostly noise.",
    )


class Dpm(OneCycle, DefenseOptions):
    """Deep Poisoning Module: residual blocks that keep the shape of the features; private to its entity."""

    kind: Literal["dpm"] = Field(description="`defense: dpm` is short for all defaults.")
    blocks: int = Field(4, ge=1, le=32, description="Bottleneck blocks; training cost grows with them.")
    width: int | None = Field(None, ge=1, le=4096, description="Channels inside a block; a quarter unless given.")
    norm: Literal["batch", "none"] = Field("batch", description="Normalization inside the blocks.")
    ssim_weight: float = Field(1.0, ge=0, alias="lambda", description="Lambda of (DP-6); 0 trains for accuracy alone.")
    equivalence: Literal["labels", "logits"] = Field("labels", description="(DP-4), or KL to C's own output (DPF-5).")
    ssim_loss: Literal["abs", "clamp", "square", "abs_map", "signed", "l1"] = Field(
        "abs",
        description="How SSIM enters (DP-5), or 1 - L1 in its place; signed and l1 have a negative as their optimum.",
    )
    against: Reconstructors = Field(
        (),
        description="Further reconstructors that it is to fool, such as rx4s4; each costs their training, as "
        "`reconstructor` states it, and as much again in each step.",
    )
    adapt: bool = Field(
        False,
        description="Whether R and those of `against` learn too, in turns with the module, to rebuild what it "
        "publishes; as much again in each step.",
    )
    rotate: int = Field(
        1,
        ge=1,
        le=64,
        description="Modules, of which a private hash of each row picks one, so that pairs tell of their own module "
        "alone; in a pass each learns on its share of the rows.",
    )
    cross_fit: int = Field(
        1,
        ge=1,
        le=16,
        description="Modules, each trained without the rows that it will poison, which a private hash picks, so that "
        "none can write into a row what it has learned of it; each costs a training.",
    )
    until: UntilGap | None = Field(
        None, description="Ends the training before the module reads its own rows too well; `epochs` at most."
    )
    augment: bool = Field(
        False,
        description="Whether it learns from images that are shifted by up to an eighth of the side and mirrored, anew "
        "in each pass, and not from stored features; each step then costs F too.",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="With `labels`: share of the target spread over all classes."
    )
    confuse: Literal["reconstruction", "identification"] = Field(
        "reconstruction",
        description="What lambda weighs: SSIM of R's images, or (DPF 4.4) the error of a network that names people, "
        "which `inference` states, towards random ones.",
    )
    target: Literal["per_step", "per_image"] = Field(
        "per_step", description="With `confuse: identification`: random people in each step, or one for each image."
    )
    epochs: int = Field(
        30, ge=1, le=10_000, description="Passes over the entity's own rows; the longest stage of most scenarios."
    )

    @property
    @override
    def hides_people(self) -> bool:
        return self.confuse == "identification"

    @model_validator(mode="after")
    def _means_fit(self) -> Self:
        if self.rotate > 1 and self.cross_fit > 1:
            raise ValueError("`rotate` has no effect with `cross_fit`, whose modules are dealt to rows alike")
        if self.augment and self.hides_people:
            raise ValueError("`augment` does not go with `confuse: identification`")
        if self.label_smoothing and self.equivalence == "logits":
            raise ValueError("`label_smoothing` has no effect with `equivalence: logits`")
        return self


class NoDefense(DefenseOptions):
    """Plain features, for comparison."""

    kind: Literal["none"] = Field(description="`defense: none` is short for it.")


class GaussianNoise(DefenseOptions):
    """GN of DP Table 3: noise is added to each value; its strength is public, its draws are not."""

    kind: Literal["gaussian_noise"] = Field(description="`defense: gaussian_noise` is short for all defaults.")
    sigma: float = Field(
        1.0, ge=0, le=1e4, description="Standard deviation, in those of each channel over the entity's own rows."
    )


class GaussianFilter(DefenseOptions):
    """GF of DP Table 3: each value becomes a Gaussian mean of those around it in its channel."""

    kind: Literal["gaussian_filter"] = Field(description="`defense: gaussian_filter` is short for all defaults.")
    kernel: Side = Field(5, description="Side of the filter in places of the feature map, odd; 1 changes nothing.")
    sigma: float = Field(1.5, gt=0, le=1e4, description="Standard deviation, in places of the feature map.")


class MeanFilter(DefenseOptions):
    """MF of DP Table 3: each value becomes the mean of those around it in its channel."""

    kind: Literal["mean_filter"] = Field(description="`defense: mean_filter` is short for all defaults.")
    kernel: Side = Field(5, description="Side of the filter in places of the feature map, odd; 1 changes nothing.")


class Pooling(DefenseOptions):
    """Each value becomes the mean of its square of the map: fewer places, in a map of the same shape."""

    kind: Literal["pooling"] = Field(description="`defense: pooling` is short for all defaults.")
    side: int = Field(2, ge=1, le=64, description="Of a square, in places; at the edge they are cut off.")


class Quantization(DefenseOptions):
    """Each value is rounded to one of a few levels of its channel."""

    kind: Literal["quantization"] = Field(description="`defense: quantization` is short for all defaults.")
    bits: int = Field(2, ge=1, le=16, description="2 to their power is the number of levels of a channel.")


class Orthogonal(DefenseOptions):
    """A random rotation of channels, from the private stream; the positive control of an audit."""

    kind: Literal["orthogonal"] = Field(description="`defense: orthogonal` is short for it.")


class ClassGaussian(DefenseOptions):
    """For each row a draw from a Gaussian with the mean of its class and one covariance for all classes."""

    needs_classes: ClassVar[bool] = True

    kind: Literal["class_gaussian"] = Field(description="`defense: class_gaussian` is short for all defaults.")
    rank: int = Field(
        100, ge=1, le=4096, description="Directions of the covariance beside its diagonal; memory grows with them."
    )


class PublicGaussian(DefenseOptions):
    """Draws like those of class_gaussian, of which only clipped means in public directions and counts are the own."""

    form: ClassVar[Form] = base.FEATURES_TO_DRAWS
    mechanism: ClassVar[str] = "Gaussian mechanism on clipped sums and counts of each class"
    needs_classes: ClassVar[bool] = True

    kind: Literal["public_gaussian"] = Field(description="`defense: public_gaussian` is short for all defaults.")
    directions: int = Field(
        64, ge=1, le=4096, description="Main directions of public features in which means of classes are told."
    )
    clip: float = Field(
        1.0, gt=0, le=100, description="Largest length of a row there, in lengths that public rows have on the average."
    )
    modes: int = Field(
        1,
        ge=1,
        le=256,
        description="Groups of public features; each class has a mean in each of them, and more noise with `dp`.",
    )
    rows: int | None = Field(
        None, ge=1, le=1 << 24, description="Rows drawn of all classes; as many as there are counted unless given."
    )
    dp: base.Dp | None = Field(None, description="Noise for (epsilon, delta); without it nothing is guaranteed.")

    @property
    @override
    def asked_privacy(self) -> base.Dp | None:
        return self.dp

    @property
    @override
    def public_images(self) -> int:
        return max(2, self.modes)


class PublicAnswers(Schedule, DefenseOptions):
    """C, trained further on the own features, answers about public images, which everybody has, by soft labels."""

    form: ClassVar[Form] = base.FEATURES_TO_ANSWERS
    mechanism: ClassVar[str] = "DP-SGD: Gaussian noise on sums of clipped gradients over Poisson samples"
    needs_classes: ClassVar[bool] = True

    kind: Literal["public_answers"] = Field(description="`defense: public_answers` is short for all defaults.")
    images: int | None = Field(None, ge=1, description="Public images that are answered about; all unless given.")
    choose: Literal["random", "unsure"] = Field(
        "random",
        description="Which `images`, drawn, or those on which the released C is least sure, which tells nothing of own "
        "images.",
    )
    mixes: int = Field(
        0,
        ge=0,
        le=15,
        description="Further rows for each of them: answers about the mean of its features and those of another public "
        "image.",
    )
    bits: int | None = Field(
        None,
        ge=1,
        le=8,
        description="Rounds answers to multiples of 2^-bits that sum to 1; as the codec has them unless given.",
    )
    cross_fit: int = Field(
        1,
        ge=1,
        le=16,
        description="Parts of the own images: as many deciders, each without one of them, answer together by the mean "
        "of their outputs; time grows with it.",
    )
    rounds: int = Field(
        1,
        ge=1,
        le=100,
        description="How often all who state it answer: each round but the first begins with the mean of all answers "
        "of the one before, by accuracy on own images with `refine.vet: holdout`. Peers read the last.",
    )
    temperature: float = Field(
        1.0,
        gt=0,
        le=100,
        description="By which answers are softened: more of what C takes for possible, less of how sure.",
    )
    learning_rate: float = Field(0.02, gt=0, description="Its largest value; a loss that is not finite ends the run.")
    weight_decay: float = Field(5e-4, ge=0, description="L2 penalty (adamw: decoupled).")
    dp: base.Dp | None = Field(
        None,
        description="Trains it by DP-SGD to (epsilon, delta), with BatchNorm as released; else nothing is guaranteed.",
    )
    clip: float = Field(1.0, gt=0, le=1e6, description="With `dp`: largest length of the gradient of one image.")

    @property
    @override
    def asked_privacy(self) -> base.Dp | None:
        return self.dp

    @property
    @override
    def public_images(self) -> int:
        return self.images or 1

    @property
    @override
    def public_mixes(self) -> int:
        return self.mixes

    @property
    @override
    def public_rounds(self) -> int:
        return self.rounds

    @model_validator(mode="after")
    def _has_no_idle_options(self) -> Self:
        if self.choose == "unsure" and self.images is None:
            raise ValueError("`choose: unsure` has no effect without `images`, which says how many are chosen")
        if self.cross_fit > 1 and self.dp is not None:
            raise ValueError("`cross_fit` trains on each image several times over, which `dp` does not account for")
        return self

    @model_validator(mode="after")
    def _clips_for_privacy(self) -> Self:
        if self.dp is None and "clip" in self.model_fields_set and self.clip != 1.0:
            raise ValueError("`clip` has no effect without `dp`")
        return self
