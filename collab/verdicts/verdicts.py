"""A verdict for each thing that a scenario expects, from its result rows alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from collab.errors import ExpectationFailed
from collab.results.catalog import is_points
from collab.results.table import Row
from collab.scenario import stage_rows
from collab.scenario.expect import Bound, PaperTable
from collab.scenario.model import Scenario
from collab.verdicts.claims import claims
from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import Comparison, Found, Region
from collab.verdicts.papers import figures, named, paper_figure, paper_tables, papers

WITHIN = 0.02
"""How far from a printed figure a replay may be, beyond its own interval: no paper states its recipe or an interval."""

OF_FACES = {
    "dp_table4": ("celeba", ["vgg16_bn"], "pool2"),
    "do_headline": ("celeba", ["vgg16_bn"], "pool2"),
    "apt_table1": ("celeba", ["resnet50_mlp"], "fc"),
    "apt_table2": ("celeba", ["resnet50_mlp"], "fc"),
}
"""Source, backbones and hook of the tables that are not about ImageNet."""


@dataclass(frozen=True)
class Verdict:
    """One expectation, what the paper has, what was found with its 95 % interval, and what became of it.

    `source` is the id of a table or `own bound`; differences of accuracies (`is_points`) are parts of 1 like results.
    """

    source: str
    claim: str
    sentence: str
    expected: str
    paper: float | None
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    seed: int | None
    verdict: str
    has_failed: bool
    is_points: bool

    @classmethod
    def of(cls, source: str, claim: str, sentence: str, made: Comparison) -> "Verdict":
        """The verdict on a comparison."""
        it = made.found
        value, low, high, n, seed = (it.value, it.low, it.high, it.n, it.seed) if it else (None,) * 5
        return cls(
            source, claim, sentence, made.expected, made.paper, value, low, high, n, seed,
            verdict=made.verdict, has_failed=made.has_failed, is_points=made.is_points,
        )  # fmt: skip

    def is_about(self, table: str, lines: Sequence[str]) -> bool:
        """Whether it is the verdict on one of these lines of a table's claims."""
        return self.source == table and self.expected in lines

    def known_against(self) -> "Verdict":
        """The verdict where the scenario states that this speaks against the paper: it fails if it does not."""
        if self.verdict.startswith("off by"):
            return replace(self, verdict=f"{self.verdict}, against the paper as stated", has_failed=False)
        return replace(self, verdict=f"stated as against the paper: {self.verdict}", has_failed=True)


def _no_such_line(table: str, expected: str) -> Verdict:
    missing = Comparison(expected, Region(), None, missing="no claim of this table has such a line")
    return Verdict.of(table, "against", "", missing)


def verdicts(scenario: Scenario, rows: Sequence[Row]) -> tuple[Verdict, ...]:
    """Every expectation of `scenario` against its results: figures and claims of the papers' tables, then bounds."""
    stated = scenario.expectations
    stated_tables = {each.paper: each.against for each in stated if isinstance(each, PaperTable)}
    evidence = Evidence(scenario, rows)
    found = [verdict for table in stated_tables for verdict in _on_figures(scenario, evidence, table, rows)]
    claimed = [
        Verdict.of(table, claim.name, claim.sentence, made)
        for table, claim in claims(list(stated_tables), evidence)
        for made in claim.comparisons
    ]
    for table, against in stated_tables.items():
        claimed = [each.known_against() if each.is_about(table, against) else each for each in claimed]
        lines = {each.expected for each in claimed if each.source == table}
        claimed += [_no_such_line(table, expected) for expected in against if expected not in lines]
    found += claimed
    for bound in stated:
        if isinstance(bound, Bound):
            found += [Verdict.of("own bound", "", "", made) for made in _on_bound(bound, evidence, rows)]
    return tuple(found)


def judged(scenario: Scenario, rows: Sequence[Row]) -> list[Row]:
    """`rows` with the papers' figures and the verdicts on them and on bounds; those on claims: see `verdict_rows`."""
    evidence = Evidence(scenario, rows)
    bounds = [each for each in scenario.expectations if isinstance(each, Bound)]
    tables = [each.paper for each in scenario.expectations if isinstance(each, PaperTable)]
    found = []
    for row in rows:
        paper, told = None, list[str]()
        for table in tables:
            figure = _figure(scenario, evidence, table, row)
            if figure is not None:
                paper = figure
                told.append(_on_figure(scenario, evidence, table, row, figure).verdict)
        told += [f"{_said(bound)}: {_compared(bound, row).verdict}" for bound in bounds if _is_meant(bound, row)]
        found.append(replace(row, paper=paper, verdict="; ".join(told) or None))
    return found


def verdict_rows(scenario: Scenario, rows: Sequence[Row]) -> list[Row]:
    """Every verdict as a row of results of its own: `metric` says what was expected, `value` what was found."""
    made = {}
    for each in verdicts(scenario, rows):
        metric = ": ".join(filter(None, (each.source, each.claim, each.expected)))
        made[metric] = Row(
            scenario.name, stage_rows.VERDICT, None, None, None, metric, each.value, each.low, each.high, each.n,
            seed=scenario.seed, paper=each.paper, verdict=each.verdict,
        )  # fmt: skip
    return list(made.values())


def check(found: Sequence[Verdict]) -> None:
    """Raises ExpectationFailed, which lists what failed, if anything did."""
    failed = [each for each in found if each.has_failed]
    if failed:
        told = "\n".join(
            ": ".join(filter(None, [f"  {each.source}", each.claim, each.expected, found_of(each), each.verdict]))
            for each in failed
        )
        raise ExpectationFailed(f"{len(failed)} of {len(found)} expectations failed:\n{told}")


