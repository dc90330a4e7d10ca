"""A scenario as a list of tasks: what is played, by whom, after what; the order of the list is the order of urgency."""

from collections.abc import Mapping
from dataclasses import dataclass

from collab.runtime.assign import ORACLE
from collab.scenario.model import Refinement, Scenario

Label = tuple[str, str]
"""Row and entity of the results that a task's measures belong to."""


@dataclass(frozen=True)
class Task:
    """One stage of one participant."""

    name: str
    who: str
    stage: str
    needs: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()
    row: Refinement | None = None
    most_rows: int = 0


def plan(scenario: Scenario, rows: Mapping[str, int]) -> tuple[Task, ...]:
    """All tasks of a scenario; `rows` counts each entity's images.

    Steps that others wait for come first; rows from raw images, which nobody waits for, fill what is left.
    """
    leader = scenario.model.pretrain.by
    refinements = all_refinements(scenario)
    scratch = [row for row in refinements if row.own == "images"]
    from_features = [row for row in refinements if row.own != "images"]
    is_pretraining = [row for row in scratch if _is_pretraining(scenario, row)]
    names = [entity.name for entity in scenario.entities]

    tasks = [
        Task("decode heldout", ORACLE, "decode_heldout"),
        Task(f"decode {leader}", leader, "decode"),
        Task(
            f"pretrain {leader}",
            leader,
            "pretrain",
            (f"decode {leader}", "decode heldout"),
            tuple((str(row.row), leader) for row in is_pretraining) or (("pretrain", leader),),
        ),
        Task("decode public", leader, "decode_public"),
        Task("featurize heldout", ORACLE, "featurize_heldout", (f"pretrain {leader}",), (("c_public", ""),)),
        Task(
            f"reconstruct {leader}",
            leader,
            "reconstruct",
            (f"pretrain {leader}", "decode public"),
            (("reconstructor", leader),),
        ),
    ]
    tasks += [Task(f"decode {name}", name, "decode") for name in names if name != leader]
    for name in names:
        released = (f"featurize {name}", f"reconstruct {leader}", "featurize heldout")
        tasks.append(Task(f"featurize {name}", name, "featurize", (f"decode {name}", f"pretrain {leader}")))
        tasks.append(Task(f"poison {name}", name, "poison", released, (("tables_1_2", name),)))
        tasks.append(Task(f"publish {name}", name, "publish", (f"poison {name}",), (("publish", name),)))
    if any(_by_oracle(row) for row in refinements):
        tasks.append(Task("decode oracle", ORACLE, "decode"))

    everything = [row for row in scratch if row.share is not None]  # the longest: it starts as early as it can
    single = [row for row in scratch if row.share is None and row not in is_pretraining]
    tasks[3:3] = [_scratch_task(row) for row in everything]
    tasks += [_scratch_task(row) for row in single]
    most = max((_count(row, rows) for row in from_features), default=0)
    tasks += _refine_tasks(from_features, most)
    return tuple(tasks)


def participants(scenario: Scenario) -> tuple[str, ...]:
    """Who plays, first those whom others wait for."""
    leader = scenario.model.pretrain.by
    return leader, ORACLE, *(entity.name for entity in scenario.entities if entity.name != leader)


def all_refinements(scenario: Scenario) -> tuple[Refinement, ...]:
    """The rows of a scenario, then its control rows, which no paper prints and which separate causes."""
    stated = scenario.refinements
    if not scenario.controls:
        return stated
    refining = [row for row in stated if row.own == "features"]
    pooled = [row for row in refining if row.pool]
    entities = sorted({row.entity for row in refining if row.entity})
    own = [Refinement(row=f"c_own_{name}", entity=name, own="features") for name in entities]
    plain = [
        Refinement(
            row=f"c_unpoisoned_{row.row}", entity=row.entity, own="features", unpoisoned=row.pool, epochs=row.epochs
        )
        for row in pooled
    ]
    poisoned = [
        Refinement(row=f"c_all_poisoned_{row.row}", entity=row.entity, own="poisoned", pool=row.pool, epochs=row.epochs)
        for row in pooled
    ]
    return (*stated, *own, *plain, *poisoned)


def _refine_tasks(rows: list[Refinement], most: int) -> list[Task]:
    """One task for each different refinement; rows that ask for the same thing share its result."""
    alike: dict[tuple[object, ...], list[Refinement]] = {}
    for row in rows:
        key = (row.entity, row.own, tuple(sorted(row.pool)), tuple(sorted(row.unpoisoned)), row.epochs)
        alike.setdefault(key, []).append(row)
    tasks = []
    for group in alike.values():
        row = group[0]
        entity = str(row.entity)
        needs: tuple[str, ...]
        if _by_oracle(row):
            needs = ("decode oracle", "featurize heldout")
        else:
            senders = sorted({*row.pool, *([entity] if row.own == "poisoned" else [])})
            needs = (f"featurize {entity}", "featurize heldout", *(f"publish {name}" for name in senders))
        labels = tuple((str(each.row), entity) for each in group)
        who = ORACLE if _by_oracle(row) else entity
        tasks.append(Task(f"refine {who} row {row.row}", who, "refine", needs, labels, row, most))
    return tasks


def _scratch_task(row: Refinement) -> Task:
    who = row.entity or ORACLE
    label = ((str(row.row), row.entity or ""),)
    return Task(f"refine {who} row {row.row}", who, "refine", (f"decode {who}", "decode heldout"), label, row)


def _by_oracle(row: Refinement) -> bool:
    return row.share is not None or bool(row.unpoisoned)


def _is_pretraining(scenario: Scenario, row: Refinement) -> bool:
    """A row from scratch that asks for what pre-training does anyway: same images, same recipe."""
    return row.entity == scenario.model.pretrain.by and row.epochs is None and scenario.scratch is None


def _count(row: Refinement, rows: Mapping[str, int]) -> int:
    return sum(rows[name] for name in {str(row.entity), *row.pool, *row.unpoisoned})
