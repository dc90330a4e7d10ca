"""Options of our attacks, apart from the code that honors them: a scenario is validated without torch.

The class of a kind is found by the `kind` that it says (`collab.scenario.kinds`); its plugin takes it from here.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator
from typing_extensions import override

from collab.architectures import RECONSTRUCTOR
from collab.attacks.answer_options import ALONE as ALONE
from collab.attacks.answer_options import AnswerMembership as AnswerMembership
from collab.attacks.answer_options import LabelDistribution as LabelDistribution
from collab.attacks.answer_options import RoundDifference as RoundDifference
from collab.attacks.candidate_options import OF_RELEASE as OF_RELEASE
from collab.attacks.candidate_options import By as By
from collab.attacks.candidate_options import Candidates as Candidates
from collab.attacks.candidate_options import LeakedPairs as LeakedPairs
from collab.attacks.candidate_options import Linkage as Linkage
from collab.attacks.candidate_options import Matching as Matching
from collab.attacks.candidate_options import MembershipInference as MembershipInference
from collab.attacks.candidate_options import PlantedImages as PlantedImages
from collab.attacks.candidate_options import Reference as Reference
from collab.attacks.candidate_options import View as View
from collab.attacks.reading_options import AttributeInference as AttributeInference
from collab.attacks.reading_options import IdentityInference as IdentityInference
from collab.scenario.base import AttackOptions, HandOut, Name, OneCycle, Rehearses
from collab.scenario.kinds import AnyAttack


# ---- without pairs -------------------------------------------------------------------------------------------------
class StrawMan(AttackOptions):
    """The released reconstructor as it is: nothing to choose."""

    kind: Literal["straw_man"] = Field(description=ALONE)


class DistributionMatching(AttackOptions):
    """Which map."""

    kind: Literal["distribution_matching"] = Field(description=ALONE)
    map: Literal["zca", "transport", "eigen"] = Field("zca", description="eigen undoes part of a rotation too.")
    images: int = Field(2000, ge=16, le=1_000_000, description="Public images that F's moments are taken of.")
    per_class: bool = Field(
        False,
        description="A map for each class, where the task has some: rows by their labels, public images by what C "
        "takes them for.",
    )

    @property
    @override
    def setting(self) -> str:
        return f"{self.map},classes" if self.per_class else self.map


class AdversarialAlignment(AttackOptions):
    """How long U and its discriminator play, and what C weighs."""

    kind: Literal["adversarial_alignment"] = Field(description=ALONE)
    epochs: int = Field(8, ge=1, le=10_000, description="Passes over the shard, of 4,096 of its rows at most.")
    images: int = Field(2000, ge=16, le=1_000_000, description="Public images that U(f*) is to look like.")
    equivalence_weight: float = Field(1.0, ge=0, description="w, of what C answers.")


class OptimizationInversion(AttackOptions):
    """What it compares through, and how long it looks."""

    kind: Literal["optimization_inversion"] = Field(description=ALONE)
    rows: int = Field(64, ge=2, le=65_536, description="Rows that it is tried on; time grows with them.")
    through: Literal["decider", "module"] = Field("decider", description="module: needs the victim's weights.")
    is_stolen: bool = Field(False, description="The weights are handed to the adversary, whoever keeps them private.")
    steps: int = Field(300, ge=1, le=100_000, description="Steps of the optimizer for each image and start.")
    restarts: int = Field(2, ge=1, le=100, description="Starts; of each image the end with the smallest loss counts.")
    learning_rate: float = Field(0.02, gt=0, description="Of Adam, at first; it falls to 0.")
    smoothness: tuple[float, ...] = Field(
        (0.2, 1.0, 4.0),
        min_length=1,
        description="Tau, the weight of the total variation; of several that by which public images come out best.",
    )

    @property
    @override
    def hand_out(self) -> HandOut | None:
        return HandOut(module=True) if self.is_stolen and self.through == "module" else None

    @property
    @override
    def of_feature_modules(self) -> bool:
        return self.through == "module"

    @property
    @override
    def setting(self) -> str:
        return self.through


# ---- by a reconstructor that is trained ----------------------------------------------------------------------------
class Inversion(AttackOptions, OneCycle):
    """How long the reconstructor is trained, and with which steps."""

    epochs: int = Field(5, ge=1, le=10_000, description="Passes over the images that the adversary has.")
    batch_size: int = Field(32, ge=2, le=65_536, description="Rows of a step; memory grows with them.")
    perceptual_weight: float = Field(
        0.0,
        ge=0,
        description="What the loss adds of how far F of the rebuilt image is from F of the true one; 0: pixels alone.",
    )


class MaybeNew(Inversion):
    """What it trains: R behind blocks that mend, or a new reconstructor."""

    reconstructor: str | None = Field(
        None, pattern=RECONSTRUCTOR, description="Kind of a new one that it trains; R behind blocks that mend if null."
    )


class ByReconstructor(Inversion):
    """Which reconstructor, and how it is trained."""

    reconstructor: str = Field("px2s2", pattern=RECONSTRUCTOR, description="Kind of the reconstructor.")


class UnseenReconstructor(ByReconstructor):
    """Which reconstructor, and how it is trained; results are called after it."""

    kind: Literal["unseen_reconstructor"] = Field(description=ALONE)
    reconstructor: str = Field("rx2s2", pattern=RECONSTRUCTOR, description="Kind of the reconstructor.")

    @property
    @override
    def setting(self) -> str:
        return self.reconstructor


class OwnModule(Inversion):
    """How it trains R."""

    kind: Literal["own_module"] = Field(description=ALONE)
    epochs: int = Field(3, ge=1, le=10_000, description="Passes over own and public images.")
    allies: tuple[Name, ...] = Field(
        (), description="Entities that collude: they give it their modules and images; never victims of it."
    )

    @property
    @override
    def hand_out(self) -> HandOut | None:
        return HandOut(allies=self.allies) if self.allies else None

    @property
    @override
    def setting(self) -> str:
        return "+".join(self.allies)


class ShadowModules(MaybeNew):
    """How many modules, on what, and how their inverse is trained."""

    rehearses: ClassVar[Rehearses] = "for each recipe"

    kind: Literal["shadow_modules"] = Field(description=ALONE)
    modules: int = Field(4, ge=1, le=64, description="K, the modules it trains, no two alike; time grows with them.")
    images: int = Field(1250, ge=16, le=1_000_000, description="Public images that each is fitted on.")
    module_epochs: int | None = Field(None, ge=1, le=10_000, description="Passes for each; the recipe's if null.")
    collaborator: bool = Field(False, description="Whether it uses an own module and own images too.")
    epochs: int = Field(3, ge=1, le=10_000, description="Passes over the images that the adversary has.")
    batch_size: int = Field(64, ge=2, le=65_536, description="Rows of a step; memory grows with them.")

    @property
    @override
    def of_feature_modules(self) -> bool:
        return True

    @property
    @override
    def setting(self) -> str:
        return f"{self.modules},own" if self.collaborator else str(self.modules)


class SimulatedClient(MaybeNew):
    """How long client and discriminator play, and how the decoder is trained."""

    rehearses: ClassVar[Rehearses] = "for each recipe"

    kind: Literal["simulated_client"] = Field(description=ALONE)
    client_epochs: int = Field(8, ge=1, le=10_000, description="Passes over the shard, of 4,096 of its rows at most.")
    equivalence_weight: float = Field(1.0, ge=0, description="w, of what C answers.")
    epochs: int = Field(3, ge=1, le=10_000, description="Passes of the decoder over the public images.")
    batch_size: int = Field(64, ge=2, le=65_536, description="Rows of a step; memory grows with them.")

    @property
    @override
    def of_feature_modules(self) -> bool:
        return True


class ThroughDecider(ByReconstructor):
    """How deep, and how the reconstructor is trained."""

    rehearses: ClassVar[Rehearses] = "once"

    kind: Literal["through_decider"] = Field(description=ALONE)
    depth: int = Field(1, ge=1, le=64, description="Blocks of C that the shard goes through; its head is none.")
    epochs: int = Field(3, ge=1, le=10_000, description="Passes over the public images.")

    @property
    @override
    def setting(self) -> str:
        return str(self.depth)


Start = Literal["fresh", "released"]
"""As the papers have it; or R behind a linear map that undoes the module, which is further after one pass than that."""


class LeakedModule(ByReconstructor):
    """Which reconstructor, how it is trained, and where the module is from."""

    kind: Literal["leaked_module"] = Field(description=ALONE)
    is_stolen: bool = Field(False, description="The module is handed to the adversary, whoever keeps it private.")
    start: Start = Field(
        "fresh", description="A new `reconstructor`, or R behind a linear map fitted on public images."
    )

    @property
    @override
    def hand_out(self) -> HandOut | None:
        return HandOut(module=True) if self.is_stolen else None


# ---- on top of another ---------------------------------------------------------------------------------------------
POLISHED = (
    "adversarial_alignment", "distribution_matching", "leaked_module", "leaked_pairs", "own_module", "planted_images",
    "shadow_modules", "simulated_client", "straw_man", "through_decider", "unseen_reconstructor",
)  # fmt: skip
"""Attacks that rebuild images from features, whose pictures a prior can be put to."""


class ImagePrior(AttackOptions, OneCycle):
    """Which attack shows the images, and how the density of images is learned."""

    rehearses: ClassVar[Rehearses] = "for each recipe"

    kind: Literal["image_prior"] = Field(description=ALONE)
    of: AnyAttack = Field(
        "straw_man",
        validate_default=True,
        description="The attack whose images are made likely, by name or as a mapping; its `rows` and `name` say "
        "nothing.",
    )
    components: int = Field(64, ge=1, le=4096, description="Main components that the density is of.")
    weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (0.0, 0.3, 1.0, 3.0),
        min_length=1,
        description="Of log p; of several that by which public images come out best. 0: images as they were.",
    )
    epochs: int = Field(30, ge=1, le=10_000, description="Passes over the public images; one takes a second or less.")
    batch_size: int = Field(128, ge=2, le=65_536, description="Rows of a step; memory grows with them.")

    @field_validator("of")
    @classmethod
    def _rebuilds(cls, of: AttackOptions) -> AttackOptions:
        if of.kind not in POLISHED:
            raise ValueError(f"must be one of {', '.join(POLISHED)}")
        if of.hand_out is not None and of.hand_out.allies:
            raise ValueError("must have no allies, whom a rehearsal on public images does not have")
        return of

    @property
    def pairs(self) -> int:
        """Images of the victim's that the other attack has, with their rows or without."""
        return self.of.hand_out.pairs if self.of.hand_out else 0

    @property
    @override
    def hand_out(self) -> HandOut | None:
        return self.of.hand_out

    @property
    @override
    def of_feature_modules(self) -> bool:
        return True

    @property
    @override
    def setting(self) -> str:
        return f"{self.of.kind},{self.of.setting}" if self.of.setting else self.of.kind


# ---- of published images -------------------------------------------------------------------------------------------
class HistogramMatching(AttackOptions):
    """The nearest histogram: nothing to choose."""

    kind: Literal["histogram_matching"] = Field(description=ALONE)


class Thumbnail(AttackOptions):
    """Of how many fields."""

    kind: Literal["thumbnail"] = Field(description=ALONE)
    regions: int = Field(4, ge=1, le=256, description="Along a side; shuffling inside finer regions shows more.")


class Jigsaw(AttackOptions):
    """Of how many fields."""

    kind: Literal["jigsaw"] = Field(description=ALONE)
    regions: int = Field(4, ge=1, le=256, description="Along a side: fields that were shuffled by themselves.")


class Unshuffler(Inversion):
    """How its network is trained."""

    kind: Literal["unshuffler"] = Field(description=ALONE)
    width: int = Field(32, ge=4, le=256, description="Channels of its first level; time grows with their square.")
