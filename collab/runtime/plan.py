"""A scenario as a list of tasks: what is played, by whom, after what; the order of the list is the order of urgency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collab.errors import ScenarioError
from collab.runtime.assign import ORACLE
from collab.scenario import stage_rows
from collab.scenario.base import AttackOptions
from collab.scenario.model import Entity, Refinement, Scenario
from collab.scenario.parts import Federation
from collab.scenario.rows import is_pretraining, part_mistakes, played_rows

COPIES = "find copies"
"""The name of the task that counts images which stand twice; whatever trains on images waits until it has ended."""

RECOGNIZE = "recognize oracle"
"""The name of the task that trains the independent recognizer."""

EMBED = "embed oracle"
"""The name of the task that trains the embedding of individuals."""

Label = tuple[str, str]
"""Row and entity of the results that a task's measures belong to."""


@dataclass(frozen=True)
class Task:
    """One stage of one participant.

    It needs what tasks in `needs` leave behind; those in `after` must have ended, and are passed over where they could
    not be played. If one of them fails by itself, this task is not played.
    """

    name: str
    who: str
    stage: str
    needs: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()
    row: Refinement | None = None
    most_rows: int = 0
    attack: AttackOptions | None = None
    victim: str = ""
    attacker: str = ""
    federation: Federation | None = None
    number: int = 0
    rehearsed_on: str | None = None
    after: tuple[str, ...] = ()


def plan(scenario: Scenario, rows: Mapping[str, int]) -> tuple[Task, ...]:
    """All tasks of a scenario; `rows` counts each entity's images.

    Steps that others wait for come first; rows from raw images, which nobody waits for, fill what is left. Raises
    ScenarioError where rows and kinds of entities do not go together.
    """
    if wrong := list(part_mistakes(scenario)):
        raise ScenarioError("\n".join(f"{'.'.join(map(str, trail))}: {text}" for trail, text in wrong))
    leader = scenario.model.pretrain.by
    refinements = played_rows(scenario)
    scratch = [row for row in refinements if row.own in ("images", "published")]
    from_features = [row for row in refinements if row not in scratch]
    pretraining = [row for row in scratch if is_pretraining(scenario, row)]
    names = [entity.name for entity in scenario.entities]

    decodes = [
        Task("decode heldout", ORACLE, "decode_heldout"),
        Task(f"decode {leader}", leader, "decode"),
        Task("decode public", leader, "decode_public"),
        *(Task(f"decode {name}", name, "decode") for name in names if name != leader),
    ]
    tasks = [
        Task(
            f"pretrain {leader}",
            leader,
            "pretrain",
            (f"decode {leader}", "decode heldout"),
            tuple((str(row.row), leader) for row in pretraining) or ((stage_rows.PRETRAIN, leader),),
            after=(COPIES,),
        ),
        Task("featurize heldout", ORACLE, "featurize_heldout", (f"pretrain {leader}",), ((stage_rows.PUBLIC, ""),)),
        Task(
            f"reconstruct {leader}",
            leader,
            "reconstruct",
            (f"pretrain {leader}", "decode public"),
            ((stage_rows.RECONSTRUCTOR, leader),),
        ),
    ]
    for entity in scenario.entities:
        tasks += _publishing(scenario, entity)
    attacks = _attack_tasks(scenario)
    is_judged = attacks or scenario.disclosure is not None or scenario.inference is not None
    if is_judged or any(_by_oracle(row) for row in refinements):
        tasks.append(Task("decode oracle", ORACLE, "decode"))
    if scenario.disclosure is not None:
        needs, label = ("decode oracle", "decode heldout"), ((stage_rows.RECOGNIZER, ""),)
        tasks.append(Task(RECOGNIZE, ORACLE, "recognize", needs, label, after=(COPIES,)))

    if scenario.embeds:
        needs, label = ("decode public", "decode heldout"), ((stage_rows.EMBEDDING, ""),)
        tasks.append(Task(EMBED, ORACLE, "embed", needs, label, after=(COPIES,)))

    everything = [row for row in scratch if row.share is not None]  # the longest: it starts as early as it can
    single = [row for row in scratch if row.share is None and row not in pretraining]
    tasks[1:1] = [_scratch_task(row) for row in everything]
    tasks += [_scratch_task(row) for row in single]
    most = max((_count(row, rows) for row in from_features), default=0)
    tasks += _refine_tasks(from_features, most)
    tasks += [task for federation in scenario.federated for task in _federated_tasks(federation)]
    tasks += attacks
    tasks += _withdrawals(scenario, tasks)
    copies = Task(COPIES, ORACLE, "find_copies", tuple(task.name for task in decodes))
    return (*decodes, copies, *tasks)


def participants(scenario: Scenario) -> tuple[str, ...]:
    """Who plays, first those whom others wait for."""
    leader = scenario.model.pretrain.by
    return leader, ORACLE, *(entity.name for entity in scenario.entities if entity.name != leader)


