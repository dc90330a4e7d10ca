"""A verdict for each thing that a scenario expects, from its result rows alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from collab.errors import ExpectationFailed, ExpectationUndecided
from collab.papers import figures, papers
from collab.results.catalog import is_points
from collab.results.table import Result
from collab.scenario import stage_rows
from collab.scenario.expect import Bound, PaperTable
from collab.scenario.model import Scenario
from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import UNDECIDED, Comparison, Found, Region, judge_family
from collab.verdicts.registry import TABLES
from collab.verdicts.table import Table

WITHIN = 0.02
"""How far from a printed figure a replay may be, beyond its own interval: no paper states its recipe or an interval."""


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
    is_undecided: bool = False
    is_outside: bool = False
    """The number itself, whatever its interval, lies where it is not expected."""

    @classmethod
    def of(cls, source: str, claim: str, sentence: str, made: Comparison) -> "Verdict":
        """The verdict on a comparison."""
        found = made.found
        value, low, high, n, seed = (found.value, found.low, found.high, found.n, found.seed) if found else (None,) * 5
        return cls(
            source, claim, sentence, made.expected, made.paper, value, low, high, n, seed,
            verdict=made.verdict, has_failed=made.has_failed, is_points=made.is_points,
            is_undecided=made.verdict == UNDECIDED,
            is_outside=found is not None and made.region.distance(found.value) > 0,
        )  # fmt: skip

    def known_against(self) -> "Verdict":
        """The verdict where the scenario states that this speaks against the paper: it fails if it holds."""
        if self.verdict.startswith("off by"):
            return replace(self, verdict=f"{self.verdict}, against the paper as stated", has_failed=False)
        told = f"stated as against the paper: {self.verdict}"
        return replace(self, verdict=told, has_failed=not self.is_undecided)


def judge(scenario: Scenario, rows: Sequence[Result]) -> tuple[Verdict, ...]:
    """Every expectation of `scenario` against its results: figures and claims of the papers' tables, then bounds."""
    stated = scenario.expectations
    stated_tables = {each.paper: each.against for each in stated if isinstance(each, PaperTable)}
    evidence = Evidence(scenario, rows)
    found = [verdict for table in stated_tables for verdict in _on_figures(evidence, TABLES[table], rows)]
    for table, against in stated_tables.items():
        claims = [judge_claim(evidence) for judge_claim in TABLES[table].claims]
        lines = [
            Verdict.of(table, each.name, each.sentence, made)
            for each in claims
            for made in judge_family(each.comparisons)
        ]
        found += [each.known_against() if each.expected in against else each for each in lines]
        for expected in against:
            if expected not in {each.expected for each in lines}:
                missing = Comparison(expected, Region(), None, missing="no claim of this table has such a line")
                found.append(Verdict.of(table, "against", "", missing))
    bounds = [each for each in stated if isinstance(each, Bound)]
    bounded = [Verdict.of("own bound", "", "", made) for each in bounds for made in _on_bound(each, evidence, rows)]
    return (*found, *bounded)


def judge_results(scenario: Scenario, rows: Sequence[Result]) -> list[Result]:
    """`rows` with the papers' figures and the verdicts on them and on bounds; those on claims: see `list_verdicts`."""
    evidence = Evidence(scenario, rows)
    bounds = [each for each in scenario.expectations if isinstance(each, Bound)]
    tables = [TABLES[each.paper] for each in scenario.expectations if isinstance(each, PaperTable)]
    printed, judged = {table.id: _judge_figures(evidence, table, rows) for table in tables}, []
    for result in rows:
        paper, sentences = None, list[str]()
        for table in tables:
            if (figure := table.figure(evidence, result)) is not None:
                paper = figure
                sentences.append(printed[table.id][result.row, result.entity, result.metric].verdict)
        sentences += [
            f"{_said(bound)}: {_compare(bound, result.entity, result, rows).verdict}"
            for bound in bounds
            if _is_meant(bound, result)
        ]
        judged.append(replace(result, paper=paper, verdict="; ".join(sentences) or None))
    return judged


def list_verdicts(scenario: Scenario, rows: Sequence[Result]) -> list[Result]:
    """Every verdict as a row of results of its own: `metric` says what was expected, `value` what was found."""
    made = {}
    for each in judge(scenario, rows):
        metric = ": ".join(filter(None, (each.source, each.claim, each.expected)))
        made[metric] = Result(
            scenario.name, stage_rows.VERDICT, None, None, None, metric, each.value, each.low, each.high, each.n,
            seed=scenario.seed, paper=each.paper, verdict=each.verdict,
        )  # fmt: skip
    return list(made.values())


