"""`--set` reaches what it names and nothing else; what it breaks is told as its own mistake."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from collab.defenses.options import Dpm
from collab.scenario.reader import Scenario, read_scenario

Write = Callable[..., Path]
Complaints = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("seed=3", lambda it: it.seed == 3),
        ("model.pretrain.learning_rate=1e-4", lambda it: it.model.pretrain.learning_rate == 1e-4),
        ("entities.a2.share=0.02", lambda it: [entity.share for entity in it.entities] == [0.5, 0.02, 0.1]),
        ("entities.1.share=0.02", lambda it: it.entities[1].share == 0.02),
        (
            "entities.a2.defense.epochs=3",
            lambda it: (it.entities[1].defense.epochs, it.entities[1].defense.blocks) == (3, 2),
        ),
        ("entities.a1.defense.epochs=3", lambda it: it.entities[0].defense == Dpm(kind="dpm", epochs=3)),
        ("entities.*.defense=dpm", lambda it: {entity.defense.kind for entity in it.entities} == {"dpm"}),
        ("entities.*.share=0.1", lambda it: [entity.share for entity in it.entities] == [0.1, 0.1, 0.1]),
        ("refinements.5.epochs=9", lambda it: [row.epochs for row in it.refinements] == [None, 9, None, None, None]),
        ("refinements.alone.epochs=9", lambda it: it.refinements[4].epochs == 9),
        ("refinements.7.pool=[a3]", lambda it: it.refinements[3].pool == ("a3",)),
        ("refinements.6.unpoisoned.0=a3", lambda it: it.refinements[2].unpoisoned == ("a3",)),
        ("refine.epochs=2", lambda it: it.refine.epochs == 2),
        ("scratch.epochs=2", lambda it: it.scratch.epochs == 2),
        ("store.codec=bfloat16", lambda it: it.store.codec == "bfloat16"),
        (
            "store.uri=s3://bucket/of/runs?region=us-east-1&scheme=http&endpoint_override=127.0.0.1:5000",
            lambda it: it.store.uri.endswith(":5000"),
        ),
        ("store.uri=gs://bucket/of/runs", lambda it: it.store.uri == "gs://bucket/of/runs"),
        (
            "store.uri=abfs://stores@lab1.dfs.core.windows.net/runs",
            lambda it: it.store.uri == "abfs://stores@lab1.dfs.core.windows.net/runs",
        ),
        ("store.uri=file:///shared/of runs", lambda it: it.store.uri == "file:///shared/of runs"),
        ("resources.entity.cpus=2", lambda it: it.resources.entity.cpus == 2),
        ("expect.paper=dp_table5", lambda it: it.expect.paper == "dp_table5"),
        ("expect=[{paper: dp_table5}, {paper: dp_table1}]", lambda it: len(it.expectations) == 2),
        ("model.width=null", lambda it: it.model.width is None),
        ("about=no", lambda it: it.about == "no"),
        ("about=a=b", lambda it: it.about == "a=b"),
        ("about=/data/run #2", lambda it: it.about == "/data/run #2"),
        ("about= #2 ", lambda it: it.about == "#2"),
        ("about=a: b", lambda it: it.about == "a: b"),
        ("about=- a", lambda it: it.about == "- a"),
        ('about="2024"', lambda it: it.about == "2024"),
        ("about='a #2'", lambda it: it.about == "a #2"),
        (
            "data={source: creatures, private_classes: [0, 1]}",
            lambda it: it.data.private_classes == ("0", "1"),
        ),
        ("entities.a2.classes=[7]", lambda it: it.entities[1].classes == ("7",)),
        (
            "partition={kind: dirichlet, alpha: 0.3}",
            lambda it: (it.partition.kind, it.partition.alpha) == ("dirichlet", 0.3),
        ),
        ("entities.a2.classes=[x, y]", lambda it: it.entities[1].classes == ("x", "y")),
        ("entities.a2.overlap={with: a1, fraction: 0.5}", lambda it: it.entities[1].overlap.entity == "a1"),
        ("data={source: creatures, image_size: 32}", lambda it: (it.data.image_size, it.data.classes) == (32, 20)),
    ],
)
def test_an_override_changes_what_it_names(
    override: str, changed: Callable[[Scenario], bool], scenario_file: Write
) -> None:
    before, after = (read_scenario(scenario_file(), chosen).scenario for chosen in ((), (override,)))
    assert changed(after)
    first = override.split("=")[0].split(".")[0]
    assert before.model_dump(exclude={first}) == after.model_dump(exclude={first})


@pytest.mark.parametrize("stated", ["", "partition: iid\n", "partition: {kind: iid}\n"])
def test_kind_and_alpha_of_a_partition_may_be_set_one_by_one(stated: str, scenario_file: Write, valid: str) -> None:
    path = scenario_file(valid.replace("entities:", stated + "entities:", 1))
    for overrides in permutations(["partition.kind=dirichlet", "partition.alpha=0.3"]):
        partition = read_scenario(path, overrides).scenario.partition
        assert (partition.kind, partition.alpha) == ("dirichlet", 0.3)
    assert read_scenario(path, ["partition=quantity", "partition.alpha=2"]).scenario.partition.kind == "quantity"


def test_later_overrides_win_and_the_seed_option_comes_last(scenario_file: Write) -> None:
    assert read_scenario(scenario_file(), ["seed=1", "seed=2"]).scenario.seed == 2
    assert read_scenario(scenario_file(), ["seed=1"], 5).scenario.seed == 5


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("entities.b.share=1", "entities has no 'b'; there are a1, a2, a3"),
        ("refinements.0.epochs=1", "refinements has no '0'; there are 1, 5, 6, 7, alone"),
        ("zzz.epochs=1", "the scenario has no 'zzz'; there are name, data"),
        ("name.first=x", "name is 'small' and has no keys"),
        ("name.first.second=x", "name is 'small' and has no keys"),
        ("seed", "write path.to.key=value"),
        ("=3", "write path.to.key=value"),
        ("a..b=3", "write path.to.key=value"),
        ("name=[", "the value '[' cannot be read: this is not YAML"),
        ("about=[a] #2", "the value '[a] #2' cannot be read: '#2' would be lost; ` #` begins a comment, unless it"),
        ('about="a" #2', "cannot be read: '#2' would be lost"),
        ("about=[/run #2, b]", "while parsing a flow sequence; ` #` begins a comment, unless it stands in quotes"),
        ("about=2024", "about: must be a text (got 2024)"),
        ("model.pretrain=epochs: 1", "model.pretrain: must be a mapping of keys to values (got 'epochs: 1')"),
        ("seed=3 # three", "seed: must be a whole number (got '3 # three')"),
        ("name=&a x", "the value '&a x' cannot be read: aliases and anchors are refused"),
        ("model.pretrain={epochs: 1, epochs: 2}", "cannot be read: key stands twice"),
        ("model.hok=conv2", "model.hok: unknown key; did you mean `hook`?"),
        ("entities.a2.share=2", "entities.1.share: must be less than or equal to 1 (got 2)"),
        ("entities.*.defense.lamda=2", "entities.0.defense.lamda: unknown key; did you mean `lambda`?"),
        ("refinements.7.pool=[a2, b]", "refinements.3.pool.1: there is no entity 'b'; there are a1, a2, a3"),
        ("partition.kind=dirichlet", "partition.alpha: is missing"),
        ("partition=dirichlet", "partition.alpha: is missing"),
        ("partition.alpha=1", "partition.kind: is missing; one of iid, dirichlet, quantity"),
        ("entities.a2.overlap.fraction=1", "entities.1.overlap.with: is missing"),
        ("entities.a2.rows=nowhere.txt", "entities.1.rows: there is no file"),
        ("data={source: parquet, root: nowhere}", "data.root: there is no folder"),
    ],
)
def test_a_wrong_override_is_told_as_its_own(override: str, words: str, complaints: Complaints, valid: str) -> None:
    told = complaints(valid, override)
    assert any(complaint.startswith(f"--set {override}: ") and words in complaint for complaint in told), told


def test_wrong_overrides_and_a_wrong_file_are_told_together(valid: str, complaints: Complaints) -> None:
    told = complaints(valid.replace("hook: conv3_1", "hook: conv9"), "store.codec=f", "entities.b.share=1", seed=-1)
    assert [complaint.split(": ")[0] for complaint in told] == [
        "5:3",
        "--set store.codec=f",
        "--set entities.b.share=1",
        "--seed -1",
    ]


def test_an_override_mends_a_fault_of_the_file(valid: str, complaints: Complaints) -> None:
    broken = valid.replace("hook: conv3_1", "hook: conv9")
    assert complaints(broken)
    assert complaints(broken, "model.hook=conv2") == []


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("about=2024", "about: must be a text (got 2024); write it in quotes"),
        ("model.hook=conv31", "; did you mean `conv3_1`?"),
        ("model.backbone=resnet88", "(got 'resnet88'); did you mean `resnet8`?"),
        ("entities.a1.defense=dmp", "(got 'dmp'); did you mean `dpm`?"),
        ("entities.A1.share=0.2", "entities has no 'A1'; there are a1, a2, a3; did you mean `a1`?"),
        ("model.pretrain.optimizer=adm", "must be one of sgd, adam, adamw, muon (got 'adm'); did you mean `adam`?"),
    ],
)
def test_a_value_that_is_not_what_it_looks_like_is_told(
    override: str, told: str, complaints: Callable[..., list[str]], valid: str
) -> None:
    (found,) = complaints(valid, override)[:1]
    assert told in found


def test_a_folder_may_be_named_by_a_variable(
    scenario_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGES", str(tmp_path))
    data = read_scenario(scenario_file(), ["data={source: imagefolder, root: $IMAGES}"]).scenario.data
    assert data.source_options()["root"] == str(tmp_path)


def test_a_text_in_quotes_may_hold_anything(scenario_file: Callable[..., Path]) -> None:
    scenario = read_scenario(scenario_file(), ['about="a: /data/run #2"']).scenario
    assert scenario.about == "a: /data/run #2"
    assert read_scenario(scenario_file(), ["about=run#2"]).scenario.about == "run#2"
