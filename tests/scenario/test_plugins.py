"""Options of plugins are validated like all else in a scenario; what is wrong with one is told where it is named."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from collab.defenses.options import Dpm
from collab.errors import PluginError, ScenarioError
from collab.plugins.discovery import Plugins
from collab.scenario.document import read_document
from collab.scenario.offers import find_our_options, offers
from collab.scenario.reader import Loaded, read_scenario, to_yaml
from collab.scenario.schema import json_schema

Write = Callable[..., Path]
Complaints = Callable[..., list[str]]

LATE = """\
from pydantic import Field
from collab.scenario.base import EntityOptions

class Late:
    group = "entities"
    kind = "late"

    class Options(EntityOptions):
        keep: float = Field(1.0, gt=0, le=1, description="Share that it publishes.")
        rounds: tuple[int, ...] = ()
"""
BLUR = """\
from pydantic import Field
from collab.scenario.base import DefenseOptions

class Blur:
    group = "defenses"
    kind = "blur"

    class Options(DefenseOptions):
        sigma: float = Field(ge=0, alias="lambda")
        side: int = 3
"""
PLAIN = """\
from collab.scenario.base import DefenseOptions, EntityOptions

class Plain:
    group = {group!r}
    kind = {kind!r}
    Options = {options}
"""
SCENARIO = """\
name: small
data: {source: creatures, image_size: 16, classes: 6}
model: {backbone: resnet8, hook: conv3_1, pretrain: {by: a1}}
entities:
  - {name: a1, share: 0.5, defense: {kind: blur, lambda: 0.5}}
  - {name: a2, kind: late, options: {keep: 0.5, rounds: [1, 2]}, share: 0.3, defense: dpm}
  - {name: a3, kind: late, share: 0.1, defense: sharp}
refinements:
  - {row: 7, entity: a1, own: features, pool: [a2, a3]}
