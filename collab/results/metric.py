"""What a metric of a plugin is: a function of rebuilt and true images, or of what held-out images were answered."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from inspect import getdoc
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from collab.errors import PluginError
from collab.metric import MetricName
from collab.plugins.discovery import Plugins
from collab.results.catalog import CATALOG, PUBLISHED, WHAT, Entry
from collab.results.table import Result
from collab.scenario.base import MetricOptions
from collab.scenario.kinds import Plugin
from collab.scenario.model import Scenario
from collab.store.answers import Answers

if TYPE_CHECKING:
    from torch import Tensor

RESAMPLES = 400
"""Bootstrap samples of a figure of answers."""


class Metric(Plugin):
    """A figure that results have beside ours. A class overrides `of_images` or `of_answers`, and states its `kind`.

    What tables and the report say of it: `title` heads its columns, the first sentence of its docstring says what it
    means, in `unit`; `better` says which way is better for the task, or discloses less. `scale` times the number is
    shown, to `digits` places. `is_share`: it is a part of 1, of which no interval leaves [0, 1].
    """

    group: ClassVar[str] = "metrics"
    Options: ClassVar[type[MetricOptions]] = MetricOptions

    title: ClassVar[str] = ""
    unit: ClassVar[str] = ""
    better: ClassVar[Literal["up", "down", ""]] = ""
    scale: ClassVar[float] = 1.0
    digits: ClassVar[int] = 3
    is_share: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.of_answers is not Metric.of_answers and cls.Options.of != "answers":
            if "Options" not in vars(cls):  # one of its own, found as any class in it when a run travels
                names = {"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.Options"}
                cls.Options = type("Options", (MetricOptions,), {**names, "__doc__": MetricOptions.__doc__})
            cls.Options.of = "answers"

    def __init__(self, options: Any) -> None:
        self.options = options

    def of_images(self, rebuilt: "Tensor", images: "Tensor") -> "Tensor":
        """A value for each image [batch], of what was rebuilt and the truth: [batch, 3, side, side], fp32 in [0, 1].

        What was rebuilt may leave [0, 1] a little. Neither may be changed.
        """
        raise NotImplementedError

    def of_answers(self, answers: np.ndarray, truth: np.ndarray) -> float:
        """One figure of what held-out images were answered by one network, in an order of no meaning.

        `answers` are bool [images], whether each was named right, and `truth` their classes; for a task of attributes
        they are scores [images, attributes] and `truth` bool of that shape; for one of poses errors [images], and
        `truth` classes. Images may stand there several times.
        """
        raise NotImplementedError

    @property
    def entry(self) -> Entry:
        """What the catalog knows of it."""
        of_answers, name = self.options.of == "answers", self.options.name
        title = (self.title or self.options.kind) + (f" ({name})" if name else "")
        meaning = (getdoc(type(self)) or "").partition("\n\n")[0].replace("\n", " ")
        return Entry(
            self.options.label, title, meaning, self.unit, self.better,
            forms=("", WHAT, PUBLISHED) if of_answers else ("", WHAT), scale=self.scale, digits=self.digits,
            is_share=self.is_share, part="task" if of_answers else "images",
            place="equivalence" if of_answers else "reconstruction", also="refinement" if of_answers else "attacks",
        )  # fmt: skip


def load_metrics(scenario: Scenario, plugins: Plugins) -> tuple[Metric, ...]:
    """The metrics that a scenario names. Raises PluginError for one that is called as ours, or as another one."""
    metrics = tuple(plugins.load("metrics", options.kind)(options) for options in scenario.metrics)
    labels = [metric.options.label for metric in metrics]
    for label in labels:
        if label in CATALOG or any(entry.pattern.fullmatch(label) for entry in CATALOG.values()):
            raise PluginError(f"the metric {label!r} is called as one of ours. Give it another `name` in the scenario.")
        if MetricName.parse(label).quantity != label:
            raise PluginError(f"the metric {label!r} ends as results say of what a figure is. Give it another `name`.")
        if labels.count(label) > 1:
            raise PluginError(f"two metrics are called {label!r}. Give one of them another `name` in the scenario.")
    return metrics


def of_images(metrics: Sequence[Metric]) -> Mapping[str, Callable[["Tensor", "Tensor"], "Tensor"]]:
    """Those of rebuilt and true images, by the name of their results. They raise PluginError for a wrong answer."""
    return {metric.options.label: _checked(metric) for metric in metrics if metric.options.of == "images"}


def _checked(metric: Metric) -> Callable[["Tensor", "Tensor"], "Tensor"]:
    def value(rebuilt: "Tensor", images: "Tensor") -> "Tensor":
        values = metric.of_images(rebuilt.float(), images.float())
        if values.shape != (len(images),) or not bool(values.isfinite().all()):
            raise PluginError(
                f"the metric {metric.options.label!r} answered {list(values.shape)} for {len(images)} images, or what "
                "is not finite. It must answer a finite number for each."
            )
        return values.detach()

    return value


def score_answers(
    metrics: Sequence[Metric], results: Iterable[Result], main: str, classes: np.ndarray, tell: Callable[[str], None]
) -> list[Result]:
    """A result of each metric of answers beside each that has the answers of the task's main figure, with intervals.

    Classes are those of the held-out images. One that fails is told in a sentence, and has no value.
    """
    asked = [metric for metric in metrics if metric.options.of == "answers"]
    made = []
    for result in results if asked else ():
        name = MetricName.parse(result.metric)
        if result.answers is None or name.quantity != main:
            continue
        for metric in asked:
            label = f"{metric.options.label}{f'_{name.of}' if name.of else ''}"
            value, low, high = None, None, None
            try:
                value, low, high = _estimate(metric, result.answers, classes, result.seed or 0)
            except Exception as cause:
                tell(f"the metric {label!r} of row {result.row!r} failed: {type(cause).__name__}: {cause}")
            made.append(
                replace(
                    result, metric=label, value=value, low=low, high=high, n=result.answers.count, paper=None,
                    verdict=None, answers=None,
                )
            )  # fmt: skip
    return made


def _estimate(metric: Metric, answers: Answers, classes: np.ndarray, seed: int) -> tuple[float, float, float]:
    """The mean over repeats, and the percentile interval over resampled images."""
    truth = classes if answers.truth is None else answers.truth

    def figure(rows: np.ndarray) -> float:
        return float(np.mean([metric.of_answers(each[rows], truth[rows]) for each in answers.values]))

    rng, count = np.random.default_rng([seed, *metric.options.label.encode()]), answers.count
    drawn = np.array([figure(rng.integers(0, count, count)) for _ in range(RESAMPLES)])
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return figure(np.arange(count)), float(low), float(high)
