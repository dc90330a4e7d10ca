"""What the network can be for, and how the figure that says how well it does is read; without torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

TaskKind = str
"""A key of `TASKS`."""

TargetKind = str
"""What stands beside the values of a row of a shard.

One of so many classes (`CLASS`), a list of numbers (a key of `LISTS`), or the number of a public image (`PUBLIC_ROW`).
"""

CLASS: Final = "class"

PUBLIC_ROW: Final = "public_row"
"""Beside a distribution over classes: which public image it is the answer about."""

DISTRIBUTION: Final = "distribution"
"""Beside features of a public image, where a peer has put its features and an answer about it together."""


@dataclass(frozen=True)
class Numbers:
    """The numbers that a list may hold beside a row of features, and what is wrong with others."""

    low: float
    high: float
    are_whole: bool
    mistake: str


LISTS: Final[dict[TargetKind, Numbers]] = {
    "binary": Numbers(0, 1, True, "attributes are neither 0 nor 1"),
    "degrees": Numbers(-180, 180, False, "angles are not finite or beyond 180 degrees"),
    DISTRIBUTION: Numbers(0, 1, False, "probabilities are not finite or beyond 0 and 1"),
}
"""What stands in shards where it is no class."""


@dataclass(frozen=True)
class MainMetric:
    """The figure that tables and sentences of a task are about: `scale` times what stands in the results, in `unit`.

    `others` are shown beside it where they were measured; `fidelity` says how near the decider's answers to poisoned
    features come to its answers to plain ones, and `fidelity_scale` times that is shown.
    """

    name: str
    title: str
    unit: str
    scale: float
    is_higher_better: bool
    points: str
    others: tuple[tuple[str, str], ...] = ()
    fidelity: str = "agreement"
    fidelity_title: str = "agreement"
    fidelity_scale: float = 100.0

    @property
    def sign(self) -> int:
        """1 where a higher value is better, else -1: a difference times it is a gain."""
        return 1 if self.is_higher_better else -1

    @property
    def head(self) -> str:
        """A column's title."""
        return f"{self.title} {self.unit}"

    def write(self, value: float) -> str:
        """A value with its unit, as it stands in a sentence."""
        return f"{self.scale * value:.1f} {self.unit}"

    def gain(self, value: float, other: float) -> float:
        """How much better `value` is than `other`, as it is shown; below 0 where it is worse."""
        return self.sign * self.scale * (value - other)

    def includes(self, metric: str) -> bool:
        """Whether a metric of the results is the main one or one beside it."""
        return metric in (self.name, *(name for name, _ in self.others))


@dataclass(frozen=True)
class About:
    """What has to be known of a task where nothing is computed; `collab.training.tasks` computes.

    `answers` ends the sentence "the network answers"; `main` says how well it does; `target` is what stands beside
    features; `needs` is what a source must tell of an image besides its class, nothing where classes are what is asked.
    """

    answers: str
    main: MainMetric
    target: TargetKind = CLASS
    needs: Literal["", "attributes", "pose"] = ""


TASKS: Final[dict[TaskKind, About]] = {
    "classification": About(
        "a class",
        MainMetric("top1", "top-1", "%", 100.0, True, points="points of top-1", others=(("top5", "top-5 %"),)),
    ),
    "attributes": About(
        "binary attributes",
        MainMetric("map", "mAP", "%", 100.0, True, points="points of mAP", others=(("mcc", "MCC %"),)),
        target="binary", needs="attributes",
    ),
    "pose": About(
        "roll, pitch and yaw",
        MainMetric(
            "degrees", "error", "°", 1.0, False, points="degrees of error", fidelity="deviation",
            fidelity_title="deviation °", fidelity_scale=1.0,
        ),
        target="degrees", needs="pose",
    ),
}  # fmt: skip
"""What the network can be for."""

MAIN_METRIC: Final = {kind: about.main for kind, about in TASKS.items()}
"""How well each task is done: accuracy, mean average precision, mean absolute degrees (SCIENCE 5.2)."""


def find_main_metric(metrics: Iterable[str]) -> MainMetric:
    """The main metric of results that have these metrics; that of classification where they have none."""
    there = {metric.removesuffix("_original").removesuffix("_poisoned") for metric in metrics}
    mains = [main for main in MAIN_METRIC.values() if main.name in there]
    return mains[0] if mains else MAIN_METRIC["classification"]
