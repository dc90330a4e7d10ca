"""Results of runs and sweeps: one row for each key, every metric explained, the same numbers everywhere."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pytest

from collab.cli import main
from collab.errors import ScenarioError, StoreError
from collab.results.aggregate import name_column, write_cells
from collab.results.table import KEY, Result, write_results
from collab.runtime.play import Played, Where, play
from collab.runtime.sweep import outlook, sweep
from collab.scenario.model import Scenario
from collab.scenario.sweep import read_sweep
from tests.places import SCENARIOS
from tests.playing import SMALL

WORDS = {
    "main": "top1|map|degrees",
    "what": "original|poisoned",
    "guess": "unrelated|mean|class_mean",
    "w": r"\d+(?:,\d+)?",
    "k": "1|5",
    "name": r"[^\[\]]+",
    "reader": "plain|fixed|fresh",
    "number": r"\d+(?:\.\d+)?",
}
SPIES = [
    "entities.a4.kind=curious",
    "entities.a4.options={attacks: [straw_man, {kind: attribute_inference, pairs: 4}, {kind: matching, candidates: 16},"
    " {kind: membership_inference, candidates: 16}], victims: [a1, a2]}",
    "disclosure={queries: 16, gallery: 1000, recognizer: {epochs: 1}}",
]


def explained() -> list[re.Pattern[str]]:
    """The metrics of docs/results.md, their words in braces replaced by what they stand for."""
    page = (SCENARIOS.parent / "docs" / "results.md").read_text(encoding="utf-8").partition("## Metrics")[2]
    lines = [line.split("|")[1] for line in page.split("\n") if line.startswith("| `") and "{" + "}" not in line]
    names = [name for cell in lines for name in re.findall(r"`([^`]+)`", cell) if not re.fullmatch(r"\{\w+\}", name)]
    made = []
    for name in names:
        parts = re.split(r"\{(\w+)\}", name)
        text = "".join(f"(?:{WORDS[part]})" if at % 2 else re.escape(part) for at, part in enumerate(parts))
        made.append(re.compile(text))
    return made


def unexplained(rows: Iterable[Result]) -> set[str]:
    patterns = explained()
    metrics = {row.metric for row in rows if row.row != "verdict"}
    return {metric for metric in metrics if not any(pattern.fullmatch(metric) for pattern in patterns)}


@pytest.fixture(scope="module")
def attacked(small: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(small(*SPIES), Where("inprocess", out=tmp_path_factory.mktemp("attacked")), lambda event: None)


def test_the_page_explains_no_metric_that_is_made_up() -> None:
    assert len(explained()) > 80
    made_up = [
        Result("s", "7", "a1", None, None, metric, 0.0) for metric in ("top2", "ssim", "gain", "ssim_max[7]_best")
    ]
    assert unexplained(made_up) == {"top2", "ssim", "gain", "ssim_max[7]_best"}


def test_every_metric_of_a_run_and_of_attacks_is_explained(played: Played, attacked: Played) -> None:
    assert not unexplained(played.rows)
    assert {"match_top1", "membership_auc", "ssim_max[7]_above_half"} <= {row.metric for row in attacked.rows}
    assert not unexplained(attacked.rows)


def test_every_row_of_a_run_has_a_key_of_its_own(attacked: Played) -> None:
    found = pd.read_parquet(attacked.run / "results.parquet")
    assert not found.duplicated(list(KEY)).any()
    index = [name for name in KEY if name != "metric"]
    wide = found.pivot(index=index, columns="metric", values="value").reset_index()
    of_attack = wide[(wide.row == "by a4") & (wide.entity == "a1") & (wide.attack == "straw_man")]
    (row,) = [
        each
        for each in attacked.rows
        if (each.row, each.entity, each.attack, each.metric) == ("by a4", "a1", "straw_man", "ssim_max[7]")
    ]
    assert list(of_attack["ssim_max[7]"]) == [row.value]


def test_two_rows_with_one_key_are_refused_by_name(tmp_path: Path) -> None:
    row = Result("s", "7", "a1", None, None, "top1", 0.5, seed=0)
    with pytest.raises(StoreError, match="two rows have the key scenario 's', row '7', entity 'a1', attack None"):
        write_results(tmp_path / "results.parquet", [row, row])
    points: list[tuple[dict[str, bool | int | float | str], list[Result]]] = [({"x": 1}, [row]), ({"x": 2}, [row])]
    write_cells(tmp_path / "results.parquet", ["x"], points)
    with pytest.raises(StoreError, match=r"the sweep's results: two rows have the key x 1.0, scenario 's'"):
        write_cells(tmp_path / "results.parquet", ["x"], [points[0], points[0]])


def test_gains_and_verdicts_are_rows(played: Played) -> None:
    found = pd.read_parquet(played.run / "results.parquet").set_index(["row", "metric"])
    scores = found.xs("top1", level="metric").value
    gains = found.xs("gain[top1]", level="metric").value
    assert gains["7"] == pytest.approx(scores["7"] - max(scores["c_own_a1"], scores["c_public"]))
    claims = found.loc["verdict"]
    assert claims.verdict.notna().all()
    assert any("row 5 above row" in metric for metric in claims.index)


def test_a_sweep_over_seeds_has_gains_with_intervals_and_no_column_twice(tmp_path: Path) -> None:
    spec, cells = read_sweep(
        SCENARIOS / "tiny.yaml", ["seed=4,2", "defense=none,dpm"], overrides=[*SMALL[:6], *SMALL[-1:]]
    )
    folder = sweep(spec, cells[:2], Where("inprocess", out=tmp_path), lambda event: None).folder
    for name in ("results", "means"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        assert not table.columns.duplicated().any()
        assert set(table["axis.defense"]) == {"none"}
    assert set(pd.read_parquet(folder / "results.parquet").seed) == {4, 2}
    found = pd.read_parquet(folder / "means.parquet").set_index(["row", "metric"])
    gain = found.loc[("7", "gain[top1]")]
    assert gain.seeds == 2
    assert gain.low <= gain["mean"] <= gain.high
    assert "What sharing brings" in (folder / "report.html").read_text()


def test_columns_of_axes_that_results_have_bear_another_name() -> None:
    assert [name_column(axis) for axis in ("defense", "entity", "seeds", "mean", "lambda")] == [
        "axis.defense",
        "axis.entity",
        "axis.seeds",
        "axis.mean",
        "lambda",
    ]


def test_a_cell_that_cannot_be_is_named_with_its_values_and_seed(tmp_path: Path) -> None:
    spec, cells = read_sweep(SCENARIOS / "tiny.yaml", ["entities.a4.share=0.0001,0.1"], seeds=2)
    with pytest.raises(ScenarioError) as told:
        outlook(spec, cells, Where("inprocess", out=tmp_path))
    assert "cell entities.a4.share=0.0001 seed=0:\nentity 'a4' with share 0.0001" in str(told.value)
    assert "cell entities.a4.share=0.0001 seed=1:" in str(told.value)
    assert "0.1 seed" not in str(told.value)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_json_of_a_run_is_json_where_a_metric_is_nan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from collab.runtime import run

    made = run.tabulate

    def with_nan(*given: object) -> list[Result]:
        return [*made(*given), Result("tiny", "exposure", "a1", None, None, "lda", float("nan"), seed=0)]  # type: ignore[arg-type]

    monkeypatch.setattr(run, "tabulate", with_nan)
    sets = [part for override in SMALL for part in ("--set", override)]
    command = [
        "collab",
        "run",
        str(SCENARIOS / "tiny.yaml"),
        *sets,
        "--backend",
        "inprocess",
        "--out",
        str(tmp_path),
        "--json",
    ]
    monkeypatch.setattr("sys.argv", command)
    main()
    told = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert [row["value"] for row in told["rows"] if row["metric"] == "lda"] == [None]
    assert any(row["row"] == "verdict" for row in told["rows"])
    assert any(row["metric"] == "gain[top1]" for row in told["rows"])
