"""Result rows as the papers' tables: plain text cells, ready for a terminal or a page."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from collab.metric import MetricName
from collab.report.cells import ABSENT, Table, fill_lines, format_cell
from collab.report.tables.answered import find_answering, tabulate_answers
from collab.report.tables.disclosed import list_guesses, tabulate_likeness, tabulate_recognition
from collab.report.tables.exposed import tabulate_exposure, tabulate_inference
from collab.report.tables.federated import tabulate_exchange
from collab.report.tables.guaranteed import tabulate_guarantees
from collab.report.tables.half_widths import tabulate_half_widths
from collab.report.tables.local import tabulate_local
from collab.report.tables.perturbed import tabulate_perturbations
from collab.report.tables.published import tabulate_published_images
from collab.report.tables.worth import format_rho
from collab.results.catalog import columns_in, entry_of
from collab.results.gains import find_gain, find_gap, list_worths, name_reference
from collab.results.results import BY, Results
from collab.results.table import Result, drop_verdicts
from collab.results.words import FOR_CHOOSING, format_signed, state_basis
from collab.scenario.model import Refinement, Scenario
from collab.scenario.rows import list_played_rows
from collab.verdicts.verdicts import Verdict, format_found, judge


def make_tables(scenario: Scenario, rows: Sequence[Result]) -> tuple[Table, ...]:
    """Tables 1 to 3 and 5 of Guo et al. for what was measured, disclosure, who was left out, attacks, and verdicts."""
    rows = drop_verdicts(rows)
    results = Results(rows)
    made = (
        _table_1(scenario, results),
        _table_2(scenario, results),
        tabulate_perturbations(scenario, results),
        tabulate_likeness(scenario, results),
        tabulate_recognition(scenario, results),
        tabulate_inference(scenario, results),
        *tabulate_exposure(scenario, results),
        tabulate_published_images(scenario, results),
        tabulate_answers(scenario, results),
        tabulate_guarantees(scenario, results),
        tabulate_local(scenario, results, partial(describe, answering=find_answering(scenario))),
        _table_5(scenario, results),
        tabulate_half_widths(scenario, results),
        tabulate_exchange(scenario, results),
        _left_out(scenario, results),
        _attacks(results),
        _metrics(scenario),
    )
    judged, shown = judge(scenario, rows), [table for table in made if table.lines]
    if shown or any(verdict.value is not None for verdict in judged):  # else no part of what is expected was played
        shown += [
            table for table in [tabulate_verdicts(judged, f"n held-out images, seed {scenario.seed}")] if table.lines
        ]
    first = (FOR_CHOOSING,) if scenario.data.is_for_choosing else ()
    return tuple(replace(table, notes=(*first, *filter(None, table.notes))) for table in shown)


def _table_1(scenario: Scenario, results: Results) -> Table:
    main, lines = scenario.data.main_metric, []
    names = (f"{main.name}_original", f"{main.name}_poisoned", main.fidelity)
    placed = columns_in("equivalence", (result.metric for result in results.of("tables_1_2")))
    for entity in scenario.entities:
        original, poisoned, fidelity = (results.find("tables_1_2", entity.name, name) for name in names)
        if original and poisoned:
            own, published = (
                results.find("publish", entity.name, f"{main.name}_{what}") for what in ("own", "published")
            )
            others = (results.find("tables_1_2", entity.name, metric) for metric in placed)
            lines.append(
                (
                    entity.name,
                    entity.protection,
                    format_cell(original, main.scale),
                    format_cell(poisoned, main.scale),
                    f"{main.gain(original.value or 0, poisoned.value or 0):+.1f}",
                    format_cell(own, main.scale),
                    format_cell(published, main.scale),
                    format_signed(find_gap(main, results, entity.name), main.scale),
                    format_cell(fidelity, main.fidelity_scale),
                    *map(format_cell, others),
                )
            )
    columns = (
        "entity", "defense", "original", "poisoned", "cost", "own rows", "published", "G", main.fidelity_title,
        *placed.values(),
    )  # fmt: skip
    note = (
        f"The released decider on held-out images: {main.title} in {main.unit}; cost in {main.points}; "
        f"{main.fidelity}: of both answers. own rows, published: the entity's own, as they are and as it published "
        f"them. G = published - poisoned, in {main.points}: a module that writes labels into its own rows is read "
        "better there."
    )
    measured = [result for result in results.of("tables_1_2") if result.metric in names]
    notes = (note, *_explain_paper(results, *names[:2]), state_basis(measured))
    return Table(f"Table 1: {scenario.data.task} equivalence", columns, tuple(lines), notes)


def _table_2(scenario: Scenario, results: Results) -> Table:
    placed = columns_in("reconstruction", (result.metric for result in results.of("tables_1_2")))
    ssim = next((name for name, _ in results.named("tables_1_2") if name.quantity == "ssim"), None)
    window = f"[{ssim.setting}]" if ssim else ""
    means = ("l1_original", "l1_poisoned", f"ssim{window}_original", f"ssim{window}_poisoned")
    metrics = (*means, f"ssim_max{window}_poisoned", f"abs_ssim_map{window}_poisoned", *placed)
    lines, _ = fill_lines(results, "tables_1_2", ((entity, "", metrics) for entity in scenario.entities))
    columns = (
        "entity", "defense", "L1 original", "L1 poisoned", "SSIM original", "SSIM poisoned", "or its negative",
        "abs. map", *placed.values(),
    )  # fmt: skip
    guesses = " · ".join(list_guesses(results, "c_public", f"ssim{window}"))
    notes = (
        f"The released reconstructor on held-out images; SSIM{window}. A guess without features scores SSIM: "
        f"{guesses}.",
        "SSIM near zero says that this reconstructor is fooled, not that the image is gone.",
        *_explain_paper(results, *means),
        state_basis([result for result in results.of("tables_1_2") if f"ssim{window}_" in result.metric]),
    )
    return Table("Table 2: reconstruction disparity", columns, lines, notes)


def _explain_paper(results: Results, *metrics: str) -> tuple[str, ...]:
    """The paper's figures beside Table 1 or 2, where the scenario expects them, and what they are worth here."""
    beside = {each.metric: each for each in results.rows if each.metric in metrics and each.paper is not None}
    if not beside:
        return ()
    figures = ", ".join(f"{metric} {result.paper:.4g}" for metric, result in beside.items())
    reasons = dict.fromkeys((result.verdict or "").partition(";")[0] for result in beside.values())
    return (f"paper: {figures}; {', '.join(reasons)}.",)


