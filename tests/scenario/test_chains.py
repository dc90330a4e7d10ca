"""Defenses one after the other, in files, in overrides and in the schema; options of those that do not learn."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from collab.defenses.options import Dpm, GaussianFilter, GaussianNoise, MeanFilter, NoDefense
from collab.errors import ScenarioError
from collab.scenario.document import read_document
from collab.scenario.model import Scenario
from collab.scenario.offers import find_our_options
from collab.scenario.parts import EntityPart
from collab.scenario.reader import read_scenario, to_yaml
from collab.scenario.schema import json_schema
from collab.scenario.sweep import read_sweep
from tests.places import ROOT

Complaints = Callable[..., list[str]]
CHAIN = "[none, {kind: dpm, blocks: 2, lambda: 0.5}]"
SCHEMA = Draft202012Validator(json_schema(find_our_options()))


@pytest.fixture
def chained(valid: str) -> str:
    """The valid scenario, with a chain for its first entity."""
    return valid.replace("defense: dpm", f"defense: {CHAIN}")


@pytest.fixture
def read(scenario_file: Callable[[str], Path]) -> Callable[..., Scenario]:
    return lambda text, *overrides: read_scenario(scenario_file(text), overrides).scenario


def test_a_list_is_a_chain_in_its_order(read: Callable[..., Scenario], chained: str) -> None:
    entity = read(chained).entities[0]
    assert entity.defense == (NoDefense(kind="none"), Dpm(kind="dpm", blocks=2, **{"lambda": 0.5}))
    assert (entity.defenses, entity.protection) == (entity.defense, "none+dpm")


def test_one_alone_is_itself_in_a_list_too(read: Callable[..., Scenario], valid: str) -> None:
    listed = read(valid.replace("defense: dpm", "defense: [dpm]"))
    assert listed == read(valid)
    assert (listed.entities[0].defenses, listed.entities[0].protection) == ((Dpm(kind="dpm"),), "dpm")


def test_a_resolved_chain_reads_back(read: Callable[..., Scenario], chained: str) -> None:
    scenario = read(chained)
    resolved = to_yaml(scenario)
    assert "lambda: 0.5" in resolved.partition("name: a2")[0]
    assert read(resolved) == scenario
    SCHEMA.validate(read_document(resolved).content)


@pytest.mark.parametrize(
    ("override", "holds"),
    [
        ("entities.a1.defense.dpm.lambda=2", lambda chain: (chain[1].ssim_weight, chain[1].blocks) == (2, 2)),
        ("entities.a1.defense.1.lambda=2", lambda chain: chain[1].ssim_weight == 2),
        ("entities.a1.defense.1=none", lambda chain: [each.kind for each in chain] == ["none", "none"]),
        ("entities.a1.defense.none=dpm", lambda chain: [each.kind for each in chain] == ["dpm", "dpm"]),
        ("entities.a1.defense=[dpm, none, dpm]", lambda chain: [each.kind for each in chain] == ["dpm", "none", "dpm"]),
        ("entities.a1.defense=none", lambda chain: chain == NoDefense(kind="none")),
        ("entities.a1.defense.*.kind=none", None),  # which has no blocks
    ],
)
def test_an_override_reaches_into_a_chain(
    override: str, holds: Callable[[Any], bool] | None, read: Callable[..., Scenario], chained: str
) -> None:
    if holds is None:
        with pytest.raises(ScenarioError, match="unknown key"):
            read(chained, override)
    else:
        assert holds(read(chained, override).entities[0].defense)


def test_a_name_in_a_chain_becomes_a_mapping_where_an_override_needs_one(
    read: Callable[..., Scenario], valid: str
) -> None:
    text = valid.replace("defense: dpm", "defense: [none, dpm]")
    assert read(text, "entities.a1.defense.dpm.blocks=3").entities[0].defense[1].blocks == 3


FAULTS = {
    "unknown kind": ("[none, @dpn]", "entities.0.defense.1.kind: must be one of adversarial, class_gaussian, dpm, "),
    "unknown kind, long": ("[{@kind: dpn}, none]", "visual_mixer (got 'dpn'); did you mean `dpm`?"),
    "unknown key": ("[none, {kind: dpm, @lamda: 2}]", "unknown key; did you mean `lambda`?"),
    "out of range": ("[none, {kind: dpm, @blocks: 0}]", "entities.0.defense.1.blocks: must be greater than"),
    "no kind": (
        "[none, @{blocks: 2}]",
        "entities.0.defense.1.kind: is missing; one of adversarial, class_gaussian, dpm",
    ),
    "no mapping": ("[none, @7]", "entities.0.defense.1: must be a mapping of keys to values (got 7)"),
    "a chain in a chain": ("[none, @[dpm]]", "entities.0.defense.1: must be a mapping of keys to values"),
    "nothing": ("[]", "entities.0.defense: names no defense; write `none`"),
    "no family member": (
        "[{kind: dpm, against: [px2s2, @q]}]",
        "entities.0.defense.0.against.1: must be unet, or p or r",
    ),
    "twice": ("[{kind: dpm, @against: [px2s2, px2s2]}]", "must name each kind once"),
    "no disparity": ("[{kind: dpm, @ssim_loss: l2}]", "must be one of abs, clamp, square, abs_map, signed, l1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_in_a_chain_is_told_where_it_stands(fault: str, valid: str, complaints: Complaints) -> None:
    stated, words = FAULTS[fault]
    text = valid.replace("defense: dpm", f"defense: {stated}")
    line = text.partition("@")[0].split("\n")
    where = f"{len(line)}:{len(line[-1]) + 1}: " if "@" in text else ""
    told = complaints(text.replace("@", ""))
    assert [each for each in told if each.startswith(where) and words in each], told
    assert not SCHEMA.is_valid(read_document(text.replace("@", "")).content)


def test_all_mistakes_of_a_chain_are_told_at_once(valid: str, complaints: Complaints) -> None:
    text = valid.replace("defense: dpm", "defense: [nome, {kind: dpm, blocks: 0, lamda: 2}]")
    assert len(complaints(text)) == 3


def test_an_option_that_a_chain_has_not_names_what_it_has(chained: str, complaints: Complaints) -> None:
    (told,) = complaints(chained, "entities.a1.defense.lambda=2")
    assert told.endswith("entities.0.defense has no 'lambda'; there are none, dpm")


@pytest.mark.parametrize(
    "stated", ["[none, dpm]", "[{kind: dpm, blocks: 1}]", "[{kind: dpm, against: [rx4s4-c]}, dpm]"]
)
def test_the_schema_lets_a_chain_pass(stated: str, valid: str, complaints: Complaints) -> None:
    text = valid.replace("defense: dpm", f"defense: {stated}")
    assert complaints(text) == []
    SCHEMA.validate(read_document(text).content)


def test_the_examples_of_the_page_are_valid(valid: str, complaints: Complaints) -> None:
    page = (ROOT / "docs" / "defenses.md").read_text(encoding="utf-8")
    examples = re.findall(r"^defense: (.*)$", page, re.MULTILINE)
    assert len(examples) == 4
    for stated in examples:
        assert complaints(valid.replace("defense: dpm", f"defense: {stated}")) == []


def test_a_chain_is_a_value_of_an_axis(scenario_file: Callable[[str], Path]) -> None:
    _, cells = read_sweep(scenario_file(), ["entities.a1.defense=none,'[none, dpm]'"])
    assert [cell.scenario.entities[0].protection for cell in cells] == ["none", "none+dpm"]


def test_a_chain_may_be_made_in_python() -> None:
    entity = EntityPart(name="a1", share=0.5, defense=["none", Dpm(kind="dpm", blocks=2)])
    assert entity.protection == "none+dpm"


@pytest.mark.parametrize(
    ("part", "options"),
    [
        (GaussianNoise, {"sigma": -0.1}),
        (GaussianNoise, {"sigma": True}),
        (GaussianFilter, {"sigma": 0.0}),
        (GaussianFilter, {"kernel": 4}),
        (MeanFilter, {"kernel": 0}),
        (MeanFilter, {"kernel": 2}),
        (MeanFilter, {"kernel": 3.0}),
        (MeanFilter, {"sigma": 1.0}),
    ],
)
def test_options_out_of_range_are_refused(part: Any, options: dict[str, Any]) -> None:
    kind = part.model_fields["kind"].annotation.__args__[0]
    with pytest.raises(ValidationError):
        part(kind=kind, **options)
    is_float_for_int = options == {"kernel": 3.0}  # which JSON cannot tell from 3
    assert (
        Draft202012Validator(part.model_json_schema(find_our_options())).is_valid({"kind": kind, **options})
        == is_float_for_int
    )
