"""Sharing poisoned features beside federated averaging: accuracy, bytes and rounds of each entity, in one table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collab.report.cells import Table, scaled
from collab.report.figures.curves import COLORS, MARKS, MOST_PANELS, draw_panels
from collab.report.svg import inline_svg
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import basis, listed, size
from collab.scenario.model import Scenario
from collab.scenario.rows import list_played_rows


@dataclass(frozen=True)
class Way:
    """One way to refine an entity's decider: what it comes to after each exchange, what was sent and read for it."""

    entity: str
    row: str
    told: str
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
        for number, row in enumerate(self.scores, 1):
            yield (self.sent + self.read) * number / self.rounds, row.value or 0.0


def ways(scenario: Scenario, found: Results) -> Iterator[Way]:
    """For each entity that takes part in a federation, all its pools, then its federations."""
    names = dict.fromkeys(name for each in scenario.federated for name in each.entities)
    metric = scenario.data.main_metric.name
    published = {row.entity: row.value or 0.0 for row in found.rows if row.metric == "bytes_published"}
    for name in names:
        for row in list_played_rows(scenario):
            score = found.find(str(row.name), name, metric)
            if row.entity == name and row.own == "features" and row.pool and score:
                read = sum(published.get(peer, 0.0) for peer in row.pool)
                told = f"features of {listed(row.pool)}"
                yield Way(name, str(row.name), told, published.get(name, 0.0), read, (score,))
        for each in scenario.federated:
            rounds = [found.find(str(each.name), name, f"{metric}_round[{k}]") for k in range(1, each.rounds + 1)]
            measured = tuple(row for row in rounds if row is not None)
            sent, read_row = (found.find(str(each.name), name, of) for of in ("bytes_sent", "bytes_read"))
            if measured and sent and read_row:
                told = f"weights, {each.local_epochs} epochs a round"
                yield Way(name, str(each.name), told, sent.value or 0.0, read_row.value or 0.0, measured)


def exchange_table(scenario: Scenario, found: Results) -> Table:
    """What each entity gets for what it sends, either way; empty where nobody averages."""
    lines, told, main = list[tuple[str, ...]](), list(ways(scenario, found)), scenario.data.main_metric
    for name in dict.fromkeys(each.entity for each in told):
        for label, row in ((f"F({name}) alone", f"c_own_{name}"), ("released C, untouched", "c_public")):
            known = found.find(row, name if row != "c_public" else "", main.name)
            if known:
                lines.append((name, row, label, scaled(known, main.scale), "0", size(0), size(0)))
        for each in told:
            if each.entity == name:
                crossed = (str(each.rounds), size(int(each.sent)), size(int(each.read)))
                lines.append((name, each.row, each.told, scaled(each.scores[-1], main.scale), *crossed))
    columns = ("entity", "row", "exchanged", main.head, "rounds", "sent", "read")
    notes = (
        "Both start from the released F and C, which is not counted, and are scored on the same held-out images. "
        "Features are sent once, whoever reads them and when; weights in each round, all taking part at the same time.",
        "Weights disclose otherwise than features: no attack on them is played here, so fewer bytes are not less said.",
        basis([each.scores[-1] for each in told]),
    )
    return Table("Sharing versus federated averaging", columns, tuple(lines), notes)


def exchange_curve(scenario: Scenario, rows: Sequence[Result]) -> str:
    """The main metric against bytes that crossed, as SVG, a panel for each entity; pools are points."""
    told = list(ways(scenario, Results(rows)))
    names, main = list(dict.fromkeys(each.entity for each in told))[:MOST_PANELS], scenario.data.main_metric
    if not names:
        return ""
    figure, panels = draw_panels(len(names))
    for panel, name in zip(panels, names, strict=True):
        for index, each in enumerate(way for way in told if way.entity == name):
            across, up = zip(*((bytes_ / 1e6, main.scale * score) for bytes_, score in each.points), strict=True)
            style = {"color": COLORS[index % len(COLORS)], "marker": MARKS[index % len(MARKS)], "markersize": 4}
            panel.plot(across, up, label=f"{each.row}: {each.told}", linewidth=1.4, **style)
        panel.set_xscale("log")
        panel.set_xlabel("MB sent and read")
        panel.set_ylabel(f"{main.title}, {main.unit}")
        panel.set_title(f"entity {name}", fontsize=9, loc="left")
        panel.legend(fontsize=6.5, frameon=False)
    return inline_svg(figure)
