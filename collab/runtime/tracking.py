"""Tells trackers what the driver sees of runs; one that fails is told of once, and nothing waits for it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from collab.errors import CollabError, ResourceError
from collab.plugins.discovery import Plugins
from collab.results.opened import open_run
from collab.results.table import Result, parse_metrics, read_results
from collab.runtime.host import Emit, Event
from collab.scenario.base import TrackerOptions
from collab.scenario.model import Scenario
from collab.trackers.base import Tracker


class Trackers:
    """What every event of some runs is told to: to `watch`, and to the trackers that the run's scenario names."""

    def __init__(self, plugins: Plugins, watch: Emit) -> None:
        self._plugins, self._watch = plugins, watch
        self._of = dict[str, list[Tracker]]()  # by the name of the run's folder

    def begin(self, scenario: Scenario, run: Path) -> None:
        """Makes the trackers of a run, which is about to begin."""
        trackers = self._of[run.name] = list[Tracker]()
        for options in scenario.trackers:
            with self._forgiving(options.kind):
                tracker: Tracker = self._plugins.load("trackers", options.kind)(options)
                tracker.begin(scenario, run)
                trackers.append(tracker)

    def __call__(self, event: Event) -> None:
        """Passes an event on; one that names no run belongs to all."""
        self._watch(event)
        runs = [str(event["run"])] if "run" in event else list(self._of)
        for name in runs:
            self._tell(name, lambda tracker: tracker.log(dict(event)))

    def end(self, run: Path, results: Sequence[Result]) -> None:
        """A run has ended, with its results; with none if it failed."""
        self._tell(run.name, lambda tracker: tracker.end(tuple(results)))
        self._of.pop(run.name, None)

    def close(self) -> None:
        """Ends all that are still open, as failed."""
        for name in list(self._of):
            self.end(Path(name), ())

    def _tell(self, name: str, tell: Callable[[Tracker], None]) -> None:
        kept = []
        for tracker in self._of.get(name, ()):
            with self._forgiving(tracker.kind):
                tell(tracker)
                kept.append(tracker)
        if name in self._of:
            self._of[name] = kept

    @contextmanager
    def _forgiving(self, kind: str) -> Iterator[None]:
        """Turns whatever a tracker raises into a sentence, and leaves torch's generator as it was.

        In one process a tracker is told of an epoch amid a training, whose draws must not depend on who listens.
        """
        torch = sys.modules.get("torch")
        state = None if torch is None else torch.get_rng_state()
        try:
            yield
        except (Exception, SystemExit) as cause:
            text = f"the tracker {kind!r} failed and is told nothing more; the run goes on. {_say(cause)}"
            self._watch({"event": "note", "text": text})
        finally:
            if torch is not None:
                torch.set_rng_state(state)


@contextmanager
def tracking(plugins: Plugins, watch: Emit) -> Iterator[Trackers]:
    """What tells `watch` and trackers; at its end, those of runs that have not ended are told that they failed."""
    trackers = Trackers(plugins, watch)
    try:
        yield trackers
    finally:
        trackers.close()


def export_run(folder: Path, options: TrackerOptions, plugins: Plugins) -> None:
    """Tells a tracker of a run that has ended, from its files, as if it had listened.

    Raises StoreError where `folder` is no run that ended, ResourceError where the tracker fails.
    """
    opened, events = open_run(folder), folder / "metrics.jsonl"
    lines = events.read_text(encoding="utf-8").splitlines() if events.exists() else []
    try:
        tracker: Tracker = plugins.load("trackers", options.kind)(options)
        tracker.begin(opened.scenario, opened.folder)
        for event in parse_metrics(lines):
            tracker.log(event)
        tracker.end(tuple(read_results(opened.folder / "results.parquet")))
    except CollabError:
        raise
    except (Exception, SystemExit) as cause:
        raise ResourceError(f"the tracker {options.kind!r} failed: {_say(cause)}") from cause


def _say(cause: BaseException) -> str:
    return str(cause) if isinstance(cause, CollabError) else f"{type(cause).__name__}: {cause}"