def check(found: Sequence[Verdict]) -> None:
    """Raises ExpectationFailed, which lists what failed, or else ExpectationUndecided with what could not be told."""
    if failed := [each for each in found if each.has_failed]:
        raise ExpectationFailed(f"{len(failed)} of {len(found)} expectations failed:\n{list_lines(failed)}")
    if undecided := [each for each in found if each.is_undecided]:
        raise ExpectationUndecided(
            f"none of {len(found)} expectations failed, and {len(undecided)} cannot be decided: their intervals reach "
            f"beyond what is expected.\n{list_lines(undecided)}\n"
            "More held-out images, repeats or seeds make intervals narrower."
        )


def list_lines(verdicts: Sequence[Verdict]) -> str:
    """A line for each: what was expected, what was found, and what became of it."""
    lines = ([f"  {each.source}", each.claim, each.expected, format_found(each), each.verdict] for each in verdicts)
    return "\n".join(": ".join(filter(None, line)) for line in lines)


def format_found(each: Verdict) -> str:
    """What was found with its interval, differences of accuracies in points; nothing if nothing was."""
    if each.value is None:
        return ""
    scale, digits = (100, 1) if each.is_points else (1, 3)
    low, value, high = (scale * (bound or 0.0) for bound in (each.low, each.value, each.high))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _on_figures(evidence: Evidence, table: Table, rows: Sequence[Result]) -> Iterator[Verdict]:
    """A line for each figure of a replay of the paper's set-up, or one that says why there can be none."""
    if not table.printed.rows:
        return  # a figure that prints pictures only
    source = f"{table.printed.source}, of {papers()[table.printed.paper]}"
    if why := table.set_apart(evidence):
        count = len(list(figures(table.id)))
        made = Comparison(f"the {count} figures as printed", Region(), None, incomparable=why)
        yield Verdict.of(table.id, "figures", source, made)
        return
    for made in _judge_figures(evidence, table, rows).values():
        yield Verdict.of(table.id, "figures", source, made)


def _judge_figures(
    evidence: Evidence, table: Table, rows: Sequence[Result]
) -> Mapping[tuple[str, str | None, str], Comparison]:
    """What each result comes to that stands beside a printed figure; together they are a family."""
    made = dict[tuple[str, str | None, str], Comparison]()
    for result in rows:
        if (figure := table.figure(evidence, result)) is not None:
            is_of_entity = result.row == stage_rows.TABLES_1_2
            whose = f"{result.entity}: {result.metric}" if is_of_entity else f"{result.metric} of row {result.row}"
            made[result.row, result.entity, result.metric] = Comparison(
                f"{whose} as printed", Region(figure - WITHIN, figure + WITHIN), Found.of(result), figure,
                is_points(result.metric), missing="no number", incomparable=table.set_apart(evidence),
            )  # fmt: skip
    return dict(zip(made, judge_family(list(made.values())), strict=True))


def _on_bound(bound: Bound, evidence: Evidence, rows: Sequence[Result]) -> Iterator[Comparison]:
    """One comparison for each entity whose number is bounded, measured or not."""
    meant = {result.entity: result for result in rows if _is_meant(bound, result)}
    for entity in [bound.entity] if bound.entity else evidence.find_owners(str(bound.row)):
        yield _compare(bound, entity, meant.get(entity), rows)


def _is_meant(bound: Bound, result: Result) -> bool:
    is_row = (result.row, result.metric, result.attack) == (str(bound.row), bound.metric, None)
    return is_row and bound.entity in (None, result.entity)


def _compare(bound: Bound, entity: str | None, result: Result | None, rows: Sequence[Result]) -> Comparison:
    expected = f"{bound.metric} of row {bound.row}{f' ({entity})' if entity else ''} {_said(bound)}"
    missing = "it is not a finite number"
    if result is None:
        metrics = [each.metric for each in rows if (each.row, each.entity) == (str(bound.row), entity)]
        missing = f"the row has {', '.join(metrics) or 'no results'}"
    return Comparison(expected, Region(*bound.limits), Found.of(result), missing=missing)


def _said(bound: Bound) -> str:
    if bound.near is not None:
        return f"within {bound.within:g} of {bound.near:g}"
    limits = (("at least", bound.at_least), ("at most", bound.at_most))
    return " and ".join(f"{word} {value:g}" for word, value in limits if value is not None)
