"""The scenarios, the schema and the page of this repository agree with the models."""

import json
import math
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from collab.errors import ScenarioError
from collab.scenario.document import read_document
from collab.scenario.offers import find_our_options
from collab.scenario.reader import read_scenario, to_yaml
from collab.scenario.reference import MARK, json_text, reference
from collab.scenario.schema import json_schema
from collab.scenario.sweep import read_sweep, sweep_schema
from tests.places import ROOT

ALL = sorted((ROOT / "scenarios").glob("*.yaml"))
SWEEPS = [path for path in ALL if "\naxes:" in path.read_text(encoding="utf-8")]
FILES = [path for path in ALL if path not in SWEEPS]
SCHEMA = Draft202012Validator(json.loads(json_text()))
TABLE_5 = [  # SCIENCE 3.5: entity, own, unpoisoned, pool
    ("a1", "images", (), ()),
    ("a2", "images", (), ()),
    ("a3", "images", (), ()),
    ("a4", "images", (), ()),
    (None, "images", (), ()),
    ("a1", "features", ("a2",), ()),
    ("a1", "features", (), ("a2",)),
    ("a2", "features", (), ("a1",)),
    ("a3", "features", (), ("a1", "a2")),
    ("a3", "features", (), ("a1", "a2", "a4")),
    ("a4", "features", (), ("a1", "a2")),
    ("a4", "features", (), ("a1", "a2", "a3")),
]


VALIDATE = """
import sys
from pathlib import Path
from collab.cli_validate import validate
from collab.scenario.reader import is_sweep_file
for name in sys.argv[1:]:
    file = Path(name)
    validate(file, audit=None if is_sweep_file(file) else "quick", without_data=file.stem != "audit")
print("torch" in sys.modules)
"""


