"""The checks themselves, and how the kit plays, kills and plays again."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from collab.data.source import Source, open_source
from collab.errors import BoundaryError, CollabError, PluginError
from collab.plugins.discovery import GROUPS, INSTALLED, Plugins
from collab.runtime.cache import Cache
from collab.runtime.host import Event
from collab.runtime.play import Played, Where, play
from collab.scenario.base import Part, TrackerOptions
from collab.scenario.document import write_document
from collab.scenario.kinds import Kinds
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario, with_tuples
from collab.scenario.sources import Data
from collab.scratch import Scratch
from collab.store.store import Store
from collab.testing.backbones import check_splitting
from collab.testing.controls import Check, check_controls
from collab.testing.metrics import check_figures
from collab.testing.scenario import begin_network, complete_network, content_of, small_scenario
from collab.testing.sources import check_reading
from collab.testing.trackers import check_telling
from collab.training import progress

Checks = tuple[Check, ...]

MOST_TIMES = 20.0
"""How much slower than the paper's own entity, or than R alone, a plugin may be before its cost is told as a fault."""


def check_entity(
    kind: str, plugins: Plugins = INSTALLED, options: Mapping[str, Any] | None = None, *, most_times: float = MOST_TIMES
) -> Checks:
    """Plays an entity of `kind` beside a contributor; checks options, bits, reports, resume, shards, and cost."""
    return _Kit("entities", kind, plugins, options or {}, most_times).checks()


def check_defense(
    kind: str, plugins: Plugins = INSTALLED, options: Mapping[str, Any] | None = None, *, most_times: float = MOST_TIMES
) -> Checks:
    """Plays a contributor with a defense of `kind`; checks options, bits, reports, resume, shards, and cost."""
    return _Kit("defenses", kind, plugins, options or {}, most_times).checks()


def check_attack(
    kind: str, plugins: Plugins = INSTALLED, options: Mapping[str, Any] | None = None, *, most_times: float = MOST_TIMES
) -> Checks:
    """Lets a curious entity attack; beside the checks of entities, controls without which its failure means nothing.

    Positive: from unprotected features it must beat the class mean. Negative: from noise of equal moments, and from
    rows dealt to other images of their class, it must not, or truth has leaked.
    """
    return _Kit("attacks", kind, plugins, options or {}, most_times).checks()


def check_source(kind: str, plugins: Plugins = INSTALLED, options: Mapping[str, Any] | None = None) -> Checks:
    """Opens a source of `kind`, with the options that name its files; checks options, labels, order, sizes, splits."""
    return check_all("sources", kind, plugins, options or {})


def check_backbone(
    kind: str, plugins: Plugins = INSTALLED, options: Mapping[str, Any] | None = None, *, most_times: float = MOST_TIMES
) -> Checks:
    """Builds a backbone of `kind` and plays it; checks options, exact splits to the bit, features, weights, and cost.

    `options` may hold `width`, and the `hook` that is played, in the middle unless given.
    """
    return _Kit("backbones", kind, plugins, options or {}, most_times).checks()


def check_metric(
    kind: str, plugins: Plugins = INSTALLED, options: Mapping[str, Any] | None = None, *, most_times: float = MOST_TIMES
) -> Checks:
    """Asks a metric of `kind` about drawn images, or made-up answers; checks options, figures, order and direction."""
    return check_all("metrics", kind, plugins, options or {}, most_times=most_times)


def check_tracker(kind: str, plugins: Plugins = INSTALLED, options: Mapping[str, Any] | None = None) -> Checks:
    """Tells a tracker of `kind` of a made-up run; checks options, that it takes all events, and where it writes."""
    return check_all("trackers", kind, plugins, options or {})


def check_all(
    group: str, kind: str, plugins: Plugins, options: Mapping[str, Any], *, most_times: float = MOST_TIMES
) -> Checks:
    """The checks of whichever group."""
    return _Kit(group, kind, plugins, options, most_times).checks()


Moment = tuple[str, str]
"""The first event of this name that a job of this name tells."""


class _Kill(BaseException):
    """Ends a run where a signal would: nothing on its way may catch it."""


