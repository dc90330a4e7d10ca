"""A scenario is read as YAML 1.2, resolved, written and read back; nothing heavy is imported for that."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collab.architectures import ARCHITECTURES
from collab.errors import ScenarioError
from collab.scenario.document import _FastLoader, _Loader, _read, read_document, write_document
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario, to_yaml
from tests.places import ROOT

Write = Callable[..., Path]

names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "no",
        "on",
        "1e-4",
        "010",
        "12:30",
        "2020-01-01",
        "null",
        "~",
        "true",
        "",
        "0x1",
        "<<",
        "=",
        "*a",
        "&a",
        "!t",
        "- a",
        "a: b",
    ]
)
positive = st.floats(1e-9, 1e9)


@st.composite
def scenarios(draw: Any) -> dict[str, Any]:
    """The content of a valid scenario file."""
    optional = lambda **keys: {key: draw(value) for key, value in keys.items() if draw(st.booleans())}  # noqa: E731
    schedule: Any = lambda **more: optional(  # noqa: E731
        epochs=st.integers(1, 50),
        batch_size=st.integers(2, 512),
        optimizer=st.sampled_from(["sgd", "adam", "adamw"]),
        learning_rate=positive,
        weight_decay=st.floats(0, 1),
        schedule=st.sampled_from(["cosine", "one_cycle", "constant"]),
        **more,
    )
    who = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    dpm = st.just("dpm") | st.just("none") | st.fixed_dictionaries({"kind": st.just("dpm"), "lambda": st.floats(0, 9)})
    backbone = draw(st.sampled_from(sorted(ARCHITECTURES)))
    kind = ARCHITECTURES[backbone]
    rows = [
        {"row": number, "entity": name, "own": "features", "pool": [other for other in who if other != name]}
        for number, name in enumerate(who)
    ]
    return {
        "name": draw(st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)),
        **optional(about=texts, seed=st.integers(0, 2**63 - 1), controls=st.booleans()),
        "data": {
            "source": "creatures",
            "image_size": kind.patch * draw(st.integers(*(side // kind.patch for side in kind.sides))),
            **optional(private_classes=st.lists(texts, min_size=2, max_size=5, unique=True)),
        },
        "model": {
            "backbone": backbone,
            "hook": draw(st.sampled_from(kind.hooks)),
            "pretrain": {"by": draw(st.sampled_from(who)), **schedule(augment=st.booleans())},
        },
        "reconstructor": schedule(kind=st.sampled_from(["px2s2", "rx4s4-c"])),
        "entities": [{"name": name, "share": draw(st.floats(0.001, 0.25)), "defense": draw(dpm)} for name in who],
        "refine": schedule(bn=st.sampled_from(["own", "update", "frozen"])),
        "refinements": [*rows, {"row": "all", "own": "images", "share": draw(st.floats(0.01, 1))}],
    }


@given(content=scenarios())
def test_what_is_written_reads_back_equal(content: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    path.write_text(write_document(content), encoding="utf-8")
    first = read_scenario(path).scenario
    assert (first.name, first.about, first.data.image_size) == (
        content["name"],
        content.get("about", ""),
        content["data"]["image_size"],
    )
    path.write_text(to_yaml(first), encoding="utf-8")
    assert read_scenario(path).scenario == first
    assert to_yaml(first) == to_yaml(read_scenario(path).scenario)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(content=st.dictionaries(texts, json_values, max_size=4))
def test_any_values_survive_the_document(content: dict[str, Any]) -> None:
    document = read_document(write_document(content))
    assert not document.mistakes
    assert repr(document.content) == repr(content)  # repr: 1 is not 1.0, and True is neither


def test_both_parsers_read_the_same_values_at_the_same_places() -> None:
    files = sorted((ROOT / "scenarios").rglob("*.yaml"))
    assert len(files) > 20
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert _read(text, _FastLoader) == _read(text, _Loader), file


def test_what_the_fast_parser_alone_refuses_is_read() -> None:
    with pytest.raises(yaml.YAMLError):
        _read("model: {hook:}", _FastLoader)
    assert read_document("model: {hook:}").content == {"model": {"hook": None}}


@pytest.mark.parametrize(
    ("text", "line", "column"), [("a: 1\nb: é\0", 2, 5), ("a: é\n\t- b", 2, 1), ('a: "é\\q"', 1, 7)]
)
def test_what_is_no_yaml_is_told_at_its_exact_place(text: str, line: int, column: int) -> None:
    (mistake,) = read_document(text).mistakes
    assert (mistake.place.line, mistake.place.column) == (line, column)


def test_one_value_in_two_places_is_written_twice() -> None:
    shared = ["a2"]
    assert write_document({"pool": shared, "unpoisoned": shared}) == "pool:\n- a2\nunpoisoned:\n- a2\n"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("010", 10),
        ("-3", -3),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("Off", "Off"),
        ("true", True),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("0o17", "0o17"),
        ("2020-01-01", "2020-01-01"),
        ("~", None),
        ("", None),
        ("null", None),
        ("=", "="),
        ('"5"', "5"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, read: object) -> None:
    document = read_document(f"key: {written}")
    assert document.content is not None
    value = document.content["key"]
    assert (type(value), value) == (type(read), read)


def test_yaml_1_1_would_have_read_other_values() -> None:
    surprises = yaml.safe_load("[1e-4, 010, no, 12:30]")
    assert surprises == ["1e-4", 8, False, 750]  # or the test above guards against nothing


def test_short_and_long_form_of_a_defense_are_equal(scenario_file: Write, valid: str) -> None:
    long_form = valid.replace("defense: dpm", "defense: {kind: dpm}").replace("defense: none", "defense: {kind: none}")
    assert long_form != valid
    assert read_scenario(scenario_file(valid)).scenario == read_scenario(scenario_file(long_form)).scenario


def test_lines_lead_back_to_the_file(scenario_file: Write, valid: str) -> None:
    loaded = read_scenario(scenario_file(valid))
    shown = valid.split("\n")
    assert "name: a2" in shown[loaded.lines["entities", 1] - 1]
    assert "row: 7" in shown[loaded.lines["refinements", 3, "pool"] - 1]
    assert loaded.lines["model", "hook"] == 5


def test_a_scenario_made_in_python_is_checked_too(scenario_file: Write) -> None:
    scenario = read_scenario(scenario_file()).scenario
    with pytest.raises(ValidationError, match=r"model\.hook: resnet8 cannot be split at 'conv9'"):
        Scenario(**{**dict(scenario), "model": scenario.model.model_copy(update={"hook": "conv9"})})


def test_a_scenario_is_immutable(scenario_file: Write) -> None:
    scenario = read_scenario(scenario_file()).scenario
    with pytest.raises(ValidationError, match="frozen"):
        scenario.seed = 3


def test_source_options_are_what_the_source_takes_besides_the_common_ones(scenario_file: Write, tmp_path: Path) -> None:
    asked = {"classes": 6, "train": 12000, "test": 2000, "images_of_each": 8}
    assert read_scenario(scenario_file()).scenario.data.source_options() == asked
    data = f"data={{source: parquet, root: {tmp_path}, label: class, public_images: 9}}"
    assert read_scenario(scenario_file(), [data]).scenario.data.source_options() == {
        "root": str(tmp_path),
        "train": "train.parquet",
        "test": "test.parquet",
        "image": "image",
        "label": "class",
        "window": None,
    }


def test_memory_is_told_in_bytes(scenario_file: Write) -> None:
    resources = ["resources.entity={gpus: 0.25, gpu_memory: 1.5GiB}"]
    assert read_scenario(scenario_file(), resources).scenario.resources.entity.gpu_bytes == 3 << 29
    assert read_scenario(scenario_file()).scenario.resources.entity.gpu_bytes is None


def test_a_root_is_relative_to_its_file_and_an_overridden_one_to_the_working_directory(
    scenario_file: Write, valid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("images", "elsewhere/images"):
        (tmp_path / folder).mkdir(parents=True)
    path = scenario_file(
        valid.replace("creatures, image_size: 16, classes: 6", "imagefolder, image_size: 16, root: images")
    )
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_scenario(path).scenario.data.source_options()["root"] == str(tmp_path / "images")
    changed = read_scenario(path, ["data.root=images"]).scenario
    assert changed.data.source_options()["root"] == str(tmp_path / "elsewhere" / "images")


def test_a_list_of_rows_is_relative_to_its_file_and_an_overridden_one_to_the_working_directory(
    scenario_file: Write, valid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    for folder in (tmp_path, tmp_path / "elsewhere"):
        (folder / "rows.txt").write_text("0\n1\n")
    path = scenario_file(valid.replace("share: 0.3", "rows: rows.txt"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    first = read_scenario(path).scenario
    assert first.entities[1].rows == str(tmp_path / "rows.txt")
    changed = read_scenario(path, ["entities.a2.rows=rows.txt"]).scenario
    assert changed.entities[1].rows == str(tmp_path / "elsewhere" / "rows.txt")
    (tmp_path / "elsewhere" / "small.yaml").write_text(to_yaml(first), encoding="utf-8")
    assert read_scenario(tmp_path / "elsewhere" / "small.yaml").scenario == first


def test_a_list_of_rows_that_does_not_exist_may_be_let_pass(scenario_file: Write, valid: str) -> None:
    path = scenario_file(valid.replace("share: 0.3", "rows: nowhere.txt"))
    with pytest.raises(ScenarioError, match=r"entities\.1\.rows: there is no file .*nowhere\.txt"):
        read_scenario(path)
    read_scenario(path, check_paths=False)


def test_an_overlap_is_written_with_the_word_of_the_file(scenario_file: Write, valid: str) -> None:
    text = valid.replace("share: 0.3", "share: 0.3, overlap: {with: a1, fraction: 0.5}")
    resolved = to_yaml(read_scenario(scenario_file(text)).scenario)
    assert "with: a1" in resolved


def test_a_root_that_does_not_exist_may_be_let_pass(scenario_file: Write, valid: str) -> None:
    text = valid.replace("creatures, image_size: 16, classes: 6", "cifar10, image_size: 16, root: nowhere")
    with pytest.raises(ScenarioError, match="there is no folder"):
        read_scenario(scenario_file(text))
    read_scenario(scenario_file(text), check_paths=False)
    read_scenario(scenario_file(text.replace("root: nowhere", "root: nowhere, download: true")))


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read: No such file"):
        read_scenario(tmp_path / "none.yaml")
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_scenario(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: a\nabout: é".encode("latin-1"))
    with pytest.raises(ScenarioError, match=r"latin\.yaml:2:1: is not UTF-8"):
        read_scenario(latin)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path, valid: str) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + valid.encode())
    assert read_scenario(path).scenario.name == "small"


def test_reading_a_scenario_imports_nothing_heavy() -> None:
    code = (
        "import sys, collab.scenario.reader, collab.scenario.reference\n"
        "heavy = {'torch', 'ray', 'numpy', 'pyarrow', 'torchvision', 'matplotlib', 'collab.data', 'collab.models'}\n"
        "sys.exit(' '.join(sorted(heavy & sys.modules.keys())) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
