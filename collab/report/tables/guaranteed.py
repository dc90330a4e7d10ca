"""Differential privacy, where an entity has it: of which mechanism, how much, and what lies outside."""

from collab.guarantee import OUTSIDE
from collab.report.cells import ABSENT, Table
from collab.results.results import Results
from collab.results.table import Result
from collab.scenario.model import Scenario
from collab.scenario.stage_rows import TABLES_1_2

COLUMNS = ("ε", "δ", "sensitivity", "noise", "steps", "sampled", "found")


def tabulate_guarantees(scenario: Scenario, results: Results) -> Table:
    """A line for each entity of whose published rows something is guaranteed."""
    lines, broken = list[tuple[str, ...]](), list[str]()
    names = ("epsilon", "delta", "sensitivity", "noise_multiplier", "steps", "sampling_rate")
    for entity in scenario.entities:
        asked = entity.defenses[0].asked_privacy
        found = [results.find(TABLES_1_2, entity.name, f"dp_{name}") for name in names]
        if asked is not None and all(found):
            cells = (f"{each.value or 0:.4g}" for each in found if each is not None)
            least = [row.value or 0 for row in results.attacks if _is_found(row, entity.name)]
            proven = f"{max(least):.2f}" if least else ABSENT
            broken += [entity.name] if max(least, default=0) > asked.epsilon else []
            lines.append((entity.name, entity.protection, entity.defenses[0].mechanism, asked.unit, *cells, proven))
    notes = (
        f"The guarantee of {', '.join(broken)} does not hold: an attack proves more than ε." if broken else "",
        "(ε, δ)-differential privacy of what is published, of one unit that is added or removed, whatever an adversary "
        "knows besides: of members at a false positive rate f it finds at most e^ε f + δ.",
        "found: what attacks on members prove of ε at least (95 %); members were not drawn by lot, so it is an "
        "indication, and a small one says nothing.",
        f"Outside of it: {'; '.join(OUTSIDE)}; with less than all sampled also the number of own images.",
        "Where an entity has no line here nothing is guaranteed of it, whatever attacks find.",
    )
    return Table("Guarantees", ("entity", "defense", "mechanism", "unit", *COLUMNS), tuple(lines), notes)


def _is_found(row: Result, victim: str) -> bool:
    return (row.metric, row.entity) == ("dp_epsilon_found", victim)
