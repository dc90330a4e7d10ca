"""The rows that are played: those a scenario states, as who takes part makes them, and control rows."""

from collections.abc import Iterator, Mapping

from collab.scenario.checks import Found
from collab.scenario.model import Refinement, Scenario


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
            row=f"c_unpoisoned_{row.row}", entity=row.entity, own="features", unpoisoned=row.pool, epochs=row.epochs
        )
        for row in pooled
    ]
    poisoned = [
        Refinement(
            row=f"c_all_poisoned_{row.row}",
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


def part_mistakes(scenario: Scenario) -> Iterator[Found]:
    """Rows and roles that do not go with when, and whether, an entity of its kind takes part."""
    entities = {entity.name: entity for entity in scenario.entities}
    leader = entities[scenario.model.pretrain.by]
    if leader.options.is_late:
        yield (
            ("model", "pretrain", "by"),
            f"{leader.name!r} is a {leader.kind}, which comes last; who pre-trains comes first",
        )
    names = [str(row.row) for row in scenario.refinements]
    for place, entity in enumerate(scenario.entities):
        last = entity.options.leaves_after
        if last is not None and last not in names:
            yield ("entities", place, "options"), f"names row {last}, after which it leaves; there is no such row"
    silent = {name: entity.kind for name, entity in entities.items() if not entity.options.publishes}
    for place, row in enumerate(scenario.refinements):
        for index, name in enumerate(row.pool):
            if name in silent:
                yield (
                    ("refinements", place, "pool", index),
                    f"{name!r} is a {silent[name]}, which publishes nothing; name others",
                )
        if row.own == "poisoned" and row.entity in silent:
            yield (
                ("refinements", place, "own"),
                f"{row.entity!r} is a {silent[row.entity]}, which poisons nothing; write `own: features`",
            )


def _gone(scenario: Scenario, place: int) -> set[str]:
    """Who has withdrawn before the row at `place` is played."""
    order: Mapping[str, int] = {str(row.row): index for index, row in enumerate(scenario.refinements)}
    return {
        entity.name
        for entity in scenario.entities
        if entity.options.leaves_after is not None and order[entity.options.leaves_after] < place
    }


def _without(row: Refinement, gone: set[str]) -> Refinement:
    if not gone & set(row.pool):
        return row
    return row.model_copy(update={"pool": tuple(name for name in row.pool if name not in gone)})
