"""Options of our attacks, apart from the code that honors them: a scenario is validated without torch.

The class of a kind is found by the `kind` that it says (`collab.scenario.kinds`); its plugin takes it from here.
"""

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from collab.architectures import RECONSTRUCTOR
from collab.attacks.answer_options import ALONE as ALONE
from collab.attacks.answer_options import AnswerMembership as AnswerMembership
from collab.attacks.answer_options import LabelDistribution as LabelDistribution
from collab.attacks.answer_options import RoundDifference as RoundDifference
from collab.attacks.reading_options import AttributeInference as AttributeInference
from collab.attacks.reading_options import IdentityInference as IdentityInference
from collab.scenario.base import Answers, AttackOptions, HandOut, Name, OneCycle, OptionalPairs, Rehearses

View = Literal["logits", "penultimate", "blocks", "frame_free"]
"""What of a feature map is compared: C's answer, its last pooled map, the maps of each of its blocks, or what no
rotation of channels changes."""


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


class ShadowModules(Inversion):
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


class SimulatedClient(Inversion):
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


# ---- with pairs, or among candidates -------------------------------------------------------------------------------
class LeakedPairs(OptionalPairs):
    """How many pairs, and what is fitted on them."""

    kind: Literal["leaked_pairs"] = Field(description=ALONE)
    pairs: int = Field(64, ge=0, le=65_536, description="Images of the victim's that the adversary has: k.")
    sides: tuple[int, ...] = Field((1, 3), min_length=1, description="Places that a linear map sees; odd.")
    epochs: int = Field(
        20, ge=0, le=10_000, description="Passes of the residual blocks over the pairs; 0: linear maps alone."
    )


class Candidates(AttackOptions):
    """How many images the adversary looks among, and how many of the attacked are there."""

    candidates: int = Field(2000, ge=16, le=1_000_000, description="Images among which it looks for each row's.")
    present: float = Field(1.0, ge=0, le=1, description="Share of the attacked rows whose images are among them.")
    views: tuple[View, ...] = Field(
        ("logits", "penultimate", "blocks", "frame_free"), min_length=1, description="What of a row is compared."
    )

    @property
    @override
    def hand_out(self) -> HandOut:
        return HandOut(candidates=self.candidates, present=self.present)


class Matching(Candidates):
    """What is compared, and how often it looks again."""

    answers: ClassVar[Answers] = "matches"

    kind: Literal["matching"] = Field(description=ALONE)
    boost: int = Field(5, ge=0, le=100, description="Rounds in which sure matches are taken for pairs.")

    @property
    @override
    def setting(self) -> str:
        return "boosted" if self.boost else "+".join(self.views)


class PlantedImages(AttackOptions):
    """How many images it got into the victim's collection, and how it finds them again."""

    kind: Literal["planted_images"] = Field(description=ALONE)
    images: int = Field(64, ge=1, le=65_536, description="Images of its own that the victim publishes with the rest.")
    views: tuple[View, ...] = Field(
        ("logits", "penultimate", "blocks", "frame_free"), min_length=1, description="What of a row is compared."
    )
    sides: tuple[int, ...] = Field((1, 3), min_length=1, description="Places that a linear map sees; odd.")
    rounds: int = Field(3, ge=0, le=100, description="How often the rows that were found help to find others.")

    @property
    @override
    def hand_out(self) -> HandOut:
        return HandOut(pairs=self.images, is_planted=True)

    @property
    @override
    def setting(self) -> str:
        return str(self.images)


class Linkage(AttackOptions):
    """With which other release, and what is compared."""

    answers: ClassVar[Answers] = "matches"

    kind: Literal["linkage"] = Field(description=ALONE)
    second: Name = Field(description="The entity whose rows are looked among; it publishes features too.")
    candidates: int = Field(2000, ge=2, le=1_000_000, description="Rows of it, from its first, at most.")
    views: tuple[View, ...] = Field(
        ("logits", "penultimate", "blocks", "frame_free"), min_length=1, description="What of a row is compared."
    )

    @property
    @override
    def second_release(self) -> tuple[str, int]:
        return self.second, self.candidates

    @property
    @override
    def setting(self) -> str:
        return self.second


By = Literal["likeness", "span", "means", "loss", "relative", "ratio"]
"""A row that is like a candidate, the directions in which all rows vary, the mean of its class; or C's loss, alone or
beside that of deciders that the adversary trains itself (RMIA, LiRA)."""

OF_RELEASE: tuple[By, ...] = ("loss", "relative", "ratio")
"""Those that ask whose images C has learned."""

Reference = Literal["public", "none"]
"""Whose main directions are subtracted from those of the published rows."""


class MembershipInference(Candidates):
    """Of which images it is asked."""

    answers: ClassVar[Answers] = "members"

    kind: Literal["membership_inference"] = Field(description=ALONE)
    by: By = Field("likeness", description="What a candidate is known by.")
    directions: int = Field(
        128, ge=1, le=65_536, description="Of `span`: those in which rows vary most; a quarter of the rows at most."
    )
    reference: Reference = Field(
        "public", description="Of `span`: images whose share in their own main directions is subtracted."
    )
    rows: int = Field(500, ge=2, le=65_536, description="Rows whose images are members where they are present.")
    shadows: int = Field(16, ge=2, le=1024, description="Of `relative` and `ratio`: deciders that it trains.")
    shadow_epochs: int = Field(15, ge=1, le=10_000, description="Passes of each over half of the candidates.")

    @property
    @override
    def of_release(self) -> bool:
        return self.by in OF_RELEASE

    @property
    @override
    def setting(self) -> str:
        if self.by == "span":
            return "span" if self.reference == "public" else "span alone"
        return "" if self.by == "likeness" else self.by


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
