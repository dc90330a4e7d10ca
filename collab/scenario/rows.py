"""The rows that are played, stated ones and control rows, and whose every row of results is."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from collab.errors import ScenarioError
from collab.meant import did_you_mean
from collab.scenario import stage_rows
from collab.scenario.checks import check_backbone
from collab.scenario.expect import Bound
from collab.scenario.model import Refinement, Scenario
from collab.scenario.plain_values import Finding, no_such_entity
from collab.tasks import CLASS, TASKS
from collab.weights import IMAGENET


def refuse_mistakes(scenario: Scenario) -> None:
    """Raises ScenarioError where rows and kinds of entities do not go together, with all that is wrong."""
    if wrong := list(find_part_mistakes(scenario)):
        raise ScenarioError("\n".join(f"{'.'.join(map(str, trail))}: {text}" for trail, text in wrong))


def list_played_rows(scenario: Scenario) -> tuple[Refinement, ...]:
    """The stated rows without who has left by then, and control rows, which no paper prints; they separate causes."""
    stated = tuple(_leave_out_leavers(scenario, place) for place in range(len(scenario.refinements)))
    if not scenario.controls:
        return stated
    refining = [row for row in stated if row.own == "features"]
    pooled = [row for row in stated if row.own in ("features", "none") and row.pool]
    publishers = {entity.name for entity in scenario.entities if entity.options.publishes}
    entities = sorted({row.entity for row in refining if row.entity})
    own = [Refinement(row=f"c_own_{name}", entity=name, own="features") for name in entities]
    if scenario.controls == "own":
        return (*stated, *own)
    plain = [
        row.model_copy(update={"name": f"c_unpoisoned_{row.name}", "pool": (), "unpoisoned": row.pool, "vet": None})
        for row in pooled
    ]
    poisoned = [
        row.model_copy(update={"name": f"c_all_poisoned_{row.name}", "own": "poisoned", "vet": "none"})
        for row in pooled
        if row.entity in publishers and row.own == "features"
    ]
    return (*stated, *own, *plain, *poisoned)


@dataclass(frozen=True)
class Rest:
    """A row with a pool once more, without a `share` of the attacked images of each peer: the most exposed ones."""

    row: Refinement
    share: float

    @property
    def name(self) -> str:
        """What results call it: `c_without_5_7` of row 7 without five in a hundred."""
        return f"c_without_{100 * self.share:g}_{self.row.name}"


def list_rests(scenario: Scenario) -> tuple[Rest, ...]:
    """What `refine.leave_out` asks for, of rows that take all of their pool, some of which somebody attacks."""
    if not scenario.refine.leave_out:
        return ()
    publishers, attacked = {entity.name for entity in scenario.entities if entity.options.publishes}, set[str]()
    for entity in scenario.entities:
        with suppress(ScenarioError):  # which is told of the entity itself
            attacked |= {victim for victim, _ in entity.options.attacks_on(sorted(publishers - {entity.name}))}
    return tuple(
        Rest(row, share)
        for row in map(partial(_leave_out_leavers, scenario), range(len(scenario.refinements)))
        if row.is_refining and attacked & {*row.pool} and (row.vet or scenario.refine.vet) == "none"
        for share in scenario.refine.leave_out
    )


def find_owners(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """Every row that results will have, and the entities that have it; none where it is nobody's.

    Results of attacks are apart from these: theirs are the victims, in rows that are called `by` and the attacker. So
    are verdicts.
    """
    of_stages = {name: find(scenario) for name, find in stage_rows.OWNERS.items()}
    owners = {name: entities for name, entities in of_stages.items() if entities is not None}
    owners |= {str(row.name): (row.entity,) if row.entity else () for row in list_played_rows(scenario)}
    owners |= {rest.name: (str(rest.row.entity),) for rest in list_rests(scenario)}
    return owners | {str(federation.name): federation.entities for federation in scenario.federated}


def find_part_mistakes(scenario: Scenario) -> Iterator[Finding]:
    """What needs the parts themselves: roles of entities of a kind, and what a backbone of a plugin can be asked."""
    backbone, model = scenario.model.architecture if scenario.model.opens else "", scenario.model
    if not isinstance(backbone, str):
        yield from check_backbone(model.backbone, backbone, model.hook, scenario.data.image_size, model.width)
        if model.weights == IMAGENET:
            yield ("model", "weights"), "torchvision publishes none of a plugin; name a file of your own, X.safetensors"
    entities = {entity.name: entity for entity in scenario.entities}
    leader = entities[scenario.model.pretrain.leader]
    if leader.options.is_late:
        text = f"{leader.name!r} is a {leader.kind}, which comes last; who pre-trains comes first"
        yield ("model", "pretrain", "by"), text
    yield from _find_expectation_mistakes(scenario)
    names = [str(row.name) for row in scenario.refinements]
    for place, entity in enumerate(scenario.entities):
        last = entity.options.leaves_after
        if last is not None and last not in names:
            yield ("entities", place, "options"), f"names row {last}, after which it leaves; there is no such row"
        others = [each.name for each in scenario.entities if each.options.publishes and each is not entity]
        try:
            entity.options.attacks_on(sorted(others))
        except ScenarioError as error:
            yield ("entities", place, "options"), str(error)
        donor = entity.options.images_of
        if donor is not None and (donor not in entities or entities[donor].is_onlooker or entities[donor].data):
            dealt = [each.name for each in scenario.entities if not (each.is_onlooker or each.data)]
            text = f"{donor!r} is dealt no images; name one of {', '.join(dealt) or 'nobody: each has its own source'}"
            yield ("entities", place, "options"), text
    silent = {name: entity.kind for name, entity in entities.items() if not entity.options.publishes}
    for place, row in enumerate(scenario.refinements):
        for index, name in enumerate(row.pool):
            if name in silent:
                text = f"{name!r} is a {silent[name]}, which publishes nothing; name others"
                yield ("refinements", place, "pool", index), text
        if row.own in ("poisoned", "published") and row.entity in silent:
            text = f"{row.entity!r} is a {silent[row.entity]}, which poisons nothing; write `own: features`"
            yield ("refinements", place, "own"), text
        keys: list[tuple[str | int, ...]] = [("own",), *(("pool", index) for index in range(len(row.pool)))]
        for key, owner in zip(keys, (row.entity, *row.pool), strict=True) if row.own == "published" else ():
            if owner in entities and not entities[owner].form.publishes_images:
                text = f"`own: published` trains on images, as of a visual_mixer; {owner!r} publishes features"
                yield ("refinements", place, *key), text
    for place, entity in enumerate(scenario.entities):
        if entity.form.publishes_answers and entity.options.changes_features:
            text = f"{entity.protection} publishes no features, which a {entity.kind} would change; take another kind"
            yield ("entities", place, "kind"), text
    for place, entity in enumerate(scenario.entities if TASKS[scenario.data.task].target != CLASS else ()):
        for kind in (defense.kind for defense in entity.defenses if defense.needs_classes):
            yield ("entities", place, "defense"), f"{kind} needs classes, which `task: {scenario.data.task}` has not"


def _find_expectation_mistakes(scenario: Scenario) -> Iterator[Finding]:
    """Bounds on rows that no result will have, or on a row of somebody else."""
    everybody = {entity.name for entity in scenario.entities}
    owned = find_owners(scenario)
    for place, bound in enumerate(scenario.expectations):
        if not isinstance(bound, Bound):
            continue
        at: tuple[str | int, ...] = ("expect", place) if isinstance(scenario.expect, tuple) else ("expect",)
        row = str(bound.row)
        if row not in owned:
            is_own = row.startswith("c_own_") and scenario.controls == "own"
            is_off = row.startswith("c_") and scenario.controls is not True and not is_own
            off = f" (the scenario has `controls: {str(scenario.controls).lower()}`)" if is_off else ""
            yield (*at, "row"), f"there is no row {row}{off}; there are {', '.join(owned)}{did_you_mean(row, owned)}"
        elif bound.entity is not None and bound.entity not in everybody:
            yield (*at, "entity"), no_such_entity(bound.entity, sorted(everybody))
        elif bound.entity is not None and bound.entity not in owned[row]:
            others = ", ".join(sorted(owned[row]))
            of_others = f"row {row} is of {others}, not of {bound.entity!r}"
            yield (*at, "entity"), of_others if others else f"row {row} is nobody's; leave it out"


def _leave_out_leavers(scenario: Scenario, place: int) -> Refinement:
    """The row at `place`, its pool without entities that have withdrawn after a row before it."""
    row, played = scenario.refinements[place], {str(row.name) for row in scenario.refinements[:place]}
    gone = {entity.name for entity in scenario.entities if entity.options.leaves_after in played}
    return row.model_copy(update={"pool": tuple(name for name in row.pool if name not in gone)})
