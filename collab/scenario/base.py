"""What every part of a scenario is, and the words that may stand in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from collab.architectures import RECONSTRUCTOR
from collab.errors import ScenarioError
from collab.plugins.discovery import KIND
from collab.types import OptimizerName
from collab.weights import PATTERN as WEIGHTS

NAME = r"^[a-z][a-z0-9_-]{0,31}$"
ROW = r"^[a-z][a-z0-9_-]{0,63}$"  # of control rows too, whose names are made from others
MEMORY = r"^([1-9]\d*(?:\.\d+)?) ?(KiB|MiB|GiB|TiB)$"
METRIC = r"^[a-z][a-z0-9_]{0,39}(\[[a-z0-9_,-]{1,32}\][a-z0-9_]{0,39})?$"
PATTERNS = {
    KIND: "must be lower-case letters, digits and _, a letter first",
    NAME: "must be 1 to 32 of a-z, 0-9, _ and -, a letter first",
    ROW: "must be of a-z, 0-9, _ and -, a letter first",
    METRIC: "must be the name of a metric as in the results, such as top1 or ssim[11]_poisoned",
    MEMORY: "must be a number and KiB, MiB, GiB or TiB, such as 8GiB",
    WEIGHTS: "must be imagenet, timm:NAME as on the Hugging Face hub, such as timm:resnet50.a1_in1k, or X.safetensors",
    RECONSTRUCTOR: "must be unet, or p or r, x1 to x9, s2 or s4, and perhaps -c, such as px2s2",
}
"""What each pattern means, for who did not follow it."""

Kind = Annotated[str, Field(pattern=KIND)]
Name = Annotated[str, Field(pattern=NAME)]
Share = Annotated[float, Field(gt=0, le=1)]
ClassName = Annotated[
    str,
    BeforeValidator(
        lambda name: str(name) if isinstance(name, int) and not isinstance(name, bool) else name,
        json_schema_input_type=str | int,
    ),
]
"""A class; 7 is short for "7", as folders and numbered labels are named like that."""
RowName = Annotated[int, Field(ge=0, le=9999)] | Annotated[str, Field(pattern=ROW)]


def bytes_of(size: str) -> int:
    """Bytes in a size such as 8GiB; raises ScenarioError for what is none."""
    match = re.match(MEMORY, size)
    if match is None:
        raise ScenarioError(f"the size {size!r} {PATTERNS[MEMORY]}.")
    return int(float(match[1]) * 1024 ** (1 + ("KiB", "MiB", "GiB", "TiB").index(match[2])))


class Part(BaseModel):
    """A piece of a scenario: immutable; a misspelled key is an error, and `true` or `"5"` is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class EntityOptions(Part):
    """Options of an entity; its kind subclasses them to add its own, and to say when it takes part."""

    publishes: ClassVar[bool] = True
    """Whether it fits its defense and publishes; nobody can name in `pool` who does not."""
    is_control: ClassVar[bool] = False
    """Whether it is there for attacks to be tried on, and is no party: nothing but attacks is told of it."""
    is_late: ClassVar[bool] = False
    """Whether it begins only after all who are not late have published."""
    changes_features: ClassVar[bool] = False
    """Whether it puts other features in the place of those that its defense made, which answers have none of."""
    says_what_is_played: ClassVar[frozenset[str]] = frozenset()
    """Fields that only the plan reads: they say which stages there are and change the outcome of none."""

    @property
    def leaves_after(self) -> str | None:
        """The row after which its shards are withdrawn; None for who stays."""
        return None

    @property
    def images_of(self) -> str | None:
        """The entity whose images it holds, all of them and no others; None of who has its own."""
        return None

    def attacks_on(self, peers: Sequence[str]) -> Sequence[tuple[str, "AttackOptions"]]:
        """Which of `peers`, who all publish, it attacks, and with what; ScenarioError if it wants another."""
        return ()


@dataclass(frozen=True)
class Form:
    """What a defense is given and what its entity publishes; `collab.participants.conversions` plays each form.

    One that takes images works in the place of F or before it, so it stands in no chain. `is_released` says that
    everybody gets the module, since others cannot read what is published without what learned beside it.
    One that publishes answers learns of the own rows and is asked about public images; one that publishes draws makes
    rows up from statistics of many. Of neither is a row any own image's.
    """

    takes_images: bool = False
    publishes_images: bool = False
    publishes_answers: bool = False
    publishes_draws: bool = False
    is_released: bool = False

    @property
    def is_of_own_rows(self) -> bool:
        """Whether a row is published of each own image, so that there is something to rebuild, match and link."""
        return not (self.publishes_answers or self.publishes_draws)


