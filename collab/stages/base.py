"""What a stage is: work of one kind that participants do, kept in the cache under a key of all it depends on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from collab.data.source import Pictures
from collab.participants.assignment import ORACLE, Assignment
from collab.participants.layout import Layout
from collab.plugins.discovery import Plugins
from collab.scenario.base import AttackOptions, RowName
from collab.scenario.model import EntityPart, Refinement, Scenario
from collab.training.progress import Progress
from collab.types import Report

if TYPE_CHECKING:
    from collab.participants.entity import Entity
    from collab.participants.oracle import Oracle
    from collab.stages.keys import Keys

Label = tuple[str, str]
"""Row and entity of the results that a job's measures belong to."""

Player = TypeVar("Player", bound="Entity | Oracle | None")
"""Who plays a stage; nobody if it needs no more than files."""


class Urgency(IntEnum):
    """In which part of a plan a job stands: steps that others wait for come first, rows from raw images fill gaps."""

    DECODE = 0
    RELEASE = 1  # one entity pre-trains, and releases F and C
    BOUND = 2  # rows from scratch on everybody's images: the longest, so they start as early as they can
    RECONSTRUCT = 3
    PUBLISH = 4  # entity by entity
    JUDGES = 5  # networks that look at what others made
    SCRATCH = 6
    REFINE = 7
    FEDERATE = 8
    ATTACK = 9
    WITHDRAW = 10


@dataclass(frozen=True)
class Job:
    """A stage of one participant: `order` says of what, in a type of the stage's own.

    It needs what jobs in `needs` leave behind; those in `after` must have ended, and are passed over where they could
    not be played. If one of them fails by itself, this job is not played. `reads` are entities whose shards it reads,
    so that nobody withdraws them before. `attack`, `victim` and `rehearsed_on` say which attack on whom it belongs to,
    and whom that was rehearsed for. `place` is where in the plan it stands: its urgency, then whatever orders jobs of
    equal urgency.
    """

    name: str
    participant: str
    stage: str
    place: tuple[int, ...]
    needs: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()
    order: Any = None
    reads: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    attack: str | None = None
    victim: str | None = None
    rehearsed_on: str | None = None


@dataclass(frozen=True)
class Planning:
    """What stages plan from: the scenario, the rows that are played, and how many images each entity holds."""

    scenario: Scenario
    rows: tuple[Refinement, ...]
    images: Mapping[str, int]

    @property
    def leader(self) -> str:
        """The entity that pre-trains and releases F, C and R."""
        return self.scenario.model.pretrain.leader

    @cached_property
    def publishers(self) -> tuple[str, ...]:
        """Names of the entities that publish, in their order; nobody where nothing but weights is read."""
        if self.scenario.federates_only:
            return ()
        return tuple(entity.name for entity in self.scenario.entities if entity.options.publishes)

    @cached_property
    def parties(self) -> tuple[str, ...]:
        """Those of them that are no controls of attacks: whose features something is told of."""
        return self._publishers_that(lambda entity: entity.is_publishing_party)

    @cached_property
    def row_publishers(self) -> tuple[str, ...]:
        """Those of the parties that publish a row for each own image."""
        return self._publishers_that(lambda entity: entity.publishes_rows)

    def _publishers_that(self, are: Callable[[EntityPart], bool]) -> tuple[str, ...]:
        return tuple(each.name for each in self.scenario.entities if each.name in self.publishers and are(each))

    @cached_property
    def attacks(self) -> tuple[tuple[str, str, AttackOptions], ...]:
        """Who attacks whom with what, where what the victim publishes has anything that the attack is about.

        What asks about the release asks about whoever pre-trained, and of one other who must not be found: a control in
        noise. One with plain features would be a second.
        """
        forms = {entity.name: entity.form for entity in self.scenario.entities}
        noise = {each.name for each in self.scenario.entities if getattr(each.options, "shows", None) == "noise"}
        learned = {self.leader, *noise}
        return tuple(
            (entity.name, victim, attack)
            for entity in self.scenario.entities
            for victim, attack in entity.options.attacks_on(sorted({*self.publishers} - {entity.name}))
            if attack.is_tried_on(forms[victim]) and (victim in learned or not attack.of_release)
            if not attack.looks_at_rounds or victim in self._rounds_of(attack.federated_row)
        )

    def _rounds_of(self, row: RowName | None) -> tuple[str, ...]:
        """Who takes part in the rounds of a row of `federated`, or of answers where it is None."""
        if row is None:
            return self.scenario.answering_in_rounds
        return next((each.entities for each in self.scenario.federated if each.name == row), ())

    def publishing(self, name: str, step: int) -> tuple[int, ...]:
        """The place of a step of publishing: all steps of one entity before those of the next."""
        names = [entity.name for entity in self.scenario.entities]
        return Urgency.PUBLISH, names.index(name), step