class _Kit:
    def __init__(self, group: str, kind: str, plugins: Plugins, options: Mapping[str, Any], most_times: float) -> None:
        self._group, self._kind, self._plugins, self._most_times = group, kind, plugins, most_times
        self._options = dict(options)
        self._word = GROUPS[group]

    def checks(self) -> Checks:
        """All checks in turn; after one that the others rest on has failed, they are not tried."""
        checks = [self._check_options()]
        if checks[0].problem:
            return tuple(checks)
        if self._group == "sources":
            return (*checks, *check_reading(lambda image_size: self._open(image_size)))
        if self._group == "metrics":
            metric = self._plugins.load("metrics", self._kind)(self._state({"kind": self._kind}))
            return (*checks, *check_figures(metric, most_times=self._most_times))
        if self._group == "backbones":
            network = complete_network(self._kind, self._options, self._plugins)
            checks += check_splitting(
                network.architecture, network.width, self._kind, self._plugins, most_times=self._most_times
            )
            if any(check.problem for check in checks):
                return tuple(checks)
        with Scratch() as out:
            if self._group == "trackers":
                options = cast(TrackerOptions, self._state({"kind": self._kind}))
                return (*checks, *check_telling(self._kind, options, self._plugins, small_scenario(), out))
            try:
                scenario = self._scenario(out)
                start, recorder = time.perf_counter(), _Recorder()
                played = self._play(scenario, out / "first")
                seconds = time.perf_counter() - start
            except BoundaryError as error:
                return (*checks, Check("plain reports", str(error)))
            except CollabError as error:
                return (*checks, Check("plays", f"{error} Play it yourself: `collab run` with this {self._word}."))
            checks.append(Check("plays", figure=f"{seconds:.1f} s"))
            if self._group == "backbones":
                return tuple(checks)
            checks.append(Check("plain reports"))
            checks.append(self._check_bits(scenario, played, out / "second", recorder))
            if not checks[-1].problem:
                checks.append(self._check_resuming(scenario, played, recorder.moments, out))
            checks += [self._check_shards(played), self._check_cost(played)]
            if self._group == "attacks":
                attack = scenario.entities[1].options.attacks[0]  # type: ignore[attr-defined]
                checks += check_controls(played, attack.label, attack.answers)
        return tuple(checks)

    # ---- the checks -------------------------------------------------------------------------------------------------
    def _check_options(self) -> Check:
        try:
            model = Kinds(self._plugins).options(self._group, self._kind)
            key: Mapping[str, Any] = {
                "entities": {}, "sources": {"source": self._kind}, "backbones": begin_network(self._kind)
            }.get(self._group, {"kind": self._kind})  # fmt: skip
            content = {**key, **self._options}
            options = model.model_validate(with_tuples(content), context=Kinds(self._plugins))
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
            wrong += ["State what it needs with --set KEY=VALUE, or mend its Options."]
            return Check("options", "\n".join(wrong))
        except PluginError as error:
            return Check("options", str(error))
        return Check("options", "\n".join(_wrong_options(model, options, self._plugins)))

    def _check_bits(self, scenario: Scenario, played: Played, out: Path, recorder: "_Recorder") -> Check:
        _lend(played, out)
        difference = _difference(played, self._play(scenario, out, recorder), "played twice")
        advice = " Draw from self.stream(...) or view.stream alone: no global generator, no clock, no order of a set."
        return Check("same seed, same bits", difference and difference + advice)

    def _check_resuming(self, scenario: Scenario, played: Played, moments: list[Moment], out: Path) -> Check:
        """Kills one run at all `moments` in turn; only where that changes something, a run at each, to name it."""
        between, progress.SECONDS_BETWEEN = progress.SECONDS_BETWEEN, 0.0
        advice = "Keep what a later stage needs in files of `self.private`, not in the object."
        try:
            problem = self._resume(scenario, played, moments, out / "killed")
            if problem:
                alone = (self._resume(scenario, played, [m], out / f"killed{n}") for n, m in enumerate(moments))
                problem = next(filter(None, alone), problem)
        finally:
            progress.SECONDS_BETWEEN = between
        figure = "" if problem else f"killed {len(moments)} times"
        return Check("resume", problem and f"{problem} {advice}", figure)

    def _resume(self, scenario: Scenario, played: Played, moments: list[Moment], folder: Path) -> str:
        """What is wrong with a run that was killed at each of `moments` and gone on with; nothing if nothing is."""
        _lend(played, folder)
        try:
            for moment in moments:
                with suppress(_Kill):
                    self._play(scenario, folder, _killer(moment))
            return _difference(played, self._play(scenario, folder), f"{_say_kill(moment)} and resumed")
        except CollabError as error:
            return f"{_say_kill(moment)}, it could not go on: {error}"

    def _check_shards(self, played: Played) -> Check:
        findings = Store(played.run / "store").verify()
        refused = " ".join(f"{finding.path}: {finding.problem}." for finding in findings if finding.problem)
        advice = " Publish through `self.layout.store.publish`, which checks shape, type and range."
        return Check("shapes and types", refused and refused + advice)

    def _check_cost(self, played: Played) -> Check:
        jobs = json.loads((played.run / "record.json").read_text())["jobs"]
        of_entities = ("decode", "featurize", "poison", "publish", "refine")
        compared = ("attack", "reconstruct") if self._group == "attacks" else of_entities
        spent = {"mine": 0.0, "other": 0.0}
        for name, job in jobs.items():
            stage, participant = name.split()[:2]
            if participant in spent and stage in compared:
                spent[participant] += job["seconds"]
        times = spent["mine"] / max(spent["other"], 1e-3)
        beside = "training the reconstructor" if self._group == "attacks" else "the stages of the paper's entity"
        figure = f"{spent['mine']:.2f} s, {times:.1f} times {beside}"
        advice = f"; at most {self._most_times:g} times is expected. Find what is slow, or allow --most-times more."
        return Check("cost", "" if times <= self._most_times else figure + advice, figure)

    def _state(self, content: Mapping[str, Any]) -> Part:
        """The options of the plugin, as a scenario states them; they have been found right before."""
        kinds = Kinds(self._plugins)
        return kinds.options(self._group, self._kind).model_validate(
            with_tuples({**content, **self._options}), context=kinds
        )

    # ---- how it is opened, and how it plays --------------------------------------------------------------------------
    def _open(self, image_size: int) -> Source:
        content = {**self._options, "source": self._kind, "image_size": image_size}
        data = cast(Data, Kinds(self._plugins).options("sources", self._kind).model_validate(with_tuples(content)))
        return open_source(data.opened_by, image_size=image_size, seed=0, **data.source_options())

    def _play(self, scenario: Scenario, out: Path, watch: Callable[[Event], None] = lambda event: None) -> Played:
        return play(scenario, Where("inprocess", device="cpu", out=out, plugins=self._plugins), watch)

    def _scenario(self, folder: Path) -> Scenario:
        path = folder / "check.yaml"
        content = content_of(self._group, self._kind, self._options, self._plugins)
        path.write_text(write_document(content), encoding="utf-8")
        return read_scenario(path, plugin_dirs=[folder for folder in self._plugins.folders if folder.is_dir()]).scenario