FEATURES_TO_FEATURES = Form()
IMAGES_TO_FEATURES = Form(takes_images=True, is_released=True)
IMAGES_TO_IMAGES = Form(takes_images=True, publishes_images=True)
FEATURES_TO_ANSWERS = Form(publishes_answers=True)
FEATURES_TO_DRAWS = Form(publishes_draws=True)


class Dp(Part):
    """Differential privacy that is asked of what an entity publishes."""

    epsilon: float = Field(
        gt=0, le=1000, description="Smaller is stricter; 1 is strong, above 10 hardly more than a word."
    )
    delta: float = Field(1e-5, gt=0, lt=0.1, description="Chance that epsilon does not hold; far below 1 / images.")
    unit: Literal["image", "identity"] = Field(
        "image",
        description="What is hidden: that one image is among the own ones, or that one person is, with all images of "
        "theirs; for that the source must tell identities.",
    )


class DefenseOptions(Part):
    """What stands in the mapping of a defense; a plugin's options subclass it."""

    form: ClassVar[Form] = FEATURES_TO_FEATURES
    """What it is given and what its entity publishes."""
    mechanism: ClassVar[str] = ""
    """By which it can have differential privacy; none where it cannot."""
    needs_classes: ClassVar[bool] = False
    """Whether it works with classes alone, and with no other task."""

    kind: Kind = Field(description="The defense plugin; its name alone is short for all defaults.")

    @property
    def asked_privacy(self) -> Dp | None:
        """The differential privacy that it is to have, by its `mechanism`; None where it promises none."""
        return None

    @property
    def public_images(self) -> int:
        """How many public images there must be."""
        return 0

    @property
    def public_mixes(self) -> int:
        """How many mixes with another public image answers may be about, beside each image itself."""
        return 0

    @property
    def public_rounds(self) -> int:
        """In how many rounds it answers, each but the first from the mean of all answers of the one before."""
        return 1

    @property
    def hides_people(self) -> bool:
        """Whether it is fitted against the network that names people, which `inference` of a scenario states."""
        return False


Answers = Literal["images", "matches", "members", "attributes", "private", "embeddings", "classes"]
"""What an attack answers: rebuilt images; for each row and candidate, or each candidate, a score; mean colors; a score
for each private attribute of each row; vectors, near each other for rows of one individual; shares of the classes."""


class HandOut(Part):
    """The part of a victim's truth that an adversary is given, because its class has it; the oracle hands it out."""

    pairs: int = Field(
        0, ge=0, description="Images of the victim's last published rows, with these rows; half of them at most."
    )
    candidates: int = Field(0, ge=0, description="Images among which those of attacked rows may be.")
    present: float = Field(1.0, ge=0, le=1, description="Share of the attacked rows whose images are among them.")
    attributes: bool = Field(False, description="Of pairs also the private attributes of the images.")
    is_planted: bool = Field(False, description="Of pairs the images alone: the adversary has to find their rows.")
    allies: tuple[Name, ...] = Field((), description="Who collude: the oracle hands out their modules and images.")
    module: bool = Field(False, description="The fitted module of the victim's defense, as if it had been stolen.")


CONTROL = "control"
"""Under this name a rehearsal may keep, and results hold, how much more it tells than a guess where it must tell."""


Rehearses = Literal["never", "for each recipe", "once"]
"""Whether an attack learns something before it sees a shard, and whether that depends on how modules are trained."""


