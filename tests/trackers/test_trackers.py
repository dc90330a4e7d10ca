"""Trackers see what the driver sees, change no bit, and end no run; what each of ours makes of a run."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from collab.errors import ResourceError, ScenarioError
from collab.plugins.discovery import INSTALLED, Plugins
from collab.results.table import Result
from collab.runtime.host import Event
from collab.runtime.play import Played
from collab.runtime.tracking import Trackers, export_run
from collab.scenario.kinds import Kinds
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.testing import check_tracker
from collab.testing.scenario import small_scenario
from collab.trackers.base import Series, name_results, parameters
from tests.pages import play_page
from tests.places import ROOT
from tests.playing import SMALL, bits

PAGE = (ROOT / "docs" / "trackers.md").read_text(encoding="utf-8")
TINY = ROOT / "scenarios" / "tiny.yaml"
RESULTS = (
    Result("s", "7", "a1", "dpm", None, "ssim[7]_poisoned", 0.25),
    Result("s", "by a1", "a2", "dpm", "straw_man", "l1", 0.5),
    Result("s", "7", "a1", None, None, "rho[top1]", None),
    Result("s", "8", "a1", None, None, "top1", float("nan")),
)
NAMED = {"7/a1/ssim[7]_poisoned": 0.25, "by a1/a2/straw_man/l1": 0.5}

NOSY = """
import json, random
from collab.trackers.base import Tracker

class Nosy(Tracker):
    kind = "nosy"

    def begin(self, scenario, run):
        self.told = run.parents[1] / "told.jsonl"
        self.write({"event": "begin", "scenario": scenario.name})

    def log(self, event):
        import torch
        torch.manual_seed(7), torch.rand(3), random.seed(7)
        self.write(event)
        event.clear()

    def end(self, results):
        self.write({"event": "end", "results": len(results)})

    def write(self, event):
        with self.told.open("a") as file:
            file.write(json.dumps(event) + "\\n")
"""
BROKEN = """
from collab.trackers.base import Tracker

class Broken(Tracker):
    kind = "broken"

    def begin(self, scenario, run):
        pass

    def log(self, event):
        if event["event"] == "epoch":
            raise SystemExit("no disk left")

    def end(self, results):
        raise AssertionError("it was let go")
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers/nosy.py").write_text(NOSY)
    (tmp_path / "trackers/broken.py").write_text(BROKEN)
    return Plugins.of(tmp_path)


@pytest.mark.arithmetic
def test_a_run_has_the_same_bits_whoever_listens_and_goes_on_without_who_fails(
    plugins: Plugins, played: Played, tmp_path: Path
) -> None:
    from collab.runtime.play import Where, play

    loaded = read_scenario(TINY, [*SMALL, "trackers=[nosy, broken]"], plugin_dirs=[tmp_path / "trackers"])
    events = list[Event]()
    again = play(loaded.scenario, Where("inprocess", device="cpu", out=tmp_path, plugins=loaded.plugins), events.append)
    assert bits(again.rows) == bits(played.rows)
    notes = [str(event["text"]) for event in events if "tracker" in str(event.get("text"))]
    assert notes == ["the tracker 'broken' failed and is told nothing more; the run goes on. SystemExit: no disk left"]
    told = list(map(json.loads, (tmp_path / "told.jsonl").read_text().splitlines()))
    assert told[0] == {"event": "begin", "scenario": "tiny"}
    assert told[-1] == {"event": "end", "results": len(again.rows)}
    assert told[1:-1] == [event for event in events if event.get("text") not in notes]
    assert {"planned", "start", "epoch", "done"} <= {event["event"] for event in told}


