"""Sharing poisoned features beside federated averaging: accuracy, bytes and rounds of each entity, in one table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collab.report.cells import Table, format_cell
from collab.report.drawing import inline_svg
from collab.report.figures.curves import MOST_PANELS, draw_panels, pick_style
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import format_size, join_names, state_basis
from collab.scenario.model import Scenario
from collab.scenario.rows import list_played_rows


@dataclass(frozen=True)
class Way:
    """One way to refine an entity's decider: what it comes to after each exchange, what was sent and read for it."""

    entity: str
    row: str
    label: str
    sent: float
    read: float
    scores: tuple[Result, ...]

    @property
    def rounds(self) -> int:
        """How often something was exchanged."""
        return len(self.scores)

    @property
    def points(self) -> Iterator[tuple[float, float]]:
        """Bytes that crossed by then, and the main metric, after each exchange."""
        for number, score in enumerate(self.scores, 1):
            yield (self.sent + self.read) * number / self.rounds, score.value or 0.0


def find_ways(scenario: Scenario, results: Results) -> Iterator[Way]:
    """For each entity that takes part in a federation, all its pools, then its federations."""
    names = dict.fromkeys(name for federated in scenario.federated for name in federated.entities)
    metric = scenario.data.main_metric.name
    published = {result.entity: result.value or 0.0 for result in results.rows if result.metric == "bytes_published"}
    for name in names:
        for row in list_played_rows(scenario):
            score = results.find(str(row.name), name, metric)
            if row.entity == name and row.is_refining and row.pool and score:
                read = sum(published.get(peer, 0.0) for peer in row.pool)
                label = f"features of {join_names(row.pool)}"
                yield Way(name, str(row.name), label, published.get(name, 0.0), read, (score,))
        for federated in scenario.federated:
            row_name = str(federated.name)
            rounds = range(1, federated.rounds + 1)
            scores = tuple(
                score for number in rounds if (score := results.find(row_name, name, f"{metric}_round[{number}]"))
            )
            bytes_sent, bytes_read = (results.find(row_name, name, f"bytes_{way}") for way in ("sent", "read"))
            if scores and bytes_sent and bytes_read:
                label = f"weights, {federated.local_epochs} epochs a round"
                yield Way(name, row_name, label, bytes_sent.value or 0.0, bytes_read.value or 0.0, scores)


def tabulate_exchange(scenario: Scenario, results: Results) -> Table:
    """What each entity gets for what it sends, either way; empty where nobody averages."""
    lines, main = list[tuple[str, ...]](), scenario.data.main_metric
    by_entity = _by_entity(scenario, results)
    for name, ways in by_entity.items():
        alone = results.find(f"c_own_{name}", name, main.name), results.find("c_public", "", main.name)
        for label, score in zip((f"F({name}) alone", "released C, untouched"), alone, strict=True):
            if score:
                lines.append(
                    (name, score.row, label, format_cell(score, main.scale), "0", format_size(0), format_size(0))
                )
        for way in ways:
            crossed = (str(way.rounds), format_size(int(way.sent)), format_size(int(way.read)))
            lines.append((name, way.row, way.label, format_cell(way.scores[-1], main.scale), *crossed))
    columns = ("entity", "row", "exchanged", main.head, "rounds", "sent", "read")
    notes = (
        "Both start from the released F and C, which is not counted, and are scored on the same held-out images. "
        "Features are sent once, whoever reads them and when; weights in each round, all taking part at the same time.",
        "Weights disclose otherwise than features: fewer bytes are not less said. No attack on them is played unless a "
        "scenario asks for it (`round_difference`).",
        state_basis([way.scores[-1] for ways in by_entity.values() for way in ways]),
    )
    return Table("Sharing versus federated averaging", columns, tuple(lines), notes)


def draw_exchange(scenario: Scenario, rows: Sequence[Result]) -> str:
    """The main metric against bytes that crossed, as SVG, a panel for each entity; pools are points."""
    by_entity, main = list(_by_entity(scenario, Results(rows)).items())[:MOST_PANELS], scenario.data.main_metric
    if not by_entity:
        return ""
    figure, panels = draw_panels(len(by_entity))
    for panel, (name, ways) in zip(panels, by_entity, strict=True):
        for index, way in enumerate(ways):
            across, up = zip(*((crossed / 1e6, main.scale * score) for crossed, score in way.points), strict=True)
            panel.plot(across, up, label=f"{way.row}: {way.label}", **pick_style(index))
        panel.set_xscale("log")
        panel.set_xlabel("MB sent and read")
        panel.set_ylabel(f"{main.title}, {main.unit}")
        panel.set_title(f"entity {name}", fontsize=9, loc="left")
        panel.legend(fontsize=6.5, frameon=False)
    return inline_svg(figure)


def _by_entity(scenario: Scenario, results: Results) -> dict[str, list[Way]]:
    by_entity: dict[str, list[Way]] = {}
    for way in find_ways(scenario, results):
        by_entity.setdefault(way.entity, []).append(way)
    return by_entity
