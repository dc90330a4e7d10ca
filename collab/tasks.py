"""What the network can be for, and how the figure that says how well it does is read; without torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

TaskKind = Literal["classification", "attributes", "pose"]

TargetKind = Literal["class", "binary", "degrees"]
"""What stands beside features: one of so many classes, numbers that are 0 or 1, or angles."""


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

    def told(self, value: float) -> str:
        """A value with its unit, as it stands in a sentence."""
        return f"{self.scale * value:.1f} {self.unit}"

    def gain(self, value: float, other: float) -> float:
        """How much better `value` is than `other`, as it is shown; below 0 where it is worse."""
        return self.sign * self.scale * (value - other)

    def includes(self, metric: str) -> bool:
        """Whether a metric of the results is the main one or one beside it."""
        return metric in (self.name, *(name for name, _ in self.others))


MAIN_METRIC: Final[dict[TaskKind, MainMetric]] = {
    "classification": MainMetric(
        "top1", "top-1", "%", 100.0, True, points="points of top-1", others=(("top5", "top-5 %"),)
    ),
    "attributes": MainMetric("map", "mAP", "%", 100.0, True, points="points of mAP", others=(("mcc", "MCC %"),)),
    "pose": MainMetric(
        "degrees", "error", "°", 1.0, False, points="degrees of error", fidelity="deviation",
        fidelity_title="deviation °", fidelity_scale=1.0,
    ),
}  # fmt: skip
"""How well each task is done: accuracy, mean average precision, mean absolute degrees (SCIENCE 5.2)."""


def main_metric_in(metrics: Iterable[str]) -> MainMetric:
    """The main metric of results that have these metrics; that of classification where they have none."""
    there = {metric.removesuffix("_original").removesuffix("_poisoned") for metric in metrics}
    found = [main for main in MAIN_METRIC.values() if main.name in there]
    return found[0] if found else MAIN_METRIC["classification"]
