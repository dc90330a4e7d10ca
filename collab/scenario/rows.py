"""The rows that are played, stated ones and control rows, and whose every row of results is."""

from collections.abc import Iterator, Mapping

from collab.errors import ScenarioError
from collab.meant import did_you_mean
from collab.scenario import stage_rows
from collab.scenario.expect import Bound
from collab.scenario.model import Refinement, Scenario
from collab.scenario.plain_values import Found
from collab.tasks import CLASS, TASKS


def refuse_mistakes(scenario: Scenario) -> None:
    """Raises ScenarioError where rows and kinds of entities do not go together, with all that is wrong."""
    if wrong := list(part_mistakes(scenario)):
        raise ScenarioError("\n".join(f"{'.'.join(map(str, trail))}: {text}" for trail, text in wrong))


def played_rows(scenario: Scenario) -> tuple[Refinement, ...]:
    """The stated rows without who has left by then, and control rows, which no paper prints; they separate causes."""
    stated = tuple(_without(row, _gone(scenario, place)) for place, row in enumerate(scenario.refinements))
    if not scenario.controls:
        return stated
    refining = [row for row in stated if row.own == "features"]
    pooled = [row for row in refining if row.pool]
    publishers = {entity.name for entity in scenario.entities if entity.options.publishes}
    entities = sorted({row.entity for row in refining if row.entity})
    own = [Refinement(row=f"c_own_{name}", entity=name, own="features") for name in entities]
    plain = [
        Refinement(
            row=f"c_unpoisoned_{row.name}", entity=row.entity, own="features", unpoisoned=row.pool, epochs=row.epochs
        )
        for row in pooled
    ]
    poisoned = [
        Refinement(
            row=f"c_all_poisoned_{row.name}",
            entity=row.entity,
            own="poisoned",
            pool=row.pool,
            epochs=row.epochs,
            vet="none",
        )
        for row in pooled
        if row.entity in publishers
    ]
    return (*stated, *own, *plain, *poisoned)


def owners(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """Every row that results will have, and the entities that have it; none where it is nobody's.

    Results of attacks are apart from these: theirs are the victims, in rows that are called `by` and the attacker. So
    are verdicts.
    """
    of_stages = {name: of(scenario) for name, of in stage_rows.OWNERS.items()}
    found = {name: whose for name, whose in of_stages.items() if whose is not None}
    found |= {str(row.name): (row.entity,) if row.entity else () for row in played_rows(scenario)}
    return found | {str(each.name): each.entities for each in scenario.federated}


def part_mistakes(scenario: Scenario) -> Iterator[Found]:
    """Rows and roles that do not go with when, and whether, an entity of its kind takes part."""
    entities = {entity.name: entity for entity in scenario.entities}
    leader = entities[scenario.model.pretrain.by]
    if leader.options.is_late:
        yield (
            ("model", "pretrain", "by"),
            f"{leader.name!r} is a {leader.kind}, which comes last; who pre-trains comes first",
        )
    yield from _expectation_mistakes(scenario)
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
    silent = {name: entity.kind for name, entity in entities.items() if not entity.options.publishes}
    for place, row in enumerate(scenario.refinements):
        for index, name in enumerate(row.pool):
            if name in silent:
                yield (
                    ("refinements", place, "pool", index),
                    f"{name!r} is a {silent[name]}, which publishes nothing; name others",
                )
        if row.own in ("poisoned", "published") and row.entity in silent:
            yield (
                ("refinements", place, "own"),
                f"{row.entity!r} is a {silent[row.entity]}, which poisons nothing; write `own: features`",
            )
    yield from _image_mistakes(scenario)
    for place, entity in enumerate(scenario.entities if TASKS[scenario.data.task].target != CLASS else ()):
        for kind in (defense.kind for defense in entity.defenses if defense.needs_classes):
            yield ("entities", place, "defense"), f"{kind} needs classes, which `task: {scenario.data.task}` has not"


def _image_mistakes(scenario: Scenario) -> Iterator[Found]:
    """Rows on published images of who publishes features."""
    entities = {entity.name: entity for entity in scenario.entities}
    for place, row in enumerate(scenario.refinements):
        if row.own == "published":
            where = [("own", row.entity), *((("pool", index), name) for index, name in enumerate(row.pool))]
            for at, name in where:
                if name in entities and not entities[name].form.publishes_images:
                    at = at if isinstance(at, tuple) else (at,)
                    kinds = f"`own: published` trains on images, as of a visual_mixer; {name!r} publishes features"
                    yield ("refinements", place, *at), kinds


def _expectation_mistakes(scenario: Scenario) -> Iterator[Found]:
    """Bounds on rows that no result will have, or on a row of somebody else."""
    everybody = {entity.name for entity in scenario.entities}
    owned = owners(scenario)
    for place, bound in enumerate(scenario.expectations):
        if not isinstance(bound, Bound):
            continue
        at: tuple[str | int, ...] = ("expect", place) if isinstance(scenario.expect, tuple) else ("expect",)
        row = str(bound.row)
        if row not in owned:
            off = " (the scenario has `controls: false`)" if row.startswith("c_") and not scenario.controls else ""
            yield (*at, "row"), f"there is no row {row}{off}; there are {', '.join(owned)}{did_you_mean(row, owned)}"
        elif bound.entity is not None and bound.entity not in everybody:
            meant = did_you_mean(bound.entity, everybody)
            yield (
                (*at, "entity"),
                f"there is no entity {bound.entity!r}; there are {', '.join(sorted(everybody))}{meant}",
            )
        elif bound.entity is not None and bound.entity not in owned[row]:
            whose = ", ".join(sorted(owned[row]))
            yield (
                (*at, "entity"),
                f"row {row} is of {whose}, not of {bound.entity!r}"
                if whose
                else f"row {row} is nobody's; leave it out",
            )


def _gone(scenario: Scenario, place: int) -> set[str]:
    """Who has withdrawn before the row at `place` is played."""
    order: Mapping[str, int] = {str(row.name): index for index, row in enumerate(scenario.refinements)}
    return {
        entity.name
        for entity in scenario.entities
        if entity.options.leaves_after is not None and order.get(entity.options.leaves_after, place) < place
    }


def _without(row: Refinement, gone: set[str]) -> Refinement:
    if not gone & set(row.pool):
        return row
    return row.model_copy(update={"pool": tuple(name for name in row.pool if name not in gone)})