def test_every_scenario_is_validated_without_torch_but_for_a_plugin_of_its_own() -> None:
    own = [f"kind: {path.stem}" for path in (ROOT / "scenarios/entities").glob("*.py")]
    files = [path for path in ALL if not any(kind in path.read_text(encoding="utf-8") for kind in own)]
    assert own
    assert len(ALL) - len(files) == 1
    done = subprocess.run(
        [sys.executable, "-c", VALIDATE, *map(str, files)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr
    assert done.stdout.count(": valid: ") == len(files)


def test_there_are_scenarios() -> None:
    assert {path.stem for path in FILES} >= {"four_entities", "tiny", "cifar10_four_entities", "imagenet_four_entities"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_scenario_file_is_valid_and_says_how_to_run_it(path: Path, tmp_path: Path) -> None:
    loaded = read_scenario(path, check_paths=False)
    assert loaded.scenario.name == path.stem
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines[0] == "# yaml-language-server: $schema=./scenario.schema.json"
    assert lines[1].startswith(f"# collab run scenarios/{path.name}")
    SCHEMA.validate(read_document("\n".join(lines)).content)
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(to_yaml(loaded.scenario), encoding="utf-8")
    beside = [ROOT / "scenarios"]  # a run's file lies elsewhere than the plugins of its scenario
    assert read_scenario(resolved, check_paths=False, plugin_dirs=beside).scenario == loaded.scenario
    SCHEMA.validate(read_document(resolved.read_text(encoding="utf-8")).content)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweep_file_is_valid_and_says_how_to_run_it(path: Path) -> None:
    sweep, cells = read_sweep(path, check_paths=False)
    assert sweep.name == path.stem
    lengths = [len(axis.values) for axis in sweep.axes]
    points = {"zip": lengths[0], "grid": math.prod(lengths), "star": 1 + sum(length - 1 for length in lengths)}
    assert len(cells) == sweep.seeds * points[sweep.combine]
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# collab sweep scenarios/{path.name}")
    Draft202012Validator(sweep_schema()).validate(read_document(text).content)


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.stem.endswith("four_entities")], ids=lambda path: path.stem
)
def test_a_replay_of_table_5_has_its_rows(path: Path) -> None:
    scenario = read_scenario(path, check_paths=False).scenario
    assert [row.name for row in scenario.refinements] == list(range(1, 13))
    assert [(row.entity, row.own, row.unpoisoned, row.pool) for row in scenario.refinements] == TABLE_5
    assert scenario.refinements[4].share == 1.0
    assert [(entity.name, entity.share) for entity in scenario.entities] == [
        ("a1", 0.1),
        ("a2", 0.1),
        ("a3", 0.1),
        ("a4", 0.01),
    ]
    assert scenario.model.pretrain.by == "a1"
    assert scenario.expect is not None


@pytest.mark.parametrize(
    "changed",
    [
        ("hook: conv3_1", "hok: conv3_1"),
        ("defense: none", "defense: nothing"),
        ("defense: none", "defense: {kind: none, blocks: 2}"),
        ("lambda: 0.5", "ssim_weight: 0.5"),
        ("epochs: 2", 'epochs: "2"'),
        ("share: 0.5", "share: 1.5"),
        ("name: a2", "name: 2a"),
        ("row: 6", "row: 6.5"),
        ("  hook: conv3_1\n", ""),
        ("share: 0.3, ", ""),
        ("share: 0.3", "share: 0.3, classes: a"),
        ("share: 0.3", "share: 0.3, overlap: {with: a1}"),
        ("share: 0.3", "share: 0.3, overlap: {with: a1, fraction: 2}"),
        ("share: 0.3", "share: 0.3, overlap: {entity: a1, fraction: 1}"),
        ("share: 0.3", "rows: 3"),
        ("entities:", "partition: dirichlet\nentities:"),
        ("entities:", "partition: {kind: dirichlet}\nentities:"),
        ("entities:", "partition: {kind: dirichlet, alpha: 0}\nentities:"),
        ("entities:", "partition: {kind: iid, alpha: 1}\nentities:"),
        ("entities:", "partition: {alpha: 1}\nentities:"),
        ("entities:", "partition: {kind: even}\nentities:"),
        ("entities:", "expect: dp_table5\nentities:"),
        ("entities:", "expect: {paper: dp_table6}\nentities:"),
        ("entities:", "expect: [{paper: dp_table5, row: 7}]\nentities:"),
        ("entities:", "expect: {metric: top1, at_least: 0.5}\nentities:"),
        ("entities:", "expect: [{metric: top1, row: 7, at_least: high}]\nentities:"),
        ("entities:", "expect: [{metric: Top 1, row: 7, at_least: 0.5}]\nentities:"),
    ],
    ids=str,
)
def test_schema_and_reader_refuse_alike(changed: tuple[str, str], valid: str, tmp_path: Path) -> None:
    SCHEMA.validate(read_document(valid).content)
    assert changed[0] in valid
    path = tmp_path / "broken.yaml"
    path.write_text(valid.replace(*changed), encoding="utf-8")
    with pytest.raises(ScenarioError):
        read_scenario(path)
    assert not SCHEMA.is_valid(read_document(path.read_text(encoding="utf-8")).content)


@pytest.mark.parametrize(
    "changed",
    [
        ("entities:", "partition: iid\nentities:"),
        ("entities:", "partition: {kind: iid}\nentities:"),
        ("entities:", "partition: {kind: dirichlet, alpha: 0.3}\nentities:"),
        ("entities:", "partition: {kind: quantity, alpha: 1}\nentities:"),
        ("share: 0.3", "share: 0.3, classes: [a, b]"),
        ("share: 0.3", "share: 0.3, overlap: {with: a1, fraction: 0.5}"),
        ("share: 0.3", "rows: rows.txt"),
        ("entities:", "expect: {paper: dp_table5}\nentities:"),
        ("entities:", "expect: {metric: top1, row: 7, at_least: 0.5, at_most: 0.6}\nentities:"),
        (
            "entities:",
            "expect: [{paper: dp_table1}, {metric: 'ssim[11]_poisoned', row: tables_1_2, at_most: 1}]\nentities:",
        ),
    ],
    ids=str,
)
def test_schema_and_reader_let_pass_alike_and_the_resolved_scenario_too(
    changed: tuple[str, str], valid: str, tmp_path: Path
) -> None:
    (tmp_path / "rows.txt").write_text("0\n1\n")
    path = tmp_path / "right.yaml"
    path.write_text(valid.replace(*changed, 1), encoding="utf-8")
    SCHEMA.validate(read_document(path.read_text(encoding="utf-8")).content)
    first = read_scenario(path).scenario
    path.write_text(to_yaml(first), encoding="utf-8")
    SCHEMA.validate(read_document(path.read_text(encoding="utf-8")).content)
    assert read_scenario(path).scenario == first


def test_the_schema_file_is_current() -> None:
    written = (ROOT / "scenarios" / "scenario.schema.json").read_text(encoding="utf-8")
    assert written == json_text(), "run `python -m collab.scenario.reference`"
    Draft202012Validator.check_schema(json.loads(written))


def test_the_page_has_every_key() -> None:
    page = (ROOT / "docs" / "scenario.md").read_text(encoding="utf-8")
    assert page.partition(MARK)[2].strip() == reference().strip(), "run `python -m collab.scenario.reference`"
    schema = json_schema(find_our_options())
    parts = {"Scenario": schema, **schema["$defs"]}
    for name, part in parts.items():
        section = page.partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert all(f"| `{key}` |" in section for key in part["properties"]), name


def test_the_example_of_the_page_is_valid_and_its_complaints_are_ours(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "scenario.md").read_text(encoding="utf-8")
    example = re.findall(r"```yaml\n(.*?)```", page, re.S)[0]
    path = tmp_path / "two_hospitals.yaml"
    path.write_text(example, encoding="utf-8")
    assert read_scenario(path).scenario.name == path.stem
    shown = re.findall(r"```\n(two_hospitals.*?)```", page, re.S)[0].strip()
    path.write_text(example.replace("hook: conv3_1", "hook: conv5_1").replace("lambda", "lamda"), encoding="utf-8")
    with pytest.raises(ScenarioError) as told:
        read_scenario(path, ["entities.b.share=1"])
    assert str(told.value).replace(f"{tmp_path}/", "") == shown


def test_the_example_of_the_page_about_partitions_is_valid(valid: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "partition.md").read_text(encoding="utf-8")
    example = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]
    head = valid[: valid.index("entities:")].replace("by: a1", "by: large")
    path = tmp_path / "example.yaml"
    path.write_text(head + example + "refinements:\n  - {row: 1, entity: small, own: images}\n", encoding="utf-8")
    (tmp_path / "clinic.txt").write_text("0\n1\n")
    scenario = read_scenario(path).scenario
    assert scenario.partition.kind == "dirichlet"
    assert [entity.name for entity in scenario.entities] == ["large", "birds", "small", "clinic"]


