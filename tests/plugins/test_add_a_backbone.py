"""docs/add_a_backbone.md, command by command; and what is told of a backbone that is a plugin."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from jsonschema import Draft202012Validator

from collab.errors import PluginError, ScenarioError
from collab.models.backbones import build_split, is_rectified
from collab.runtime.prepared import Prepared, Where
from collab.scenario.document import read_document
from collab.scenario.offers import find_our_options
from collab.scenario.reader import Loaded, read_scenario, to_yaml
from collab.scenario.schema import json_schema
from tests.pages import files, play_page
from tests.places import ROOT

PAGE = (ROOT / "docs" / "add_a_backbone.md").read_text(encoding="utf-8")
BACKBONE, SCENARIO = (files(PAGE)[name] for name in ("backbones/conv_mixer.py", "mixed.yaml"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "backbones").mkdir()
    (tmp_path / "backbones/conv_mixer.py").write_text(BACKBONE)
    (tmp_path / "mixed.yaml").write_text(SCENARIO)
    return tmp_path


def test_the_page_works_as_it_is_written(tmp_path: Path) -> None:
    done = play_page(PAGE, tmp_path)[-1]
    assert "backbone conv_mixer: " in done.stderr
    assert "FAILED" not in done.stdout
    assert list(tmp_path.glob("runs/mixed/*/report.html"))


def test_what_it_does_not_take_is_told_where_it_stands(project: Path) -> None:
    def told(old: str, new: str) -> str:
        (project / "mixed.yaml").write_text(SCENARIO.replace(old, new))
        with pytest.raises(ScenarioError) as caught:
            read_scenario(project / "mixed.yaml")
        return str(caught.value)

    (shown,) = (line for line in PAGE.splitlines() if line.startswith("mixed.yaml:"))
    assert told("hook: block1", "hook: block3").endswith(shown)
    assert "mixed.yaml:3:31: model.deep: unknown key; did you mean `depth`?" in told("depth: 2", "deep: 2")
    assert "model.depth: must be a whole number (got 'two')" in told("depth: 2", "depth: two")
    assert "mixed.yaml:2:27: data.image_size: conv_mixer takes 16 to 128 px, not 256" in told("size: 16", "size: 256")
    assert "(got 'conv_miser'); did you mean `conv_mixer`?" in told("conv_mixer", "conv_miser")


def test_a_backbone_of_one_width_takes_no_other(project: Path) -> None:
    (project / "backbones/conv_mixer.py").write_text(BACKBONE.replace("    width: ClassVar[int] = 32\n", ""))
    with pytest.raises(ScenarioError, match=r"mixed\.yaml:3:41: model\.width: conv_mixer has fixed widths; only"):
        read_scenario(project / "mixed.yaml")


def test_one_that_is_called_as_ours_or_is_broken_is_told(project: Path) -> None:
    (project / "backbones/resnet8.py").write_text(BACKBONE.replace('"conv_mixer"', '"resnet8"'))
    with pytest.raises(ScenarioError, match=r"'resnet8' .* is called as a backbone that comes with collab"):
        read_scenario(project / "mixed.yaml", ["model.backbone=resnet8"])
    (project / "backbones/odd.py").write_text("import no_such_module")
    with pytest.raises(PluginError, match=r"model\.backbone: the plugin 'odd' .*does not import: ModuleNotFoundError"):
        read_scenario(project / "mixed.yaml", ["model.backbone=odd"])
    (project / "backbones/bare.py").write_text(
        "from collab.architectures import Backbone\n\nclass Bare(Backbone):\n    kind = 'bare'\n"
    )
    with pytest.raises(PluginError, match=r"'bare' .*Nest `class Options\(Network\)` in the class of the backbone"):
        read_scenario(project / "mixed.yaml", ["model.backbone=bare"])


def test_a_run_reads_back_without_the_plugin_and_its_schema_holds_the_options(project: Path) -> None:
    scenario = read_scenario(project / "mixed.yaml").scenario
    assert ("backbones", "conv_mixer") in scenario.kinds
    text = to_yaml(scenario)
    (project / "away").mkdir()
    (project / "away/scenario.yaml").write_text(text)
    again = read_scenario(project / "away/scenario.yaml", check_plugins=False).scenario
    assert to_yaml(again) == text
    validator = Draft202012Validator(json_schema(find_our_options(project)))
    assert validator.is_valid(read_document(text).content)
    assert not validator.is_valid(read_document(text.replace("depth: 2", "deep: 2")).content)
    assert not Draft202012Validator(json_schema(find_our_options())).is_valid(read_document(text).content)


def test_it_is_split_as_ours_are_and_its_options_are_honored(project: Path) -> None:
    scenario = read_scenario(project / "mixed.yaml", ["model.depth=3", "model.patch=4"]).scenario
    split = build_split(scenario.model.architecture, "block1", classes=3, width=scenario.model.width)
    assert [name for name, _ in split.decider.named_children()] == ["block2", "block3", "head"]
    assert split.featurizer.eval()(torch.rand(1, 3, 16, 16)).shape == (1, 8, 4, 4)
    assert not is_rectified(scenario.model.architecture, "block1")
    with pytest.raises(ScenarioError, match=r"conv_mixer cannot be cut at 'block4'\. It has the hooks patches, block1"):
        build_split(scenario.model.architecture, "block4", classes=3)


def keys_of(loaded: Loaded, out: Path) -> dict[str, str]:
    return Prepared.of(loaded.scenario, Where("inprocess", device="cpu", out=out, plugins=loaded.plugins)).keys


def test_code_and_options_are_part_of_what_is_kept_of_stages_that_use_it(project: Path) -> None:
    def changed(*overrides: str) -> set[str]:
        now = keys_of(read_scenario(project / "mixed.yaml", [scratch_row, *overrides]), project)
        return {job for job in before if before[job] != now[job]}

    scratch_row = "refinements.1.entity=small"  # of the leader it is the pre-training itself
    before = keys_of(read_scenario(project / "mixed.yaml", [scratch_row]), project)
    images = {job for job in before if job.startswith("decode ")} | {"find copies"}
    assert changed() == set()
    assert changed("model.depth=3") == before.keys() - images
    scratch = {"refine small row 1"}
    assert scratch <= before.keys()
    assert changed("model.hook=block2") == before.keys() - images - scratch
    (project / "backbones/conv_mixer.py").write_text(BACKBONE + "# edited\n")
    assert changed() == before.keys() - images


def test_a_scenario_with_it_is_checked_without_torch(project: Path) -> None:
    code = "import sys; from collab.cli import main; main(); print({'torch', 'torchvision', 'ray'} & {*sys.modules})"
    asked = [sys.executable, "-c", code, "validate", "mixed.yaml"]
    ended = subprocess.run(asked, cwd=project, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "mixed.yaml: valid" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "set()"