def _table_5(scenario: Scenario, results: Results) -> Table:
    main, played = scenario.data.main_metric, list_played_rows(scenario)
    names = {(str(row.name), row.entity or "") for row in played} | {("c_public", "")}
    measured = [each for each in results.rows if (each.row, each.entity or "") in names and main.includes(each.metric)]
    if not scenario.refinements or not measured:
        return Table("Table 5: refinement", (), ())  # nobody trains further
    beside = {metric: title for metric, title in main.others if results.has(metric)}
    of_rows = (each.metric for each in results.rows if (each.row, each.entity or "") in names)
    answering = find_answering(scenario)
    placed = {name: head for name, head in columns_in("refinement", of_rows).items() if MetricName.parse(name).is_plain}
    has_paper = any(result.paper is not None for result in results.rows)
    worths = {worth.row: worth for worth in list_worths(main, results, played)}
    columns = ("row", "entity", "trained on", main.head, *beside.values(), *placed.values(), "gain")
    columns += ("ρ",) * bool(worths)
    columns += ("paper",) * has_paper

    def line(name: str, entity: str | None, data: str, gain: str = "") -> tuple[str, ...]:
        scores = [results.find(name, entity, metric) for metric in (main.name, *beside)]
        printed = scores[0].paper if scores[0] else None
        paper = "" if printed is None else f"{main.scale * printed:.1f}"
        return (
            name,
            entity or ABSENT,
            data,
            *(format_cell(each, main.scale) for each in scores),
            *(format_cell(results.find(name, entity, metric)) for metric in placed),
            gain,
            *[format_rho(worths.get(name))] * bool(worths),
            *[paper] * has_paper,
        )

    def line_of(row: Refinement) -> tuple[str, ...]:
        gain = find_gain(main, results, row)
        return line(
            str(row.name), row.entity, describe(row, answering), format_signed(gain, main.scale) if gain else ""
        )

    stated = {str(row.name) for row in scenario.refinements}
    lines = [line_of(row) for row in played if str(row.name) in stated]
    rules = (len(lines),)
    if results.find("c_public", "", main.name):
        lines.append(line("c_public", "", "released C, untouched"))
    lines += [line_of(row) for row in played if str(row.name) not in stated]
    notes = [
        "Scored on held-out images of the private classes. Rows from c_ on are controls.",
        f"gain: {main.points} better than {name_reference(result.row for result in results.rows)}.",
    ]
    if worths:
        notes.append(
            "ρ: the part of what plain features of the same pool bring beyond own features alone that is left; "
            "undefined where those do not clearly bring anything."
        )
    if has_paper:
        verdicts_on = {row.verdict.partition(":")[0] for row in results.rows if row.paper is not None and row.verdict}
        is_apart = "; not comparable, shown for the order of rows" if "not comparable" in verdicts_on else ""
        notes.append(f"paper: Guo et al., Table 5, ImageNet and ResNet-101{is_apart}.")
    if scenario.is_drawn:
        notes.append(
            "creatures are drawn, a stand-in for trying things out; no figure here says anything about photographs."
        )
    return Table("Table 5: refinement", columns, tuple(lines), (*notes, state_basis(measured)), rules)


