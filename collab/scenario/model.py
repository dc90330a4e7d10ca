"""A scenario: one declared experiment, checked as a whole."""

from typing import Literal, Self

from pydantic import Field, model_validator

from collab.scenario.any_network import AnyNetwork
from collab.scenario.any_source import AnyData
from collab.scenario.base import Kind, Part
from collab.scenario.checks import find_cross_mistakes
from collab.scenario.expect import Bound, Expectation, PaperTable
from collab.scenario.federated import Federation
from collab.scenario.kinds import AnyMetric, AnyTracker
from collab.scenario.measuring import Disclosure, Exposure, Inference
from collab.scenario.network import ImageSchedule
from collab.scenario.partitions import AnyPartition, Iid
from collab.scenario.parts import (
    EntityPart,
    Reconstructor,
    Refine,
    Refinement,
    StoreOptions,
)
from collab.scenario.resources import ComputeOptions, Resources
from collab.scenario.sources import Data, OwnSource

__all__ = ["EntityPart", "Refinement", "Scenario"]


class Scenario(Part):
    """One experiment: the three steps of the regime are fixed, the scenario says with what."""

    name: Kind = Field(description="Names the run directories.")
    about: str = Field("", description="What it shows, in a sentence.")
    seed: int = Field(0, ge=0, lt=2**63, description="All randomness follows from it, but for what `data.seed` says.")
    private_seeds: Literal["derived", "drawn"] = Field(
        "derived",
        description="drawn: randomness of an entity follows from a secret that it draws, once for each folder of runs.",
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="Type of the arithmetic; auto takes bf16 where hardware multiplies it faster."
    )
    compute: ComputeOptions = Field(ComputeOptions(), description="How a GPU computes.")
    data: AnyData = Field(description="Where images come from, and which classes are private.")
    model: AnyNetwork = Field(description="The task network, where it is split, and who pre-trains it.")
    scratch: ImageSchedule | None = Field(
        None, description="Schedule of rows from raw images; pretrain's unless given."
    )
    reconstructor: Reconstructor = Field(Reconstructor(), description="Step 1: what the DPMs are trained against.")
    partition: AnyPartition = Field(Iid(kind="iid"), description="How the shares of the entities are drawn.")
    entities: tuple[EntityPart, ...] = Field(description="The parties; their shares add up to 1 at most.")
    refine: Refine = Field(Refine(), description="Step 3, alike for every row.")
    refinements: tuple[Refinement, ...] = Field((), description="The rows of Table 5; none unless given.")
    federated: tuple[Federation, ...] = Field(
        (), description="Refinement by federated averaging, to compare with; schedules are those of `refine`."
    )
    controls: bool | Literal["own"] = Field(
        True,
        description="Adds rows that separate causes: own features only, and for each pool unpoisoned and all poisoned; "
        "`own`: own features only, from which gains are counted.",
    )
    disclosure: Disclosure | None = Field(
        None, description="What is measured of reconstructions beyond Tables 1 and 2; nothing unless given."
    )
    exposure: Exposure | None = Field(
        None, description="What is measured of published features beside the task; nothing unless given."
    )
    expect: Expectation | tuple[Expectation, ...] | None = Field(
        None, description="What is to come out, one or a list; each gets a verdict, and `--check` fails with them."
    )
    store: StoreOptions = Field(StoreOptions(), description="What published shards look like.")
    inference: Inference | None = Field(
        None, description="Classifiers of private attributes or people on published features; null: not played."
    )
    metrics: tuple[AnyMetric, ...] = Field(
        (), description="Further figures of rebuilt images or of answers: metrics of plugins, which train nothing anew."
    )
    trackers: tuple[AnyTracker, ...] = Field(
        (),
        description="Who else is told of events and results: `tensorboard`, `mlflow`, `wandb`, or plugins.",
    )
    on_failure: Literal["stop", "continue"] = Field(
        "stop", description="continue: rows that do not need what failed are still computed; the exit code stays 4."
    )
    resources: Resources = Field(Resources(), description="What the run takes of the machine.")

    @property
    def data_seed(self) -> int:
        """What is drawn of the data follows from it."""
        return self.seed if self.data.seed is None else self.data.seed

    @property
    def with_own_data(self) -> tuple[EntityPart, ...]:
        """The entities that have a source of their own."""
        return tuple(entity for entity in self.entities if entity.data is not None)

    @property
    def own_heldout(self) -> tuple[str, ...]:
        """The entities of whose own images some are held out: those with a source, unless one is held out for all."""
        return () if self.data.heldout is not None else tuple(entity.name for entity in self.with_own_data)

    @property
    def sources(self) -> dict[tuple[str | int, ...], Data | OwnSource]:
        """Every source that it reads, by where that stands in its file."""
        parts: dict[tuple[str | int, ...], Data | OwnSource | None] = {
            ("data",): self.data,
            ("data", "public"): self.data.public,
            ("data", "heldout"): self.data.heldout,
        }
        parts |= {("entities", place, "data"): entity.data for place, entity in enumerate(self.entities)}
        return {place: part for place, part in parts.items() if part is not None}

    @property
    def is_drawn(self) -> bool:
        """Whether images are drawn, so that figures from them say nothing about photographs."""
        return any(part.is_drawn for part in self.sources.values())

    @property
    def expectations(self) -> tuple[PaperTable | Bound, ...]:
        """All that it expects, also where `expect` is not a list; nothing where it is scored on validation images."""
        if self.expect is None or self.data.is_for_choosing:
            return ()
        return self.expect if isinstance(self.expect, tuple) else (self.expect,)

    @property
    def kinds(self) -> frozenset[tuple[str, str]]:
        """Every kind of plugin in it, after the name of its group; of attacks those that are played."""
        publishers = {entity.name for entity in self.entities if entity.options.publishes}
        kinds = {("entities", entity.kind) for entity in self.entities}
        kinds |= {("defenses", defense.kind) for entity in self.entities for defense in entity.defenses}
        for entity in self.entities:
            peers = sorted(publishers - {entity.name})
            kinds |= {("attacks", attack.kind) for _, attack in entity.options.attacks_on(peers)}
        kinds |= {("trackers", tracker.kind) for tracker in self.trackers}
        kinds |= {("metrics", metric.kind) for metric in self.metrics}
        kinds |= {("sources", part.source) for part in self.sources.values()}
        return frozenset(kinds | {("backbones", self.model.backbone)})

    @property
    def answering_in_rounds(self) -> tuple[str, ...]:
        """Who answers about public images in several rounds, sorted; whoever is late has missed all but the last."""
        return tuple(
            sorted(
                entity.name
                for entity in self.entities
                if entity.defenses[0].public_rounds > 1 and entity.options.publishes and not entity.options.is_late
            )
        )

    @property
    def asks_identities(self) -> bool:
        """Whether anything here needs to know whom an image shows."""
        asked = [defense.asked_privacy for entity in self.entities for defense in entity.defenses]
        asked += [federation.dp for federation in self.federated]
        attacks = [attack for entity in self.entities for attack in getattr(entity.options, "attacks", ())]
        if any(each.answers == "embeddings" and not each.links_classes for each in attacks):
            return True
        return self.inference is not None or self.embeds or any(dp and dp.unit == "identity" for dp in asked)

    @property
    def federates_only(self) -> bool:
        """Whether weights are all that anybody reads: no row, attack or measure is of features, and none are changed.

        Then nothing is published, and nobody trains R.
        """
        if not self.federated or self.refinements or self.disclosure or self.exposure or self.inference or self.metrics:
            return False
        names = sorted(entity.name for entity in self.entities if entity.options.publishes)
        return not any(
            entity.protection != "none" or entity.options.attacks_on([each for each in names if each != entity.name])
            for entity in self.entities
        )

    @property
    def embeds(self) -> bool:
        """Whether an embedding of the individuals of public images is trained."""
        return self.exposure is not None and self.exposure.embedding is not None

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        mistakes = [
            f"{'.'.join(map(str, trail))}: {text}"
            for trail, text in find_cross_mistakes(self.model_dump(by_alias=True))
        ]
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self