class AttackOptions(Part):
    """What stands in the mapping of an attack; a plugin's options subclass it."""

    answers: ClassVar[Answers] = "images"
    rehearses: ClassVar[Rehearses] = "never"

    kind: Kind = Field(description="The attack plugin; its name alone is short for all defaults.")
    name: Name | None = Field(None, description="What results call it; its kind unless given.")
    rows: int = Field(
        1000, ge=2, le=65_536, description="Rows of the victim's shard, from its first, that it is tried on."
    )

    @property
    def label(self) -> str:
        """What results call it."""
        return self.name or (f"{self.kind}[{self.setting}]" if self.setting else self.kind)

    @property
    def setting(self) -> str:
        """What tells several attacks of one kind apart."""
        return ""

    @property
    def of_release(self) -> bool:
        """Whether it asks about the released networks, and so about whoever pre-trained, and not about rows."""
        return False

    @property
    def of_feature_modules(self) -> bool:
        """Whether it is about a module that changes features: not tried on who publishes images or encodes them."""
        return False

    @property
    def links_classes(self) -> bool:
        """Of an attack that answers embeddings: whether rows of one class are to lie near, not of one individual."""
        return False

    @property
    def of_answers(self) -> bool:
        """Whether it is about answers about public images: tried on who publishes such, and on nobody else."""
        return False

    @property
    def looks_at_rounds(self) -> bool:
        """Whether it compares rounds of what its victim published: tried on who took part in some."""
        return False

    @property
    def federated_row(self) -> RowName | None:
        """The row of `federated` whose weights it looks at; None where it is about what is published."""
        return None

    def is_tried_on(self, form: Form) -> bool:
        """Whether there is anything in what this form publishes that it is about.

        Draws are no image's, so that one can only ask of them who is a member.
        """
        if form.publishes_answers or self.of_answers:
            return form.publishes_answers and self.of_answers
        if form.publishes_draws:
            return self.answers == "members"
        return not (self.of_feature_modules and form.takes_images)

    @property
    def hand_out(self) -> HandOut | None:
        """What the oracle is to hand out beforehand."""
        return None

    @property
    def second_release(self) -> tuple[str, int] | None:
        """Whose rows it looks at beside the victim's, and at how many of them; None where it is about one release."""
        return None


class OptionalPairs(AttackOptions):
    """Options of an attack that may have images of the victim's with what it published of them."""

    pairs: int = Field(0, ge=0, le=65_536, description="Images of the victim's that the adversary has: k; 0: none.")

    @property
    def setting(self) -> str:
        """How many pairs."""
        return str(self.pairs)

    @property
    def hand_out(self) -> HandOut | None:
        """The pairs."""
        return HandOut(pairs=self.pairs) if self.pairs else None


class MetricOptions(Part):
    """What stands in the mapping of a metric; a plugin's options subclass it."""

    of: ClassVar[Literal["images", "answers"]] = "images"
    """What it is a function of; said by the plugin, unless its options stand apart."""

    kind: Kind = Field(description="The metric plugin; its name alone is short for all defaults.")
    name: Kind | None = Field(None, description="What results call it; its kind unless given.")

    @property
    def label(self) -> str:
        """What results call it."""
        return self.name or self.kind


class TrackerOptions(Part):
    """What stands in the mapping of a tracker; a plugin's options subclass it."""

    kind: Kind = Field(description="The tracker plugin; its name alone is short for all defaults.")


ABOUT_OPTIMIZERS = (
    "sgd has Nesterov momentum 0.9; muon orthogonalizes the momentum of filters and matrices, and trains the rest by "
    "adamw at a tenth of the rate."
)


Course = Literal["cosine", "one_cycle", "constant"]
"""How the learning rate changes over a training."""


class Schedule(Part):
    """How long and with which steps something is trained; the papers state none of it."""

    epochs: int = Field(10, ge=1, le=10_000, description="Passes over the rows; time grows with them.")
    batch_size: int = Field(128, ge=2, le=65_536, description="Rows of a step; memory grows with them.")
    optimizer: OptimizerName = Field("sgd", description=ABOUT_OPTIMIZERS)
    learning_rate: float = Field(0.1, gt=0, description="Its largest value; a loss that is not finite ends the run.")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty (adamw: decoupled).")
    schedule: Course = Field("cosine", description="Course of the learning rate.")


class OneCycle(Schedule):
    """AdamW in one cycle of its rate: what small networks that look at features, or change them, learn best by."""

    batch_size: int = Field(64, ge=2, le=65_536, description="Rows of a step; memory grows with them.")
    optimizer: OptimizerName = Field("adamw", description=ABOUT_OPTIMIZERS)
    learning_rate: float = Field(2e-3, gt=0, description="Its largest value; a loss that is not finite ends the run.")
    schedule: Course = Field("one_cycle", description="Course of the learning rate.")


def long_form(value: Any) -> Any:
    """`{kind: word}` for a word alone."""
    return {"kind": value} if isinstance(value, str) else value
