"""What is said before a run: `validate`, `run` and `sweep` refuse the same, in the same words."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from collab import cli
from collab.errors import ScenarioError
from collab.runtime.deal import deal, will_be_fetched
from collab.runtime.prepared import Prepared, Where
from collab.scenario.attack_suite import AUDITORS
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from tests.places import SCENARIOS
from tests.playing import SMALL

Command = Callable[..., tuple[int, str, str]]
Small = Callable[..., Scenario]
TINY = SCENARIOS / "tiny.yaml"
ENTITIES = ("a1", "a2", "a3", "a4")


@pytest.fixture
def collab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command line in an empty folder: exit code, output, and what stands before the notes of an error."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["collab", *words])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err.split("\n\n")[0].strip()

    monkeypatch.chdir(tmp_path)
    return run


def sets(*overrides: str) -> list[str]:
    return [word for each in (*SMALL, *overrides) for word in ("--set", each)]


EVERY = "[species_00, species_01, species_02, species_03]"
REFUSED = {
    "a class that is not there": (["data.private_classes=[species_00, specie_01]"], "; did you mean `species_01`?"),
    "all classes private": ([f"data.private_classes={EVERY}"], "of 4 classes 4 would be private and 0 public"),
    "a row beyond the data": (["entities.a4.share=null", "entities.a4.rows=rows.txt"], "rows.txt:1: '99999' is no row"),
    "a share without an image": (["entities.a4.share=0.0001"], "'a4' with share 0.0001 would get no image of class"),
    "a chosen class that is public": ([f"entities.a4.classes={EVERY}"], "(public)"),
    "an attribute that is not there": (["data.private_attributes=[glases]"], "; did you mean `glasses`?"),
    "a key of the file": (["modl.hook=x"], "the scenario has no 'modl'; there are name, "),
}  # fmt: skip


def test_there_are_refusals() -> None:
    assert len(REFUSED) > 5


@pytest.mark.parametrize("fault", REFUSED)
def test_validate_and_run_refuse_alike(fault: str, collab: Command) -> None:
    overrides, words = REFUSED[fault]
    Path("rows.txt").write_text("99999\n0\n")
    asked = [str(TINY), *sets(*overrides)]
    code, _, told = collab("validate", *asked)
    assert (code, words in told) == (2, True), told
    assert collab("run", *asked, "--backend", "inprocess") == (2, "", told)
    assert not Path("runs").exists()


def test_what_an_audit_would_need_is_told_before_it(collab: Command) -> None:
    silent = sets(*(f"entities.{name}.kind=free_rider" for name in ENTITIES), "refinements=[]", "expect=null")
    code, _, told = collab("validate", str(TINY), *silent, "--audit", "quick")
    assert (code, told) == (2, "error: --audit quick: attacks what is published, and no entity here publishes")
    assert collab("run", str(TINY), *silent, "--audit", "quick")[::2] == (code, told)


def test_a_valid_scenario_says_how_many_images_everybody_has(collab: Command) -> None:
    code, out, _ = collab("validate", str(TINY), "--seed", "3", "--audit", "quick")
    told = f"{TINY}: valid: 4 entities, 12 refinements\n"
    assert (code, out.startswith(told)) == (0, True)  # auditors are no entities that somebody wrote
    assert out.split("\n")[1] == "images: a1 60, a2 60, a3 60, a4 12; held out 120, public 600"


def test_a_file_is_checked_alone_where_its_images_are_not(collab: Command) -> None:
    file = str(SCENARIOS / "cifar10_four_entities.yaml")
    code, _, told = collab("validate", file, "--set", "data.root=nowhere")
    assert (code, "there is no folder" in told) == (2, True)
    code, out, _ = collab("validate", file, "--set", "data.root=nowhere", "--without-data")
    assert (code, out.split("\n")[1]) == (0, "Images and lists of rows were not looked at.")


def test_a_set_that_the_first_run_downloads_is_not_downloaded_to_be_checked(small: Small, tmp_path: Path) -> None:
    data = f"data={{source: cifar10, root: {tmp_path / 'none'}, download: true}}"
    assert will_be_fetched(small(data, "model.backbone=resnet8"))
    assert not (tmp_path / "none").exists()
    assert not will_be_fetched(small())


# ---- sweeps ---------------------------------------------------------------------------------------------------------


def test_all_impossible_cells_are_told_with_their_values_and_seeds(collab: Command) -> None:
    file = Path("sweep.yaml")
    axes = "[{vary: subset_size.a4, values: [0.0001, 0.1, 0.0002]}]"
    file.write_text(f"name: s\nscenario: {TINY}\naxes: {axes}\nseeds: 2\nset: [controls=false]\n")
    code, _, told = collab("validate", str(file))
    cells = [line for line in told.removeprefix("error: ").split("\n") if line.startswith("cell")]
    sizes = ("0.0001", "0.0002")
    assert code == 2
    assert [cell for size in sizes for seed in (0, 1) for cell in cells if f"subset_size.a4={size} seed={seed}" in cell]
    assert sum(told.count(f"share {size} would get no image") for size in sizes) == len(cells) == 4
    assert "0.1 " not in " ".join(cells)
    assert collab("sweep", str(file), "--dry-run") == (2, "", told)
    assert not Path("runs").exists()
    file.write_text(f"name: s\nscenario: {TINY}\naxes: {axes.replace('0.000', '0.2')}\nseeds: 2\n")
    assert collab("validate", str(file)) == (0, "sweep.yaml: valid: 6 cells\n", "")


def test_a_cell_that_cannot_be_dealt_fails_by_name_and_the_others_are_played(collab: Command) -> None:
    sets = [part for override in SMALL for part in ("--set", override)]
    given = ("--backend", "inprocess", *sets, "--vary")
    code, out, told = collab("sweep", str(TINY), *given, "subset_size.a4=0.0001,0.1")
    reason = "entity 'a4' with share 0.0001 would get no image of class"
    assert (code, "2 cells, 0 of them finished before" in out) == (4, True)
    assert re.search(rf"cell subset_size.a4=0.0001 seed=0 cannot be played: .*{reason}", told)
    assert re.search(rf"error: cell subset_size.a4=0.0001 seed=0: .*{reason}", told)
    (failure,) = json.loads(Path("runs/tiny_sweep/failures.json").read_text())
    assert failure["cell"] == "subset_size.a4=0.0001 seed=0"
    assert set(pd.read_parquet("runs/tiny_sweep/results.parquet")["subset_size.a4"]) == {0.1}
    code, _, told = collab("sweep", str(TINY), *given, "subset_size.a4=0.0001")
    assert (code, reason in told) == (2, True)


def test_a_sweep_is_no_run_and_a_scenario_is_no_sweep(collab: Command) -> None:
    code, _, told = collab("run", str(SCENARIOS / "subset_sizes.yaml"))
    assert (code, told.endswith("play it with `collab sweep " + str(SCENARIOS / "subset_sizes.yaml`."))) == (2, True)
    assert "\n" not in told
    code, _, told = collab("sweep", str(TINY))
    assert (code, "nothing varies: add --vary PATH=VALUE,VALUE or --seeds NUMBER" in told) == (2, True)
    assert collab("validate", str(SCENARIOS / "subset_sizes.yaml"), "--audit", "quick")[0] == 2


# ---- auditors -------------------------------------------------------------------------------------------------------


def audited(*overrides: str) -> Scenario:
    return read_scenario(TINY, [*SMALL, *overrides], audit="quick").scenario


def held(scenario: Scenario) -> dict[str, list[int]]:
    return {name: holding.rows.tolist() for name, holding in deal(scenario).entities.items()}


def keys(scenario: Scenario, out: Path) -> dict[str, str]:
    return Prepared.of(scenario, Where("inprocess", out=out)).keys


@pytest.mark.parametrize(
    ("shares", "stated"),
    [
        ((), {"share": 0.01}),
        (("0.4", "0.3", "0.2", "0.1"), {"share": 0.01, "overlap": {"with": "a1", "fraction": 1.0}}),
    ],
    ids=["room for a hundredth", "all is held"],
)
def test_an_audit_is_played_as_when_it_stated_what_auditors_hold(
    shares: tuple[str, ...], stated: dict[str, object], small: Small, tmp_path: Path
) -> None:
    """Stages that were played before auditors went without a share are found in the cache."""
    overrides = [f"entities.{name}.share={share}" for name, share in zip(ENTITIES, shares, strict=False)]
    found = audited(*overrides, "data.train=2000")
    content = found.model_dump(mode="json", by_alias=True)
    for entity in content["entities"][-len(AUDITORS) :]:
        entity.update(stated)
    before = read_scenario_of(content, tmp_path)
    assert held(found) == held(before)
    assert keys(found, tmp_path) == keys(before, tmp_path)


def read_scenario_of(content: dict[str, object], folder: Path) -> Scenario:
    from collab.scenario.document import write_document

    (folder / "stated.yaml").write_text(write_document(content))
    return read_scenario(folder / "stated.yaml").scenario


def test_lists_that_name_all_images_can_be_audited(small: Small, tmp_path: Path) -> None:
    everything = deal(small()).everything.rows
    overrides = []
    for name, part in zip(ENTITIES, np.array_split(np.random.default_rng(0).permutation(everything), 4), strict=True):
        (tmp_path / f"{name}.txt").write_text("\n".join(map(str, part.tolist())))
        overrides += [f"entities.{name}.share=null", f"entities.{name}.rows={tmp_path / name}.txt"]
    found = held(audited(*overrides))
    assert {name: found[name] for name in ENTITIES} == held(small(*overrides))
    assert all(found[name] == found["a1"][:2] for name in AUDITORS)


@pytest.mark.parametrize("partition", ["iid", "{kind: dirichlet, alpha: 0.5}", "{kind: quantity, alpha: 20}"])
def test_an_audit_changes_nobodys_images(partition: str, small: Small) -> None:
    overrides = (f"partition={partition}", "data.train=2000")
    found = held(audited(*overrides))
    assert {name: found[name] for name in ENTITIES} == held(small(*overrides))


def test_classes_too_small_for_a_hundredth_can_be_audited(small: Small) -> None:
    few = ("data.train=120", "entities.*.share=0.2")
    assert {name: len(rows) for name, rows in held(audited(*few)).items() if name in AUDITORS} == dict.fromkeys(
        AUDITORS, 2
    )


def test_no_mistake_names_an_auditor() -> None:
    with pytest.raises(ScenarioError) as told:
        audited("model.pretrain.by=b", "refinements.7.pool=[a9]")
    assert str(told.value).count("there are a1, a2, a3, a4") == 2
    assert "auditor" not in str(told.value)


def test_auditors_take_names_that_nobody_has(small: Small) -> None:
    taken = audited("entities.a4.name=auditor", "refinements=[]", "expect=null").entities
    assert [entity.name for entity in taken if entity.kind == "auditor"] == ["auditor_2", "auditor_3"]
    taken = audited("entities.a4.name=control_plain", "refinements=[]", "expect=null").entities
    assert [entity.name for entity in taken if entity.kind == "control"] == ["control_plain_2", "control_noise"]


def test_a_control_holds_the_images_of_somebody_who_is_dealt_some(small: Small, tmp_path: Path) -> None:
    found = audited()
    assert held(found)["control_plain"] == held(found)["control_noise"] == held(small())["a2"]  # a1 has pre-trained
    content = found.model_dump(mode="json", by_alias=True)
    controls = [entity for entity in content["entities"] if entity["kind"] == "control"]
    for donor in ("a9", "auditor"):
        controls[0]["options"]["of"] = donor
        with pytest.raises(ScenarioError, match=f"'{donor}' is dealt no images; name one of a1, a2, a3, a4"):
            Prepared.of(read_scenario_of(content, tmp_path), Where("inprocess", out=tmp_path))


# ---- one job -------------------------------------------------------------------------------------------------------


def test_a_task_that_there_is_not_is_a_mistake_of_the_command_line(collab: Command) -> None:
    code, _, told = collab("run", str(TINY), *sets(), "--backend", "inprocess", "--only", "poisn a2")
    assert code == 2
    assert "there is no job 'poisn a2'; did you mean 'poison a2'? There are: decode heldout, decode a1, " in told


def test_a_task_that_measures_nothing_prints_no_table(collab: Command) -> None:
    code, out, _ = collab("run", str(TINY), *sets(), "--backend", "inprocess", "--only", "decode a1")
    assert code == 0
    assert "Table" not in out
    assert "Verdicts" not in out
    assert "Measured" not in out
    assert "\nplayed   'decode a1' alone, which needs no other job\n" in out


def test_a_task_prints_what_it_measured_and_nothing_that_it_did_not(collab: Command) -> None:
    code, out, _ = collab("run", str(TINY), *sets(), "--backend", "inprocess", "--only", "pretrain a1")
    assert code == 0
    lines = out[out.index("Measured") :].splitlines()
    assert [line.split()[:3] for line in lines if line.startswith("  1 ")] == [
        ["1", "a1", "top1"],
        ["1", "a1", "top1_training"],
    ]
    assert "—" not in out  # no cell is empty
    assert "not measured" not in out
    assert "verdict" not in out