@dataclass(frozen=True)
class Playing:
    """What a stage finds where it is played: the run, who holds which rows, plugins, and images from the sources.

    `source` opens those that whoever plays the stage may read.
    """

    scenario: Scenario
    run: Path
    assignment: Assignment
    plugins: Plugins
    source: Callable[[], Pictures]

    @property
    def layout(self) -> Layout:
        """Where things lie in the run that anybody may read."""
        return Layout(self.run, reader=ORACLE, elsewhere=None)

    def stated(self, name: str) -> EntityPart:
        """An entity as the scenario states it."""
        return next(entity for entity in self.scenario.entities if entity.name == name)


class Stage(ABC, Generic[Player]):
    """One kind of work: which jobs of it a scenario has, what each depends on, and how it is played.

    Raise `version` whenever its results may change; tests/stages/test_stage_code.py watches the code that `play` runs,
    and that of plugins it runs by name: `runs` names their group and method, or the group alone for the whole class.
    Its module imports torch nowhere but where it plays: planning and looking into the cache go without.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    runs: ClassVar[tuple[str, ...]] = ()
    computes: ClassVar[bool] = True
    """Whether it needs torch and whoever plays it; any other is given None, and starts before torch is imported."""
    is_brief: ClassVar[bool] = False
    """Whether its jobs start though no core is free: such as wait for one another at every turn, so that processes that
    share the cores are sooner done than a queue."""
    fails_whole: ClassVar[bool] = False
    """Whether its other jobs are played though one has failed, so that all that is wrong is told at once."""
    tells: ClassVar[bool] = False
    """Whether facts of its report are sentences about the images, to be told as soon as they are known."""

    @abstractmethod
    def jobs(self, planning: Planning) -> Iterable[Job]:
        """The jobs of this stage in a scenario."""

    def jobs_after(self, planning: Planning, others: Sequence[Job]) -> Iterable[Job]:
        """More of them, which wait for jobs of other stages that only those know; most stages have none."""
        return ()

    @abstractmethod
    def key(self, keys: "Keys", job: Job) -> str:
        """A digest of all that the outcome of `job` depends on."""

    @abstractmethod
    def play(self, player: Player, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Does the work; what it leaves lies in files, and what it answers passes the gate."""


class PlayerStage(Stage[Player]):
    """A stage of which each participant has one job, so that its key follows from who plays it."""

    def key(self, keys: "Keys", job: Job) -> str:
        """Of who plays it."""
        return self.key_of(keys, job.participant)

    @staticmethod
    @abstractmethod
    def key_of(keys: "Keys", name: str, /) -> str:
        """A digest of all that the outcome depends on for the participant `name`."""


class OracleStage(Stage["Oracle"]):
    """A stage that only the oracle plays, as `play` of the module of its name in `collab.stages.work` says.

    It lies there since it needs torch, and who plans a run does without.
    """

    def play(self, oracle: "Oracle", job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Does what that module does."""
        return import_module(f"collab.stages.work.{self.name}").play(oracle, job, playing, progress)


class EntityStage(PlayerStage["Entity"]):
    """A stage that is the entity's method of the same name, so that a plugin overrides it."""

    def play(self, entity: "Entity", job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return getattr(entity, self.name)(progress)