def _left_out(scenario: Scenario, results: Results) -> Table:
    """Whom a row did without, though the scenario names it: its entity vetted it, did not choose it, or it had left."""
    lines, played = [], {str(row.name): row for row in list_played_rows(scenario)}
    for stated in scenario.refinements:
        row, entity = str(stated.name), stated.entity or ""
        for sender in stated.pool:
            offered = results.find("publish", sender, "rows_published")
            taken = results.find(row, entity, f"rows_from[{sender}]")
            if sender not in played[row].pool:
                lines.append((row, entity, sender, ABSENT, "has withdrawn", ""))
            elif offered and taken and taken.value != offered.value:
                harm = results.find(row, entity, f"harm[{sender}]")
                counts = f"{taken.value:.0f} of {offered.value:.0f}"
                why = ("vetted", format_cell(harm)) if harm else ("not chosen", "")
                lines.append((row, entity, sender, counts, *why))
    columns = ("row", "entity", "peer", "rows taken", "why", "harm")
    note = "harm: how many more % of own held-out images are wrong with the peer's rows; left out if clearly above 0."
    measured = [result for result in results.rows if MetricName.parse(result.metric).quantity == "harm"]
    return Table("What was left out of the pool", columns, tuple(lines), (note, state_basis(measured)))


def _attacks(results: Results) -> Table:
    """What collaborators rebuilt of what others published, beside what a guess without features scores."""
    names = (MetricName.parse(result.metric) for result in results.attacks)
    window = next((f"[{name.setting}]" for name in names if name.quantity == "ssim" and name.is_plain), "")
    heads = {
        "l1": "L1", f"ssim{window}": f"SSIM{window}", f"ssim_max{window}": "negative",
        f"ssim_max{window}_worst": "worst", f"ssim{window}_prior_class_mean": "class mean",
        "leakage[ssim_max]": "leakage", "rank1[pixels]": "rank 1, %", "recognized": "named, %",
        **columns_in("attacks", (result.metric for result in results.attacks)),
    }  # fmt: skip
    lines = []
    for row, victim, attack in dict.fromkeys(
        (each.row, each.entity or "", each.attack or "") for each in results.attacks
    ):
        scores = [results.find(row, victim, metric, attack) for metric in heads]
        count = str(scores[0].n if scores[0] else "")
        lines.append((row.removeprefix(BY), victim, attack, *map(format_cell, scores), count))
    columns = ("adversary", "victim", "attack", *heads.values(), "n")
    notes = (
        "Images rebuilt from the rows that the victim published; worst: of the image or its negative. class mean: SSIM "
        "of a guess from labels alone. leakage, by SSIM of the image or its negative: 0 is what the best guess scores, "
        "1 what leaked_module makes of plain features. named: by the independent network of the disclosure tables.",
        state_basis(results.attacks),
    )
    return Table("Attacks by collaborators", columns, tuple(lines), notes)


def _metrics(scenario: Scenario) -> Table:
    """What metrics of plugins mean, which no page of ours says."""
    entries = [entry_of(metric.label) for metric in scenario.metrics]
    lines = tuple((each.title, each.quantity, each.meaning, each.unit, each.better) for each in entries)
    return Table("Metrics of plugins", ("title", "metric", "means", "unit", "better"), lines)


def tabulate_verdicts(judged: Sequence[Verdict], basis: str) -> Table:
    """What was expected, what was found, and what the paper has; a rule stands above each claim.

    `basis` says what the intervals are over.
    """
    lines, rules, notes = list[tuple[str, ...]](), list[int](), dict[str, None]()
    last = ("", "")
    for verdict in judged:
        about = (verdict.source, verdict.claim)
        is_first = not lines or about != last
        if is_first and lines:
            rules.append(len(lines))
        if is_first and verdict.sentence:
            notes[f"{verdict.claim}: {verdict.sentence}."] = None
        figure = (format_found(verdict) or ABSENT, "" if verdict.n is None else str(verdict.n))
        scale, form = (100, ".1f") if verdict.is_points else (1, ".4g")
        paper = "" if verdict.paper is None else f"{scale * verdict.paper:{form}}"
        lines.append((*(about if is_first else ("", "")), verdict.expected, *figure, paper, verdict.verdict))
        last = about
    rule = (
        f"found: value and 95 % interval over {basis}; differences of accuracies in points. "
        "holds: the whole interval lies where it should; off by: the whole interval is against it; undecided: else. "
        "not below, not above: by 0.01 at most, a point of an accuracy."
    )
    columns = ("expects", "claim", "expected", "found", "n", "paper", "verdict")
    return Table("Verdicts", columns, tuple(lines), (*notes, rule), tuple(rules))


def describe(row: Refinement, answering: Collection[str] = ()) -> str:
    """What a row is trained on, in the papers' letters; A(a2): answers of a2, one of `answering`, beside F(Q)."""
    if row.own == "images":
        return "raw images, from scratch" if row.share is None else f"raw images of all, {row.share:.0%}, from scratch"
    if row.own == "published":
        return " ∪ ".join(f"M({name})" for name in (row.entity, *row.pool)) + ", from scratch"
    published = {name: f"A({name})" if name in answering else f"P(F({name}))" for name in (str(row.entity), *row.pool)}
    own = {"features": [f"F({row.entity})"], "poisoned": [published[str(row.entity)]]}.get(row.own, [])
    read = " ∪ ".join([*own, *(f"F({name})" for name in row.unpoisoned), *(published[name] for name in row.pool)])
    return f"{read}, C from scratch" if row.init == "fresh" else read