class _Recorder:
    """Where to interrupt, in turn: where the stages of the plugin start, and end their first epochs."""

    def __init__(self) -> None:
        self.moments = list[Moment]()

    def __call__(self, event: Event) -> None:
        moment = str(event["event"]), str(event.get("job"))
        if event.get("entity") == "mine" and moment[0] in ("start", "epoch") and moment not in self.moments:
            self.moments.append(moment)


def _lend(played: Played, out: Path) -> None:
    """Gives the next run what the plugin had no part in: it is played once for all checks."""
    shutil.copytree(played.run.parents[1] / "cache", out / "cache")
    for entry in Cache(out / "cache").entries():
        if entry.participant == "mine" or entry.stage in ("refine", "judge"):
            shutil.rmtree(entry.path)


def _killer(moment: Moment) -> Callable[[Event], None]:
    def watch(event: Event) -> None:
        if (event["event"], event.get("job")) == moment:
            raise _Kill

    return watch


def _say_kill(moment: Moment) -> str:
    return f"killed at the {'start' if moment[0] == 'start' else 'first epoch'} of {moment[1]!r}"


def _wrong_options(model: type[Part], options: Part, plugins: Plugins) -> Iterator[str]:
    if not model.model_config.get("frozen"):
        yield "its options can be changed: subclass the options of the base class, which are frozen."
    for name, field in model.model_fields.items():
        if not field.description:
            yield f"the option {name!r} says nothing of itself: Field(..., description='...')."
    back = model.model_validate(with_tuples(options.model_dump(mode="json", by_alias=True)), context=Kinds(plugins))
    if back != options:
        yield f"its options do not read back as they are written: {options!r} became {back!r}."


def _difference(one: Played, two: Played, how: str) -> str:
    """What differs between two runs that must not differ; empty if nothing does."""
    first, second = (
        {(row.row, row.entity, row.attack, row.metric): (row.value, row.low, row.high, row.n) for row in played.rows}
        for played in (one, two)
    )
    for key in sorted(first.keys() | second.keys(), key=str):
        if first.get(key) != second.get(key) and str(first.get(key)) != str(second.get(key)):  # NaN equals itself here
            named = " ".join(str(part) for part in key if part)
            return f"{how}, {named!r} was {first.get(key)} and {second.get(key)}."
    shards = [sorted(path.name for path in (played.run / "store").glob("entity=*/*.arrow")) for played in (one, two)]
    return "" if shards[0] == shards[1] else f"{how}, it published {shards[0]} and {shards[1]}."