def _publishing(scenario: Scenario, entity: Entity) -> list[Task]:
    """Step 2 of one entity; who is late begins when all others have published."""
    name, leader = entity.name, scenario.model.pretrain.by
    first = [each for each in scenario.entities if each.options.publishes and not each.options.is_late]
    others = tuple(f"publish {each.name}" for each in first) if entity.options.is_late else ()
    ready = (f"decode {name}", f"pretrain {leader}", *others)
    tasks = [Task(f"featurize {name}", name, "featurize", ready)]
    if entity.options.publishes:
        released = (f"featurize {name}", f"reconstruct {leader}", "featurize heldout")
        tasks.append(Task(f"poison {name}", name, "poison", released, ((stage_rows.TABLES_1_2, name),)))
        tasks.append(Task(f"publish {name}", name, "publish", (f"poison {name}",), ((stage_rows.PUBLISH, name),)))
        if scenario.disclosure is not None:
            needs = (f"poison {name}", RECOGNIZE)
            tasks.append(Task(f"disclose {name}", name, "disclose", needs, ((stage_rows.DISCLOSURE, name),)))
        if scenario.inference is not None:
            needs = (f"publish {name}", "decode oracle")
            tasks.append(Task(f"infer {name}", ORACLE, "infer", needs, ((stage_rows.INFERENCE, name),), victim=name))
        if scenario.exposure is not None:
            embedded = (EMBED,) if scenario.embeds else ()
            tasks.append(
                Task(f"expose {name}", name, "expose", (f"poison {name}", *embedded), ((stage_rows.EXPOSURE, name),))
            )
    return tasks


def _attack_tasks(scenario: Scenario) -> list[Task]:
    """What curious entities do, each followed by the oracle's judgment, since only it may see the truth."""
    leader = scenario.model.pretrain.by
    publishers = {entity.name for entity in scenario.entities if entity.options.publishes}
    defenses = {entity.name: entity.defenses for entity in scenario.entities}
    tasks = list[Task]()
    for entity in scenario.entities:
        who = entity.name
        own = (f"publish {who}",) if who in publishers else (f"featurize {who}",)
        rehearsed: dict[str, str] = {}
        for victim, attack in entity.options.attacks_on(sorted(publishers - {who})):
            if attack.of_feature_modules and any(d.encodes or d.publishes == "images" for d in defenses[victim]):
                continue
            made = [f"publish {victim}", f"reconstruct {leader}", *own]
            first: str | None = None
            if attack.rehearses != "never":
                is_general = attack.rehearses == "once"
                recipe = [] if is_general else [each.model_dump() for each in defenses[victim]]
                first = rehearsed.setdefault(str((attack.label, recipe)), victim)
                name = f"rehearse {who} {attack.label} for {first}"
                if first == victim:
                    ready = (f"reconstruct {leader}", *own)
                    label = ((f"{stage_rows.OF_ATTACKS}{who}", victim),)
                    tasks.append(Task(name, who, "rehearse", ready, label, attack=attack, victim=victim))
                made.append(name)
            about: dict[str, Any] = {"attack": attack, "victim": victim, "attacker": who, "rehearsed_on": first}
            if attack.hand_out is not None:
                name = f"hand out to {who} {attack.label} on {victim}"
                tasks.append(Task(name, ORACLE, "hand_out", (f"publish {victim}", "decode oracle"), **about))
                made.append(name)
            name = f"attack {who} {attack.label} on {victim}"
            done = Task(name, who, "attack", tuple(made), attack=attack, victim=victim, rehearsed_on=first)
            recognize = () if scenario.disclosure is None else (RECOGNIZE,)
            needs = (done.name, f"publish {victim}", "decode oracle", *recognize)
            name = f"judge {who} {attack.label} on {victim}"
            tasks += [done, Task(name, ORACLE, "judge", needs, ((f"{stage_rows.OF_ATTACKS}{who}", victim),), **about)]
    return tasks


def _federated_tasks(federation: Federation) -> list[Task]:
    """Rounds in turn, each of all entities; then everybody scores what has come of it."""
    tasks, last = list[Task](), tuple[str, ...]()
    for number in range(1, federation.rounds + 1):
        now = [
            Task(
                f"federate {who} row {federation.row} round {number}",
                who,
                "federate",
                (f"featurize {who}", *last),
                federation=federation,
                number=number,
            )
            for who in federation.entities
        ]
        tasks, last = [*tasks, *now], tuple(task.name for task in now)
    for who in federation.entities:
        needs, label = ("featurize heldout", *last), ((str(federation.row), who),)
        name = f"average {who} row {federation.row}"
        tasks.append(Task(name, who, "average", needs, label, federation=federation))
    return tasks


def _withdrawals(scenario: Scenario, tasks: Sequence[Task]) -> list[Task]:
    """Who leaves withdraws its shards when all who may read them have done so."""
    found = []
    for entity in scenario.entities:
        name = entity.name
        if entity.options.leaves_after is not None:
            readers = [task.name for task in tasks if _attacks(task, name) or _reads(task.row, name)]
            found.append(
                Task(
                    f"withdraw {name}", name, "withdraw", (f"publish {name}", *readers), ((stage_rows.WITHDRAW, name),)
                )
            )
    return found


def _attacks(task: Task, name: str) -> bool:
    return task.victim == name and task.stage != "rehearse"


def _reads(row: Refinement | None, name: str) -> bool:
    return row is not None and (name in row.pool or (row.own in ("poisoned", "published") and row.entity == name))


def _refine_tasks(rows: list[Refinement], most: int) -> list[Task]:
    """One task for each different refinement; rows that ask for the same thing share its result."""
    alike: dict[tuple[object, ...], list[Refinement]] = {}
    for row in rows:
        key = (row.entity, row.own, tuple(sorted(row.pool)), tuple(sorted(row.unpoisoned)), row.epochs, row.vet)
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
    senders = sorted({who, *row.pool}) if row.own == "published" else []
    needs = (f"decode {who}", "decode heldout", *(f"publish {name}" for name in senders))
    return Task(f"refine {who} row {row.row}", who, "refine", needs, label, row, after=(COPIES,))


def _by_oracle(row: Refinement) -> bool:
    return row.share is not None or bool(row.unpoisoned)


def _count(row: Refinement, rows: Mapping[str, int]) -> int:
    return sum(rows[name] for name in {str(row.entity), *row.pool, *row.unpoisoned})
