"""Which stages run again when a field of the scenario changes: each field, in turn."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from collab.runtime.plan import make_keys
from collab.runtime.prepared import Prepared, Where
from collab.scenario.model import Scenario
from collab.stages.base import Job
from collab.stages.keys import Setting

NONE: set[str] = set()
DECODES = {"decode", "decode_heldout", "decode_public", "find_copies"}
"""Stages that depend on images alone."""

REFINES = {"refine"}
PUBLISHED = {"poison", "publish", "refine"}
RELEASED = {"pretrain", "reconstruct", "featurize", "featurize_heldout", "try_reconstructor", *PUBLISHED}
EVERYTHING = {*DECODES, *RELEASED}

CHANGES: dict[str, set[str]] = {
    "name=other": NONE,
    "about=other": NONE,
    "seed=5": EVERYTHING,
    "data.seed=5": EVERYTHING,
    "private_seeds=drawn": EVERYTHING - DECODES,
    "data.classes=6": EVERYTHING,
    "data.train=200": EVERYTHING,
    "data.image_size=32": EVERYTHING,
    "data.public_images=24": {"decode_public", "find_copies", "reconstruct", *PUBLISHED},
    "data.test_images=12": {"decode_heldout", "find_copies", *RELEASED},
    "data.validation=8": {"decode_heldout", "find_copies", *RELEASED},  # held-out images become fewer
    "model.backbone=resnet14": RELEASED,
    "model.width=8": RELEASED,
    "model.hook=conv2_1": RELEASED,
    "model.pretrain.epochs=2": RELEASED,
    "model.pretrain.learning_rate=0.05": RELEASED,
    "model.pretrain.augment=false": RELEASED,
    "scratch={epochs: 2}": {"refine"},
    "reconstructor.kind=rx2s2": {"reconstruct", *PUBLISHED},
    "reconstructor.tail_blocks=1": {"reconstruct", *PUBLISHED},
    "reconstructor.epochs=2": {"reconstruct", *PUBLISHED},
    "reconstructor.least_ssim=0.2": {"try_reconstructor"},
    "reconstructor.poor=refuse": {"try_reconstructor"},
    "reconstructor.by=own": PUBLISHED,
    "entities.a1.share=0.2": EVERYTHING - {"decode_heldout", "decode_public"},
    "partition={kind: dirichlet, alpha: 1}": EVERYTHING - {"decode_heldout", "decode_public"},
    "partition={kind: quantity, alpha: 1e5}": NONE,  # so even that round(share x size) stays what it is
    "entities.a4.classes=[species_00]": {"decode", "find_copies", "featurize", *PUBLISHED},
    "entities.a4.overlap={with: a1, fraction: 0.5}": {"decode", "find_copies", "featurize", *PUBLISHED},
    "entities.a2.defense.lambda=2.0": PUBLISHED,
    "entities.a2.defense.blocks=2": PUBLISHED,
    "entities.a2.defense=none": PUBLISHED,
    "entities.a2.defense=[none, dpm]": PUBLISHED,
    "entities.a2.defense.against=[rx2s2]": PUBLISHED,
    "entities.a2.defense.ssim_loss=l1": PUBLISHED,
    "entities.a2.defense.cross_fit=2": PUBLISHED,
    "entities.a2.defense.until={gap: 0.03}": PUBLISHED,
    "entities.a2.defense.augment=true": PUBLISHED,
    "entities.a2.defense.label_smoothing=0.1": PUBLISHED,
    "refine.epochs=2": REFINES,
    "refine.bn=frozen": REFINES,
    "refine.repeats=2": REFINES,
    "refine.budget=steps": REFINES,
    "refine.learning_rate=0.03": REFINES,
    "refine.leave_out=[0.05]": NONE,
    "refinements.4.epochs=3": REFINES,
    "refinements.4.repeats=2": REFINES,
    "refinements.7.repeats=2": REFINES,
    "refinements.12.pool=[a1, a3]": REFINES,
    "controls=false": NONE,
    "federated=[{row: fed, entities: [a1, a2]}]": NONE,
    "expect=null": NONE,
    "inference={of: [identities]}": EVERYTHING,  # whose images they are is read beside them
    "exposure={}": NONE,
    "disclosure={}": NONE,  # tests/participants/test_disclosure.py changes what is in it
    "store.codec=bfloat16": {"featurize", "featurize_heldout", "reconstruct", *PUBLISHED},
    "precision=bf16": EVERYTHING - DECODES,
    "compute={determinism: fast, graphs: off}": NONE,  # on a CPU; a GPU is known by `fast`, see `Setting` below
    "resources.workers=2": NONE,
    "resources.restarts=5": NONE,
    "resources.entity.cpus=2": EVERYTHING - DECODES,
    "resources.entity.gpus=0.25": NONE,
    "trackers=[tensorboard]": NONE,
    "metrics=[]": NONE,  # tests/plugins/test_add_a_metric.py has some
    "on_failure=continue": NONE,
}


def prepared(scenario: Scenario) -> Prepared:
    return Prepared.of(scenario, Where("inprocess", out=Path(tempfile.gettempdir()) / "collab-unused"))


def changed(before: Prepared, after: Prepared) -> set[str]:
    """Stages of jobs that both have, and whose keys differ."""
    return {
        part(job) for job in after.jobs if job.name in before.keys and before.keys[job.name] != after.keys[job.name]
    }


def part(job: Job) -> str:
    """The stage of a job, and whose images it decodes if they are not the own ones."""
    return job.stage if job.stage != "decode" or job.order == "own" else f"decode_{job.order}"


@pytest.mark.parametrize(("override", "stages"), CHANGES.items())
def test_a_change_runs_again_what_it_touches_and_nothing_else(
    small: Callable[..., Scenario], override: str, stages: set[str]
) -> None:
    before = "precision=fp32"  # said, since `auto` is bf16 on some machines
    tried = {"try_reconstructor"} if stages & {"featurize", "reconstruct"} else set()  # it depends on both
    assert changed(prepared(small(before)), prepared(small(before, override))) == stages | tried


def test_every_field_of_a_scenario_is_changed_above(small: Callable[..., Scenario]) -> None:
    assert {override.partition("=")[0].partition(".")[0] for override in CHANGES} == set(Scenario.model_fields)


def test_a_chain_is_known_by_its_parts_and_their_order(small: Callable[..., Scenario]) -> None:
    def key(*overrides: str) -> str:
        return prepared(small(*overrides)).keys["poison a2"]

    chain = "entities.a2.defense=[{kind: dpm, epochs: 2}, none]"
    assert key("entities.a2.defense=[none]") == key("entities.a2.defense=none")
    found = [
        key("entities.a2.defense=none"),
        key("entities.a2.defense={kind: dpm, epochs: 2}"),
        key(chain),
        key("entities.a2.defense=[none, {kind: dpm, epochs: 2}]"),
        key(chain, "entities.a2.defense.dpm.epochs=3"),
        key(chain, "entities.a2.defense.1={kind: dpm, epochs: 2}"),
    ]
    assert len(set(found)) == len(found)
    assert key(chain, "entities.a2.defense.0.epochs=3") == found[4]


def test_a_change_of_one_entitys_defense_leaves_the_others_alone(small: Callable[..., Scenario]) -> None:
    before, after = prepared(small()), prepared(small("entities.a2.defense.lambda=2.0"))
    again = {name for name, key in after.keys.items() if before.keys[name] != key}
    assert {name for name in again if not name.startswith("refine")} == {"poison a2", "publish a2"}
    refined = {job.order.row.name for job in after.jobs if job.name in again and job.stage == "refine"}
    assert refined == {7, 9, 10, 11, 12, "c_all_poisoned_7", "c_all_poisoned_8", "c_all_poisoned_9",
                       "c_all_poisoned_10", "c_all_poisoned_11", "c_all_poisoned_12"}  # fmt: skip


@pytest.mark.parametrize(
    "override",
    ["entities.a4.classes=[species_00]", "entities.a4.overlap={with: a1, fraction: 0.5}", "entities.a4.share=0.1"],
)
@pytest.mark.parametrize("partition", ["partition=iid", "partition={kind: dirichlet, alpha: 1}"])
def test_who_holds_other_images_leaves_those_before_it_alone(
    partition: str, override: str, small: Callable[..., Scenario]
) -> None:
    before, after = prepared(small(partition)), prepared(small(partition, override))
    again = {
        job.participant
        for job in after.jobs
        if job.stage not in ("refine", "find_copies") and before.keys[job.name] != after.keys[job.name]
    }
    assert again == {"a4"}


def test_the_hook_does_not_touch_rows_from_raw_images(small: Callable[..., Scenario]) -> None:
    before, after = prepared(small()), prepared(small("model.hook=conv2_1"))
    raw = [job.name for job in after.jobs if job.stage == "refine" and job.order.row.own == "images"]
    assert raw
    assert [before.keys[name] for name in raw] == [after.keys[name] for name in raw]


def test_the_name_of_a_row_is_no_dependency(small: Callable[..., Scenario]) -> None:
    before, after = prepared(small()), prepared(small("refinements.7.row=fresh"))
    assert set(before.keys.values()) == set(after.keys.values())


def test_no_two_different_stages_share_a_key(small: Callable[..., Scenario]) -> None:
    found = prepared(small())
    by_key: dict[str, set[str]] = {}
    for job in found.jobs:
        by_key.setdefault(found.keys[job.name], set()).add(job.stage)
    assert {len(stages) for stages in by_key.values()} == {1}


@pytest.mark.parametrize(
    "other",
    [
        Setting("cpu bfloat16", 1),
        Setting("cpu float32", 2),
        Setting("cpu float32", 1, "9.9"),
        Setting("cpu float32 fast", 1),
    ],
)
def test_another_machine_is_another_result(small: Callable[..., Scenario], other: Setting) -> None:
    found = prepared(small())
    keys = make_keys(found.scenario, found.assignment, found.jobs, Setting("cpu float32", 1))
    others = make_keys(found.scenario, found.assignment, found.jobs, other)
    same = {part(job) for job in found.jobs if keys[job.name] == others[job.name]}
    assert same == DECODES