"""


@pytest.fixture
def valid(tmp_path: Path) -> str:
    """A scenario, beside which its plugins lie."""
    for file, text in {
        "entities/late.py": LATE,
        "defenses/blur.py": BLUR,
        "entities/quiet.py": PLAIN.format(group="entities", kind="quiet", options="EntityOptions"),
        "defenses/sharp.py": PLAIN.format(group="defenses", kind="sharp", options="DefenseOptions"),
        "defenses/flat.py": PLAIN.format(group="defenses", kind="flat", options="EntityOptions"),
        "defenses/broken.py": "import no_such_module",
    }.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return SCENARIO


def read(write: Write, text: str) -> Loaded:
    return read_scenario(write(text))


def test_options_are_those_of_the_plugins(scenario_file: Write, valid: str, tmp_path: Path) -> None:
    loaded = read(scenario_file, valid)
    first, second, third = loaded.scenario.entities
    assert (first.defense.kind, first.defense.sigma, first.defense.side) == ("blur", 0.5, 3)
    assert (second.options.keep, second.options.rounds) == (0.5, (1, 2))
    assert second.defense == Dpm(kind="dpm")
    assert (third.options.keep, third.defense.kind) == (1.0, "sharp")
    late = loaded.plugins.load("entities", "late")
    assert isinstance(second.options, late.Options)
    assert sorted(loaded.origins) == [
        f"defense blur: {tmp_path / 'defenses' / 'blur.py'}",
        f"defense sharp: {tmp_path / 'defenses' / 'sharp.py'}",
        f"entity late: {tmp_path / 'entities' / 'late.py'}",
    ]


def test_a_resolved_scenario_reads_back_equal(scenario_file: Write, valid: str) -> None:
    first = read(scenario_file, valid).scenario
    assert "sigma" not in to_yaml(first)  # by the key that a file holds
    assert read(scenario_file, to_yaml(first)).scenario == first


def test_a_plugin_folder_may_lie_elsewhere(scenario_file: Write, valid: str, tmp_path: Path) -> None:
    away = tmp_path / "elsewhere" / "plugins"
    away.mkdir(parents=True)
    for group in ("entities", "defenses"):
        (tmp_path / group).rename(away / group)
    with pytest.raises(PluginError, match=r"must be one of adversarial, .*, visual_mixer \(got 'blur'\)"):
        read(scenario_file, valid)
    assert read_scenario(scenario_file(valid), plugin_dirs=[away]).scenario.entities[2].kind == "late"
    path = tmp_path / "elsewhere" / "try.yaml"
    path.write_text(valid)
    with pytest.raises(PluginError, match="must be one of"):
        read_scenario(path)


def test_plugins_of_the_working_directory_count(
    scenario_file: Write, valid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "away").mkdir()
    path = tmp_path / "away" / "try.yaml"
    path.write_text(valid)
    monkeypatch.chdir(tmp_path)
    assert read_scenario(path).scenario.entities[2].kind == "late"


# (what stands in the valid file, what stands there instead with @ where the complaint must point to, its words)
FAULTS = {
    "out of range": ("keep: 0.5", "@keep: 2", "entities.1.options.keep: must be less than or equal to 1 (got 2)"),
    "type": ("rounds: [1, 2]", "rounds: [1, @x]", "entities.1.options.rounds.1: must be a whole number (got 'x')"),
    "misspelled": ("keep: 0.5", "@keeep: 0.5", "entities.1.options.keeep: unknown key; did you mean `keep`?"),
    "far from any": ("keep: 0.5", "@zzz: 0.5", "unknown key; allowed: keep, rounds"),
    "no mapping": ("options: {keep: 0.5, rounds: [1, 2]}", "@options: [1]", "must be a mapping of keys to values"),
    "defense out of range": ("lambda: 0.5", "@lambda: -1", "entities.0.defense.lambda: must be greater than or equal"),
    "defense misspelled": ("lambda: 0.5", "lambda: 0.5, @sid: 1", "unknown key; did you mean `side`?"),
    "python name": ("lambda: 0.5", "lambda: 0.5, @sigma: 1", "unknown key; allowed: kind, lambda, side"),
    "defense incomplete": ("{kind: blur, lambda: 0.5}", "blur", "5:28: entities.0.defense.lambda: is missing"),
    "defense of a number": ("kind: blur", "@kind: 5", "entities.0.defense.kind: must be a text (got 5)"),
    "defense a number": ("defense: dpm", "@defense: 5", "entities.1.defense: must be a mapping of keys to values"),
    "no options": (
        "kind: late, options",
        "kind: quiet, options",
        "6:39: entities.1.options.keep: unknown key; allowed: none",
    ),
    "unknown entity": (
        "kind: late, options",
        "@kind: latte, options",
        "selective (got 'latte'); did you mean `late`?",
    ),
    "unknown defense": (
        "defense: sharp",
        "@defense: shard",
        "visual_mixer (got 'shard'); did you mean `sharp`?",
    ),
    "broken": (
        "defense: sharp",
        "@defense: broken",
        "defenses/broken.py) does not import: ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "not a defense's options": (
        "defense: sharp",
        "@defense: flat",
        "which is no model of options. Subclass collab.scenario.base.DefenseOptions.",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_told_where_it_stands(fault: str, valid: str, complaints: Complaints) -> None:
    old, new, words = FAULTS[fault]
    before, found, after = valid.partition(old)
    assert found
    where = ""
    if "@" in new:
        line = (before + new.partition("@")[0]).split("\n")
        where = f"{len(line)}:{len(line[-1]) + 1}: "
    told = complaints(before + new.replace("@", "") + after)
    assert any(complaint.startswith(where) and words in complaint for complaint in told), told


def test_the_valid_file_is_valid(valid: str, complaints: Complaints) -> None:
    assert complaints(valid) == []  # though a broken plugin lies beside it


def test_options_without_a_plugin_for_them_are_told(valid: str, complaints: Complaints) -> None:
    told = complaints(valid.replace("kind: late, options", "options"))
    assert [complaint.split(": ")[1:3] for complaint in told] == [
        ["entities.1.options.keep", "unknown key; allowed"],
        ["entities.1.options.rounds", "unknown key; allowed"],
    ]


def test_a_required_option_of_an_entity_that_says_none_is_missing(
    valid: str, complaints: Complaints, tmp_path: Path
) -> None:
    text = LATE.replace("Late:", "Strict:").replace('"late"', '"strict"').replace("Field(1.0, ", "Field(")
    (tmp_path / "entities" / "strict.py").write_text(text)
    told = complaints(valid.replace("kind: late, share", "kind: strict, share"))
    assert [complaint.split(": ", 1)[1] for complaint in told] == ["entities.2.options.keep: is missing"]
    assert complaints(valid.replace("kind: late, share", "kind: strict, share"), "entities.a3.options.keep=0.2") == []


def test_overrides_reach_options(scenario_file: Write, valid: str, complaints: Complaints) -> None:
    overrides = ["entities.a3.options.keep=0.25", "entities.a1.defense.lambda=2", "entities.a2.options.rounds=[]"]
    first, second, third = read_scenario(scenario_file(valid), overrides).scenario.entities
    assert (third.options.keep, first.defense.sigma, second.options.rounds) == (0.25, 2, ())
    told = complaints(valid, "entities.a3.options.kep=1")
    assert told == ["--set entities.a3.options.kep=1: entities.2.options.kep: unknown key; did you mean `keep`?"]


def test_a_broken_plugin_is_told_with_all_other_mistakes_and_its_traceback(scenario_file: Write, valid: str) -> None:
    text = valid.replace("keep: 0.5", "keep: 5").replace("defense: sharp", "defense: broken")
    with pytest.raises(PluginError) as told:
        read(scenario_file, text)
    assert len(str(told.value).split("\n")) == 2
    assert "import no_such_module" in told.value.__notes__[0]


def test_a_run_can_be_read_where_its_plugins_are_not(scenario_file: Write, valid: str, tmp_path: Path) -> None:
    text = to_yaml(read(scenario_file, valid).scenario)
    for folder in ("entities", "defenses"):
        (tmp_path / folder).rename(tmp_path / f"{folder}_gone")
    with pytest.raises(ScenarioError):
        read(scenario_file, text)
    scenario = read_scenario(scenario_file(text), check_plugins=False).scenario
    assert [entity.defense.kind for entity in scenario.entities] == ["blur", "dpm", "sharp"]
    assert to_yaml(scenario) == text


def test_who_attacks_by_a_plugin_is_read_where_it_is_not(scenario_file: Write) -> None:
    auditor = "{name: a3, kind: auditor, defense: none, options: {attacks: [straw_man, {kind: probe, deep: 2}]}}"
    text = SCENARIO.replace("{name: a3, kind: late, share: 0.1, defense: sharp}", auditor).replace("[a2, a3]", "[a2]")
    scenario = read_scenario(scenario_file(text), check_plugins=False).scenario
    attacks = scenario.entities[2].options.attacks_on(["a1"])
    assert [attack.kind for _, attack in attacks] == ["straw_man", "probe"]


def test_schema_and_reader_agree_on_plugins(valid: str, complaints: Complaints, tmp_path: Path) -> None:
    found = offers(Plugins.of(tmp_path))
    options = {
        group: {offer.kind: offer.options for offer in found if offer.group == group and offer.options}
        for group in ("entities", "defenses")
    }
    schema = json_schema(options)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    validator.validate(read_document(valid).content)
    assert not Draft202012Validator(json_schema(find_our_options())).is_valid(read_document(valid).content)
    for fault, (old, new, _) in FAULTS.items():
        broken = valid.replace(old, new.replace("@", ""), 1)
        if complaints(broken):
            assert not validator.is_valid(read_document(broken).content), fault


def test_built_in_kinds_are_validated_without_torch(valid: str, scenario_file: Write) -> None:
    code = (
        "import sys\nfrom collab.cli import main\ntry: main()\nfinally: print('torch' in sys.modules, file=sys.stderr)"
    )
    path = scenario_file(valid)
    for arguments in (["--help"], ["validate", str(path)]):  # its plugins do without torch too
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, cwd=path.parent
        )
        assert done.stderr.rstrip().endswith("False"), done.stderr
