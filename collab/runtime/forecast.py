"""About how long a scenario takes before any of it is played, from its passes over images alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from collab.architectures import ARCHITECTURES
from collab.participants.assignment import Assignment
from collab.results.words import format_duration, join_names
from collab.scenario.model import Scenario
from collab.scenario.parts import Refinement
from collab.stages.base import Job

COST = {"pretrain": 1.1, "reconstruct": 1.0, "poison": 1.7, "refine": 0.1}
"""Milliseconds of a core that one image takes in one pass, at 32 px, of `resnet8` with 16 channels; `MEASURED` on."""

START, MEASURED = 10.0, "measured in bf16 on a core of 2023, Zen 4"
"""Seconds of a core for all that does not grow with images."""

FP32 = 1.35
"""How much longer all takes in fp32, on the same core (docs/performance.md)."""

WITHOUT_TRAINING = {
    "aggregate", "ask_marked", "decode", "decode_heldout", "decode_public", "disclose", "featurize",
    "featurize_heldout", "find_copies",
    "hand_out", "judge", "measure", "publish", "recognize", "try_reconstructor", "withdraw",
}  # fmt: skip
"""Stages that take a moment beside those that train."""


@dataclass(frozen=True)
class Forecast:
    """Seconds of one core, and the stages that are not counted, as nobody can say beforehand how long they take."""

    seconds: float
    unknown: tuple[str, ...] = ()

    def on(self, cores: int) -> float:
        """Seconds on so many cores: what does not grow with images is not divided."""
        return START + (self.seconds - START) / cores

    def describe(self, cores: int) -> str:
        """A sentence's beginning: `about 2 min 40 s on 2 cores, not counting attack`."""
        left_out = f", not counting {join_names(self.unknown)}" if self.unknown else ""
        takes = format_duration(self.on(cores))
        return f"about {takes} on {cores} core{'s' * (cores != 1)}{left_out}"


def forecast(
    scenario: Scenario, assignment: Assignment, jobs: Iterable[Job], compute: str = "cpu bfloat16"
) -> Forecast | None:
    """What `jobs` of a scenario take, on the device and in the type that `compute` says.

    None for a network or a device of which nobody has measured it.
    """
    weight = _weigh_network(scenario)
    if weight is None or not compute.startswith("cpu"):
        return None
    weight *= 1.0 if "bfloat16" in compute else FP32
    area = (scenario.data.image_size / 32) ** 2
    total, unknown = 0.0, set[str]()
    for job in jobs:
        passes, like = _count_passes(scenario, assignment, job)
        if like in COST:
            total += COST[like] * passes * area * weight / 1000
        elif job.stage not in WITHOUT_TRAINING:
            unknown.add(job.stage.replace("_", " "))
    return Forecast(START + total, tuple(sorted(unknown)))


def _weigh_network(scenario: Scenario) -> float | None:
    """How much more an image takes than in `resnet8` with 16 channels; small residual networks are known."""
    kind = ARCHITECTURES.get(scenario.model.backbone)
    if kind is None or kind.pieces != "collab.models.small:resnet":
        return None
    return sum(kind.blocks) / 3 * ((scenario.model.width or kind.width or 16) / 16) ** 1.5


def _count_passes(scenario: Scenario, assignment: Assignment, job: Job) -> tuple[float, str]:
    """Images times passes over them, and the stage that these are like."""
    images = assignment.images
    match job.stage:
        case "pretrain":
            return scenario.model.pretrain.epochs * images[job.participant], "pretrain"
        case "reconstruct":
            return scenario.reconstructor.epochs * len(assignment.public), "reconstruct"
        case "poison" | "exchange":
            defenses = next(each.defenses for each in scenario.entities if each.name == job.participant)
            epochs = sum(getattr(defense, "epochs", 0) for defense in defenses)
            return epochs * images[job.participant], "poison"
        case "refine":
            return _count_refining(scenario, assignment, job.order.row)
        case "refine_rest":
            return _count_refining(scenario, assignment, job.order.rest.row)
    return 0.0, ""


def _count_refining(scenario: Scenario, assignment: Assignment, row: Refinement) -> tuple[float, str]:
    images = assignment.images
    if row.is_from_scratch:
        schedule = scenario.scratch or scenario.model.pretrain
        held = len(assignment.everything) * row.share if row.share is not None else images[str(row.entity)]
        return (row.epochs or schedule.epochs) * held * (row.repeats or 1), "pretrain"
    held = sum(images[name] for name in {str(row.entity), *row.pool, *row.unpoisoned})
    times = row.repeats or scenario.refine.repeats
    if row.pool and (row.vet or scenario.refine.vet) != "none":
        times += 4 * (1 + len(row.pool))
    return (row.epochs or scenario.refine.epochs) * held * times, "refine"