def test_what_a_tracker_draws_is_drawn_by_nobody_else(plugins: Plugins, tmp_path: Path) -> None:
    """In one process it is told of an epoch amid a training, whose dropout draws from torch's generator."""
    nosy = Kinds(plugins).options("trackers", "nosy").model_validate({"kind": "nosy"})
    trackers = Trackers(plugins, lambda event: None)
    trackers.begin(small_scenario().model_copy(update={"trackers": (nosy,)}), tmp_path / "small" / "r1")
    torch.manual_seed(0)
    undisturbed = torch.rand(4)
    torch.manual_seed(0)
    trackers({"event": "epoch", "run": "r1", "loss": 1.0})
    assert torch.equal(torch.rand(4), undisturbed)


def test_keys_and_results_do_not_depend_on_trackers(small: Callable[..., Scenario], tmp_path: Path) -> None:
    from collab.runtime.prepared import Prepared, Where

    keys = [
        Prepared.of(small(*more), Where("inprocess", device="cpu", out=tmp_path)).keys
        for more in ((), ("trackers=[tensorboard, {kind: mlflow, uri: 'http://nowhere'}]",))
    ]
    assert keys[0] == keys[1]


class Listener:
    """A tracker that remembers."""

    kind = "listener"

    def __init__(self, options: Any) -> None:
        self.heard = options.heard

    def begin(self, scenario: Scenario, run: Path) -> None:
        self.heard.append(("begin", run.name))

    def log(self, event: Event) -> None:
        self.heard.append(("log", event["event"]))

    def end(self, results: tuple[Result, ...]) -> None:
        self.heard.append(("end", len(results)))


def test_each_run_of_a_sweep_has_its_own_and_one_that_is_left_open_has_failed() -> None:
    heard: dict[str, list[Any]] = {"one": [], "two": []}
    finds = SimpleNamespace(load=lambda group, kind: Listener)
    trackers = Trackers(finds, lambda event: None)  # type: ignore[arg-type]
    for name, told in heard.items():
        scenario = SimpleNamespace(trackers=[SimpleNamespace(kind="listener", heard=told)])
        trackers.begin(scenario, Path("runs", "s", name))  # type: ignore[arg-type]
    trackers({"event": "start", "run": "two"})
    trackers({"event": "host"})
    trackers.end(Path("runs", "s", "one"), RESULTS)
    trackers({"event": "done", "run": "one"})
    trackers.close()
    assert heard["one"] == [("begin", "one"), ("log", "host"), ("end", 4)]
    assert heard["two"] == [("begin", "two"), ("log", "start"), ("log", "host"), ("end", 0)]


def test_mistakes_are_told_where_they_stand(tmp_path: Path) -> None:
    def told(trackers: str) -> str:
        (tmp_path / "s.yaml").write_text(TINY.read_text() + f"trackers: {trackers}\n")
        with pytest.raises(ScenarioError) as caught:
            read_scenario(tmp_path / "s.yaml")
        return str(caught.value).removeprefix(f"{tmp_path}/")

    assert "trackers.0.kind: must be one of mlflow, tensorboard, wandb" in told("[tensorbord]")
    assert "did you mean `tensorboard`?" in told("[tensorbord]")
    assert "trackers.1.url: unknown key; did you mean `uri`?" in told("[wandb, {kind: mlflow, url: x}]")
    assert "trackers.0.mode: must be one of offline, online (got 'on')" in told("[{kind: wandb, mode: on}]")


# ---- what is told ----------------------------------------------------------------------------------------------------
def test_series_go_on_where_a_job_trains_several_times() -> None:
    series, job = Series(), {"job": "poison a2", "entity": "a2", "run": "r"}
    told = [
        {"event": "start", **job},
        {"event": "epoch", **job, "epoch": 1, "epochs": 1, "loss": 2, "terms": 1.0},
        {"event": "epoch", **job, "epoch": 1, "epochs": 1, "loss": 1.5},
        {"event": "done", **job, "seconds": 3.0},
    ]
    assert [number for event in told for number in series.of(event)] == [
        ("poison a2/loss", 2.0, 0), ("poison a2/terms", 1.0, 0), ("poison a2/loss", 1.5, 1),
        ("poison a2/seconds", 3.0, 0),
    ]  # fmt: skip
    assert name_results(RESULTS) == NAMED