CIFAR_10 = "data={source: parquet, root: FOLDER, image_size: 32, public_images: 12500}"
IMAGENET = (
    "data={source: imagenet, root: FOLDER, image_size: 224}",
    "model.backbone=resnet101",
    "model.width=null",
    "model.hook=conv4_1",
)


@pytest.mark.parametrize("name", ["one_publisher", "dp_table_3", "dp_figure_5", "dpf_figure_5", "disparity_losses"])
@pytest.mark.parametrize("overrides", [(CIFAR_10,), IMAGENET], ids=["cifar10", "imagenet"])
def test_a_table_is_played_on_other_data_by_what_its_first_lines_say(name: str, overrides: tuple[str, ...]) -> None:
    path = ROOT / "scenarios" / f"{name}.yaml"
    assert CIFAR_10 in path.read_text(encoding="utf-8")
    found = read_scenario(path, overrides, check_paths=False).scenario
    assert found.data.source in ("parquet", "imagenet")
    assert found.disclosure is not None


@pytest.mark.parametrize(
    ("name", "source", "backbone"),
    [
        ("dp_table_4", "celeba", "vgg16_bn"),
        ("do_headline", "celeba", "vgg16_bn"),
        ("apt_table_1", "celeba", "resnet50_mlp"),
        ("apt_table_2", "celeba", "resnet50_mlp"),
        ("apt_layers", "celeba", "resnet50_mlp"),
        ("visualmixer", "imagenet", "resnet18"),
        ("dpf_face_identification", "creatures", "resnet18"),
    ],
)
def test_a_paper_s_size_is_what_the_first_lines_say(name: str, source: str, backbone: str) -> None:
    path = ROOT / "scenarios" / f"{name}.yaml"
    comment = "".join(
        line.removeprefix("#") for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "#"
    )
    words = shlex.split(comment[comment.index("with a GPU") :].partition(": --set")[2].join(["--set", ""]))
    overrides = [word for before, word in pairwise(words) if before == "--set"]
    found = read_scenario(path, overrides, check_paths=False).scenario
    assert (found.data.source, found.model.backbone, found.model.width) == (source, backbone, None)
    assert found.data.image_size >= 128


def test_a_varied_axis_of_the_command_line_takes_the_place_of_the_files() -> None:
    sweep, cells = read_sweep(ROOT / "scenarios" / "dp_tables_1_2.yaml", ["model.backbone=resnet20"])
    assert [axis.values for axis in sweep.axes] == [("resnet20",)]
    assert [(cell.scenario.model.backbone, cell.scenario.seed) for cell in cells] == [
        ("resnet20", seed) for seed in range(3)
    ]