def found_of(each: Verdict) -> str:
    """What was found with its interval, differences of accuracies in points; nothing if nothing was."""
    if each.value is None:
        return ""
    scale, digits = (100, 1) if each.is_points else (1, 3)
    low, value, high = (scale * (bound or 0.0) for bound in (each.low, each.value, each.high))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _on_figures(scenario: Scenario, evidence: Evidence, table: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    """A line for each figure of a replay of the paper's set-up, or one that says why there can be none."""
    if table not in paper_tables():
        return  # a figure that prints pictures only
    why = set_apart(scenario, evidence, table)
    printed = paper_tables()[table]
    source = f"{printed.source}, of {papers()[printed.paper]}"
    if why:
        count = len(list(figures(table)))
        made = Comparison(f"the {count} figures as printed", Region(), None, incomparable=why)
        yield Verdict.of(table, "figures", source, made)
        return
    for row in rows:
        figure = _figure(scenario, evidence, table, row)
        if figure is not None:
            yield Verdict.of(table, "figures", source, _on_figure(scenario, evidence, table, row, figure))


def _figure(scenario: Scenario, evidence: Evidence, table: str, row: Row) -> float | None:
    """The printed figure that stands beside a result; a row of Table 5 needs more than the number of the paper's."""
    if row.attack is not None:
        return None
    if table == "dp_table5":
        return paper_figure(table, row.row, row.metric) if row.row in evidence.like_the_paper else None
    if table == "dp_table3" and row.row == "tables_1_2" and row.metric.endswith("_poisoned"):
        metric = row.metric.replace(evidence.window, "").removesuffix("_poisoned")
        return paper_figure(table, named(row.defense or ""), metric)
    if table not in ("dp_table1", "dp_table2") or row.row != "tables_1_2" or row.defense != "dpm":
        return None
    backbone = scenario.model.backbone if scenario.model.backbone in paper_tables()[table].rows else "resnet101"
    return paper_figure(table, backbone, row.metric.replace(evidence.window, ""))


def _on_figure(scenario: Scenario, evidence: Evidence, table: str, row: Row, figure: float) -> Comparison:
    whose = f"{row.metric} of row {row.row}" if table == "dp_table5" else f"{row.entity}: {row.metric}"
    region = Region(figure - WITHIN, figure + WITHIN)
    return Comparison(
        f"{whose} as printed", region, Found.of(row), figure, is_points(row.metric),
        missing="no number", incomparable=set_apart(scenario, evidence, table),
    )  # fmt: skip


def set_apart(scenario: Scenario, evidence: Evidence, table: str) -> str:
    """What of a scenario is not as in a table of the paper, so that its figures say nothing here; nothing if all is."""
    data, model = scenario.data, scenario.model
    if table == "vm_headline":
        return "means over four data sets, four networks and an unknown scale of pixels"
    source, backbones, hook = OF_FACES.get(table, ("imagenet", ["resnet101"], "conv4_1"))
    if table in ("dp_table1", "dp_table2"):
        backbones = list(paper_tables()[table].rows)
    stated = {each.name: each.share for each in scenario.entities}
    found = [
        ("" if data.source == source else data.source),
        ("" if model.backbone in backbones else model.backbone),
        ("" if model.hook == hook else model.hook),
        ("" if data.image_size == 224 else f"{data.image_size} px"),
        ("" if scenario.partition.kind == "iid" else f"{scenario.partition.kind} partition"),
    ]
    if table == "dp_table5":
        shares = [stated[name] for _, name in sorted(evidence.roles.items())]
        found.append("" if shares == [0.1, 0.1, 0.1, 0.01] else "other shares")
    else:
        by = model.pretrain.by
        found.append("" if stated[by] == 1.0 else f"pre-trained on a part of X, that of {by}")
    return ", ".join(filter(None, found))


def _on_bound(bound: Bound, evidence: Evidence, rows: Sequence[Row]) -> Iterator[Comparison]:
    """One comparison for each entity whose number is bounded, measured or not."""
    meant = {row.entity: row for row in rows if _is_meant(bound, row)}
    for entity in [bound.entity] if bound.entity else evidence.owners(str(bound.row)):
        yield _compared(bound, meant[entity]) if entity in meant else _not_there(bound, entity, rows)


def _not_there(bound: Bound, entity: str | None, rows: Sequence[Row]) -> Comparison:
    known = [row.metric for row in rows if (row.row, row.entity) == (str(bound.row), entity)]
    missing = f"the row has {', '.join(known)}" if known else "the row has no results"
    return Comparison(_expected(bound, entity), Region(), None, missing=missing)


def _is_meant(bound: Bound, row: Row) -> bool:
    is_row = (row.row, row.metric, row.attack) == (str(bound.row), bound.metric, None)
    return is_row and bound.entity in (None, row.entity)


def _compared(bound: Bound, row: Row) -> Comparison:
    missing = "it is not a finite number"
    return Comparison(_expected(bound, row.entity), Region(*bound.limits), Found.of(row), missing=missing)


def _expected(bound: Bound, entity: str | None) -> str:
    return f"{bound.metric} of row {bound.row}{f' ({entity})' if entity else ''} {_said(bound)}"


def _said(bound: Bound) -> str:
    if bound.near is not None:
        return f"within {bound.within:g} of {bound.near:g}"
    limits = (("at least", bound.at_least), ("at most", bound.at_most))
    return " and ".join(f"{word} {value:g}" for word, value in limits if value is not None)
