"""docs/add_a_metric.md, command by command; what results, tables and keys have of a metric that is a plugin."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator

from collab.errors import PluginError, ScenarioError
from collab.report.pages.page import write_comparison, write_page
from collab.report.tables.tables import make_tables
from collab.results import catalog
from collab.results.catalog import entry_of, is_share, scale_and_digits
from collab.results.metric import Metric, load_metrics, of_images, score_answers
from collab.results.opened import open_run
from collab.results.table import Result
from collab.runtime.play import Played, Where, play
from collab.runtime.prepared import Prepared
from collab.scenario.document import read_document
from collab.scenario.offers import find_our_options
from collab.scenario.reader import Loaded, read_scenario, to_yaml
from collab.scenario.schema import json_schema
from collab.store.answers import Answers
from tests.pages import files, play_page
from tests.places import ROOT

PAGE = (ROOT / "docs" / "add_a_metric.md").read_text(encoding="utf-8")
FILES = files(PAGE)


@pytest.fixture(autouse=True)
def own_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process knows of metrics of plugins is not told to other tests."""
    monkeypatch.setattr(catalog, "_OF_PLUGINS", {})


def write(project: Path) -> Path:
    for name, text in FILES.items():
        (project / name).parent.mkdir(exist_ok=True, parents=True)
        (project / name).write_text(text)
    return project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Loaded, Played]]:
    """The scenario of the page, played."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "_OF_PLUGINS", {})
        project = write(tmp_path_factory.mktemp("seen"))
        loaded = read_scenario(project / "seen.yaml")
        where = Where("inprocess", device="cpu", out=project / "runs", plugins=loaded.plugins)
        yield loaded, play(loaded.scenario, where, lambda event: None)


def test_the_page_works_as_it_is_written(project: Path) -> None:
    done = play_page(PAGE, project)
    assert not any("FAILED" in each.stdout for each in done)
    assert "metric edges: " in done[-1].stderr
    (report,) = project.glob("runs/seen/*/report.html")
    assert "Cosine of the horizontal and vertical gradients" in report.read_text()


def test_results_hold_them_with_intervals(seen: tuple[Loaded, Played]) -> None:
    _, played = seen
    found = {(row.row, row.entity, row.attack, row.metric): row for row in played.rows}
    for name in ("edges_original", "edges_poisoned", "edges_far_original", "edges_far_poisoned"):
        for entity in ("a1", "a2"):
            result = found["tables_1_2", entity, None, name]
            assert result.low is not None
            assert result.high is not None
            assert -1 <= result.low <= (result.value or 0) <= result.high <= 1
    assert found["tables_1_2", "a2", None, "edges_poisoned"].value == pytest.approx(
        found["tables_1_2", "a2", None, "edges_original"].value  # its defense is `none`
    )
    assert found["by a2", "a1", "straw_man", "edges"].n == 64
    assert {("7", "a2", None, "worst_class"), ("tables_1_2", "a1", None, "worst_class_poisoned")} <= found.keys()
    top1, worst = (found["7", "a2", None, metric] for metric in ("top1", "worst_class"))
    assert worst.value is not None
    assert worst.value <= (top1.value or 0)
    verdict = next(row for row in played.rows if row.row == "7" and row.metric == "worst_class")
    assert verdict.verdict is not None  # what the scenario expects of it was judged


def test_a_metric_of_answers_is_what_a_loop_over_classes_says(seen: tuple[Loaded, Played]) -> None:
    _, played = seen
    top1 = next(row for row in played.rows if (row.row, row.metric) == ("7", "top1"))
    worst = next(row for row in played.rows if (row.row, row.metric) == ("7", "worst_class"))
    assert top1.answers is not None
    labels = np.load(played.run / "heldout" / "labels.npy")
    shares = [top1.answers.values[0][labels == label].mean() for label in np.unique(labels)]
    assert worst.value == pytest.approx(min(shares))


def test_tables_report_and_comparison_have_them(seen: tuple[Loaded, Played], tmp_path: Path) -> None:
    loaded, played = seen
    page = write_page(played.run, tmp_path / "report.html").read_text()  # as a process that has no plugin
    assert "worst class, %" in page
    assert "Share of right answers in the class that has fewest." in page
    tables = {table.title: table for table in make_tables(loaded.scenario, played.rows)}
    assert tables["Table 2: reconstruction disparity"].columns[-4:] == (
        "edges original", "edges poisoned", "edges (edges_far) original", "edges (edges_far) poisoned",
    )  # fmt: skip
    assert tables["Table 5: refinement"].columns[4:6] == ("worst class, %", "gain")
    assert tables["Table 1: classification equivalence"].columns[-2:] == (
        "worst class, % original", "worst class, % poisoned",
    )  # fmt: skip
    assert tables["Attacks by collaborators"].columns[-3:-1] == ("edges", "edges (edges_far)")
    assert tables["Metrics of plugins"].lines[0][:3] == (
        "worst class, %", "worst_class", "Share of right answers in the class that has fewest.",
    )  # fmt: skip
    other = tmp_path / "other" / "seen" / "run"
    shutil.copytree(played.run, other)
    both = write_comparison([played.run, other], tmp_path / "comparison.html").read_text()
    assert "edges_far_poisoned" in both
    assert "worst_class" in both
    assert json.loads((played.run / "record.json").read_text())["metrics"][1]["title"] == "edges"


def test_a_metric_trains_nothing_anew_and_its_code_counts(project: Path) -> None:
    def keys(*overrides: str) -> dict[str, str]:
        loaded = read_scenario(project / "seen.yaml", overrides)
        return Prepared.of(loaded.scenario, Where("inprocess", device="cpu", out=project, plugins=loaded.plugins)).keys

    def changed(now: dict[str, str]) -> set[str]:
        return {job for job in before.keys() & now.keys() if before[job] != now[job]}

    before = keys()
    judged = {job for job in before if job.startswith("judge")}
    assert len(judged) == 1
    without = keys("metrics=[]")
    assert before.keys() - without.keys() == {"measure a1", "measure a2"}
    assert changed(without) == judged
    assert changed(keys("metrics=[worst_class, edges]")) == {"measure a1", "measure a2"} | judged
    (project / "metrics/worst_class.py").write_text(FILES["metrics/worst_class.py"] + "# edited\n")
    assert changed(keys()) == set()
    (project / "metrics/edges.py").write_text(FILES["metrics/edges.py"] + "# edited\n")
    assert changed(keys()) == {"measure a1", "measure a2"} | judged


def test_names_that_results_could_not_tell_apart_are_refused(project: Path) -> None:
    def refused(stated: str) -> str:
        loaded = read_scenario(project / "seen.yaml", [f"metrics={stated}"])
        with pytest.raises(PluginError) as told:
            load_metrics(loaded.scenario, loaded.plugins)
        return str(told.value)

    assert "the metric 'top1' is called as one of ours" in refused("[{kind: edges, name: top1}]")
    assert "the metric 'edges_worst' ends as results say" in refused("[{kind: edges, name: edges_worst}]")
    assert "two metrics are called 'edges'" in refused("[edges, {kind: edges, reach: 2}]")


def test_mistakes_are_told_where_they_stand_and_the_schema_holds_the_options(project: Path) -> None:
    text = FILES["seen.yaml"]
    (project / "seen.yaml").write_text(text.replace("reach: 4", "reach: 40").replace("[worst_class,", "[worst_clas,"))
    with pytest.raises(ScenarioError) as told:
        read_scenario(project / "seen.yaml")
    assert "metrics.2.reach: must be less than or equal to 8 (got 40)" in str(told.value)
    assert "metrics.0.kind: must be one of edges, worst_class (got 'worst_clas'); did you mean `worst_class`?" in str(
        told.value
    )
    (project / "seen.yaml").write_text(text.replace("reach: 4", "reech: 4"))
    with pytest.raises(ScenarioError, match=r"metrics\.2\.reech: unknown key; did you mean `reach`\?"):
        read_scenario(project / "seen.yaml")
    validator = Draft202012Validator(json_schema(find_our_options(project)))
    content = read_document(text).content
    assert validator.is_valid(content)
    assert not validator.is_valid(read_document(text.replace("reach: 4", "reech: 4")).content)


def test_a_run_reads_back_without_the_plugin(project: Path) -> None:
    written = to_yaml(read_scenario(project / "seen.yaml").scenario)
    (project / "away").mkdir()
    (project / "away/scenario.yaml").write_text(written)
    assert to_yaml(read_scenario(project / "away/scenario.yaml", check_plugins=False).scenario) == written


def test_a_wrong_answer_is_told_and_a_failing_one_costs_no_other_result(project: Path) -> None:
    class Broken(Metric):
        kind = "broken"

        def of_answers(self, answers: np.ndarray, truth: np.ndarray) -> float:
            raise ZeroDivisionError("no such class")

    broken = Broken(Broken.Options(kind="broken"))
    assert broken.options.of == "answers"
    answers = Answers("hits", np.ones((2, 5), np.bool_))
    rows = [
        Result("s", "7", "a1", None, None, "top1", 1.0, answers=answers),
        Result("s", "7", "a1", None, None, "l1", 1.0),
    ]
    told = list[str]()
    (made,) = score_answers([broken], rows, "top1", np.zeros(5, np.int64), told.append)
    assert (made.metric, made.value) == ("broken", None)
    assert told == ["the metric 'broken' of row '7' failed: ZeroDivisionError: no such class"]
    loaded = read_scenario(project / "seen.yaml")
    _, edges, _ = load_metrics(loaded.scenario, loaded.plugins)
    edges.of_images = lambda rebuilt, images: torch.zeros(3)  # type: ignore[method-assign]
    with pytest.raises(PluginError, match=r"the metric 'edges' answered \[3\] for 2 images"):
        of_images([edges])["edges"](torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8))


def test_what_is_known_of_a_metric_is_known_where_a_run_is_opened(seen: tuple[Loaded, Played]) -> None:
    assert entry_of("edges_poisoned").unit == ""  # nothing but its name
    open_run(seen[1].run)
    assert entry_of("edges_poisoned").unit == "-1 to 1"
    assert (is_share("worst_class"), scale_and_digits("worst_class_poisoned")) == (True, (100.0, 1))
