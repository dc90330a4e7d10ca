"""What every tracker must keep: it takes all that a run tells, and leaves the run and its folder alone."""

import time
from collections.abc import Iterator
from pathlib import Path

from collab.plugins.discovery import Plugins
from collab.results.table import Result
from collab.scenario.base import TrackerOptions
from collab.scenario.model import Scenario
from collab.testing.controls import Check
from collab.trackers.base import Event, Tracker

MOST_SECONDS = 0.1
"""For an event, in the mean: a run tells a few each second, and waits for each."""

_JOB = {"entity": "mine", "stage": "poison", "job": "poison mine", "run": "20300101-000000-abcd"}
_EVENTS: tuple[Event, ...] = (
    {"event": "note", "text": "2 images stand twice."},
    {"event": "planned", "jobs": 12, "run": _JOB["run"]},
    {"event": "host", "entity": "mine", "seconds": 0.5, "run": _JOB["run"]},
    {"event": "start", **_JOB},
    {"event": "epoch", **_JOB, "epoch": 1, "epochs": 2, "loss": 1.5, "equivalence": 0.5},
    {"event": "epoch", **_JOB, "epoch": 2, "epochs": 2, "loss": float("nan"), "equivalence": 0.25},
    {"event": "epoch", **_JOB, "epoch": 1, "epochs": 1, "loss": 3},
    {"event": "done", **_JOB, "seconds": 2.5},
    {"event": "cached", **_JOB, "job": "decode mine"},
    {"event": "restart", **_JOB, "reason": "killed"},
    {"event": "failed", **_JOB, "job": "refine 8", "seconds": 0.1},
    {"event": "a new one", "run": _JOB["run"]},
)
"""One of each kind that a run tells, and one that is not there yet."""

_RESULTS = (
    Result("check", "7", "mine", "dpm", None, "top1", 0.5, 0.4, 0.6, 40, 0),
    Result("check", "tables_1_2", "mine", "dpm", None, "ssim[7]_poisoned", 0.25, n=40),
    Result("check", "by mine", "other", "dpm", "straw_man", "l1", 0.125, n=40),
    Result("check", "c_public", None, None, None, "rho[top1]", None),
)


def check_telling(kind: str, options: TrackerOptions, plugins: Plugins, scenario: Scenario, out: Path) -> list[Check]:
    """Tells a tracker of a made-up run of `scenario` in the folder `out`, and of one that failed."""
    checks = list[Check]()
    for name, results in (("takes a run", _RESULTS), ("takes a run that failed", ())):
        run = out / scenario.name / f"{_JOB['run']}{len(checks)}"
        run.mkdir(parents=True)
        (run / "scenario.yaml").write_text("name: check\n")
        problem, seconds = next(_tell(kind, options, plugins, scenario, run, results))
        checks.append(Check(name, problem, "" if problem else f"{1000 * seconds:.1f} ms for an event"))
        if problem:
            return checks
        if written := sorted(path.name for path in run.rglob("*") if path.name != "scenario.yaml"):
            text = f"it wrote {', '.join(written[:3])} into the folder of the run, where a run's own files lie alone."
            return [*checks, Check("folder", f"{text} Take `folder_of(kind, run)`.")]
    advice = f"at most {1000 * MOST_SECONDS:g} ms is expected: the run waits. Collect, and write at the end."
    return [*checks, Check("folder"), Check("cost", advice if seconds > MOST_SECONDS else "")]


def _tell(
    kind: str, options: TrackerOptions, plugins: Plugins, scenario: Scenario, run: Path, results: tuple[Result, ...]
) -> Iterator[tuple[str, float]]:
    """What went wrong, and the mean seconds of an event."""
    told, seconds = "`begin`", 0.0
    try:
        tracker: Tracker = plugins.load("trackers", kind)(options)
        tracker.begin(scenario, run)
        start = time.perf_counter()
        for event in _EVENTS:
            told = f"`log` of {dict(event)}"
            tracker.log(dict(event))
        seconds = (time.perf_counter() - start) / len(_EVENTS)
        told = f"`end` of {len(results)} results"
        tracker.end(results)
    except (Exception, SystemExit) as error:
        yield f"{told} raised {type(error).__name__}: {error}. Pass over what you do not keep.", seconds
    yield "", seconds