def test_parameters_are_flat_and_name_no_place(small: Callable[..., Scenario]) -> None:
    told = parameters(small("store.uri=s3://bucket/secret", "trackers=[{kind: mlflow, uri: 'http://me'}]"))
    assert told["model.pretrain.epochs"] == 1
    assert told["entities.a2.defense.kind"] == "dpm"
    assert told["refinements.7.own"] == "features"
    assert not [name for name, value in told.items() if "secret" in str(value) or "http" in str(value)]


# ---- ours ------------------------------------------------------------------------------------------------------------
def options(kind: str, **stated: str) -> Any:
    return Kinds(INSTALLED).options("trackers", kind).model_validate({"kind": kind, **stated})


def tell(kind: str, out: Path, **stated: str) -> None:
    """Tells a tracker of ours of a run of three events."""
    tracker = INSTALLED.load("trackers", kind)(options(kind, **stated))
    tracker.begin(small_scenario(), out / "check" / "r1")
    for event in ({"event": "start"}, {"event": "epoch", "loss": 2.0, "epoch": 1}, {"event": "epoch", "loss": 1.0}):
        tracker.log({"job": "pretrain a1", **event})
    tracker.end(RESULTS)


class Recorder(ModuleType):
    """Stands for a library: notes what is called."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def noted(self, called: str, answer: Any = None) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            self.calls.append((called, given, named))
            return answer

        return call


def test_mlflow_gets_parameters_curves_and_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stub = Recorder("mlflow")
    client = SimpleNamespace(
        get_experiment_by_name=stub.noted("get"),
        create_experiment=stub.noted("experiment", "e1"),
        create_run=stub.noted("run", SimpleNamespace(info=SimpleNamespace(run_id="id"))),
        log_batch=stub.noted("batch"),
        set_terminated=stub.noted("end"),
    )
    stub.MlflowClient = stub.noted("client", client)  # type: ignore[attr-defined]
    kept = SimpleNamespace(Param=lambda *given: given, Metric=lambda name, value, time, step: (name, value, step))
    stub.entities = kept  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", stub)
    tell("mlflow", tmp_path, experiment="mine")
    place = tmp_path / "trackers/mlflow"
    assert stub.calls[0] == ("client", (f"sqlite:///{place}/mlflow.db",), {})
    assert [call[1:] for call in stub.calls[1:4]] == [
        (("mine",), {}), (("mine",), {"artifact_location": f"file://{place}/artifacts"}), (("e1",), {"run_name": "r1"}),
    ]  # fmt: skip
    params = dict(param for _, _, named in stub.calls if "params" in named for param in named["params"])
    assert params["model.backbone"] == "resnet8"
    assert [number for _, _, named in stub.calls for number in named.get("metrics", ())] == [
        ("pretrain a1/loss", 2.0, 0), ("pretrain a1/loss", 1.0, 1),
        ("results/7/a1/ssim.7_poisoned", 0.25, 0), ("results/by a1/a2/straw_man/l1", 0.5, 0),
    ]  # fmt: skip
    assert stub.calls[-1] == ("end", ("id", "FINISHED"), {})


def test_wandb_gets_them_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stub, summary = Recorder("wandb"), dict[str, float]()
    run = SimpleNamespace(log=stub.noted("log"), summary=summary, finish=stub.noted("finish"))
    stub.init = stub.noted("init", run)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", stub)
    tell("wandb", tmp_path)
    (_, _, named), *rest = stub.calls
    assert (named["mode"], named["project"], named["dir"]) == ("offline", "collab", str(tmp_path / "trackers/wandb"))
    assert named["config"]["model.backbone"] == "resnet8"
    assert rest == [
        ("log", ({"pretrain a1/loss": 2.0},), {}), ("log", ({"pretrain a1/loss": 1.0},), {}), ("finish", (0,), {}),
    ]  # fmt: skip
    assert summary == {f"results/{name}": value for name, value in NAMED.items()}


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="the extra")
    tell("tensorboard", tmp_path)
    read = events.EventAccumulator(str(tmp_path / "trackers/tensorboard/check-r1")).Reload()
    curves = {name: [(point.step, point.value) for point in read.Scalars(name)] for name in read.Tags()["scalars"]}
    assert curves == {
        "pretrain a1/loss": [(0, 2.0), (1, 1.0)], **{f"results/{name}": [(0, value)] for name, value in NAMED.items()},
    }  # fmt: skip
    assert b"model.backbone: resnet8" in read.Tensors("scenario")[0].tensor_proto.string_val[0]


def test_mlflow_reads_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "kept").as_uri()
    tell("mlflow", tmp_path, uri=uri)
    client = mlflow.MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("check").experiment_id])
    assert (run.info.run_name, run.info.status) == ("r1", "FINISHED")
    assert run.data.params["model.backbone"] == "resnet8"
    assert [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "pretrain a1/loss")] == [
        (0, 2.0), (1, 1.0),
    ]  # fmt: skip
    assert run.data.metrics["results/7/a1/ssim.7_poisoned"] == 0.25


def test_an_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ResourceError, match=r"pip install 'collab\[wandb\]'"):
        tell("wandb", tmp_path)
    notes = list[Event]()
    trackers = Trackers(INSTALLED, notes.append)
    trackers.begin(small_scenario().model_copy(update={"trackers": (options("wandb"),)}), tmp_path / "check" / "r1")
    (note,) = notes
    assert "the tracker 'wandb' failed and is told nothing more; the run goes on. " in str(note["text"])
    assert "pip install 'collab[wandb]'" in str(note["text"])


def test_nothing_of_a_tracker_is_imported_unless_it_is_asked_for() -> None:
    code = (
        "import sys, collab.cli, collab.runtime.play; from pathlib import Path; from collab.scenario.reader import "
        f"read_scenario; read_scenario(Path({str(TINY)!r}), ['trackers=[tensorboard, mlflow, wandb]']); "
        "print({'tensorboard', 'mlflow', 'wandb', 'torch'} & {*sys.modules})"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert answer.strip() == "set()"


# ---- export, and one of one's own ------------------------------------------------------------------------------------
def test_a_finished_run_is_told_from_its_files(plugins: Plugins, played: Played, tmp_path: Path) -> None:
    nosy = plugins.load("trackers", "nosy")
    heard = list[dict[str, Any]]()
    nosy.write = lambda self, event: heard.append(dict(event))
    export_run(played.run, nosy.Options(kind="nosy"), plugins)
    events = list(map(json.loads, (played.run / "metrics.jsonl").read_text().splitlines()))
    assert heard == [{"event": "begin", "scenario": "tiny"}, *events, {"event": "end", "results": len(played.rows)}]
    with pytest.raises(ResourceError, match="the tracker 'broken' failed: SystemExit: no disk left"):
        export_run(played.run, nosy.Options(kind="broken"), plugins)


def test_the_kit_rejects_what_fails_and_what_writes_into_the_run(plugins: Plugins, tmp_path: Path) -> None:
    assert [check.problem for check in check_tracker("nosy", plugins)] == ["", "", "", "", ""]
    *_, check = check_tracker("broken", plugins)
    assert (check.name, "raised SystemExit: no disk left. Pass over" in check.problem) == ("takes a run", True)
    (tmp_path / "trackers/inside.py").write_text(
        NOSY.replace("nosy", "inside").replace('run.parents[1] / "told', 'run / "told')
    )
    *_, check = check_tracker("inside", plugins)
    assert "it wrote told.jsonl into the folder of the run" in check.problem


def test_the_page_works_as_it_is_written(tmp_path: Path) -> None:
    done = play_page(PAGE, tmp_path)[-1]
    assert "FAILED" not in done.stdout
    lines = (tmp_path / "runs/trackers/table/table.csv").read_text().splitlines()
    assert len([line for line in lines if ",7,a1," in line]) == 2
