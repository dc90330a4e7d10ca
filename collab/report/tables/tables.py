"""Result rows as the papers' tables: plain text cells, ready for a terminal or a page."""

from collections.abc import Sequence
from dataclasses import replace

from collab.metric import MetricName
from collab.report.cells import Table, cell, percent, plain, scaled
from collab.report.tables.disclosed import likeness_table, recognition_table
from collab.report.tables.exposed import exposure_tables
from collab.report.tables.federated import exchange_table
from collab.report.tables.inferred import inference_table
from collab.report.tables.perturbed import perturbation_table
from collab.report.tables.published import published_images
from collab.results.catalog import columns_in
from collab.results.gains import gain_of, reference_in_words
from collab.results.results import BY, Results
from collab.results.table import Result, measured
from collab.results.words import basis, signed
from collab.scenario.model import Refinement, Scenario
from collab.scenario.rows import list_played_rows
from collab.verdicts.verdicts import Verdict, found_of, verdicts


def tables(scenario: Scenario, rows: Sequence[Result]) -> tuple[Table, ...]:
    """Tables 1 to 3 and 5 of Guo et al. for what was measured, disclosure, who was left out, attacks, and verdicts."""
    rows = measured(rows)
    found = Results(rows)
    made = (
        _table_1(scenario, found),
        _table_2(scenario, found),
        perturbation_table(scenario, found),
        likeness_table(scenario, found),
        recognition_table(scenario, found),
        inference_table(scenario, found),
        *exposure_tables(scenario, found),
        published_images(scenario, found),
        _table_5(scenario, found),
        exchange_table(scenario, found),
        _left_out(scenario, found),
        _attacks(found),
    )
    judged, shown = verdicts(scenario, rows), [table for table in made if table.lines]
    if shown or any(each.value is not None for each in judged):  # else no part of what is expected was played
        shown += [table for table in [verdict_table(judged, f"seed {scenario.seed}")] if table.lines]
    return tuple(replace(table, notes=tuple(filter(None, table.notes))) for table in shown)


def _table_1(scenario: Scenario, found: Results) -> Table:
    main, lines = scenario.data.main_metric, []
    names = (f"{main.name}_original", f"{main.name}_poisoned")
    has_kl = found.has("kl")
    for entity in scenario.entities:
        cells = [found.find("tables_1_2", entity.name, name) for name in (*names, main.fidelity)]
        if cells[0] and cells[1]:
            cost = main.gain(cells[0].value or 0, cells[1].value or 0)
            kl = found.find("tables_1_2", entity.name, "kl")
            lines.append(
                (
                    entity.name,
                    entity.protection,
                    *(scaled(cell, main.scale) for cell in cells[:2]),
                    f"{cost:+.1f}",
                    scaled(cells[2], main.fidelity_scale),
                    *[cell(kl)] * has_kl,
                )
            )
    columns = ("entity", "defense", "original", "poisoned", "cost", main.fidelity_title, *["KL"] * has_kl)
    note = (
        f"The released decider on held-out images: {main.title} in {main.unit}; cost in {main.points}; "
        f"{main.fidelity}: of both answers."
    )
    measured = [row for row in found.of("tables_1_2") if row.metric in (*names, main.fidelity)]
    notes = (note, *_printed(found, *names), basis(measured))
    return Table(f"Table 1: {scenario.data.task} equivalence", columns, tuple(lines), notes)


def _table_2(scenario: Scenario, found: Results) -> Table:
    lines, window = [], ""
    placed = columns_in("reconstruction", (row.metric for row in found.of("tables_1_2")))
    for entity in scenario.entities:
        ssim = next((name for name, _ in found.named("tables_1_2", entity.name) if name.quantity == "ssim"), None)
        if ssim is None:
            continue
        window = f"[{ssim.setting}]"
        wanted = (
            "l1_original", "l1_poisoned", f"ssim{window}_original", f"ssim{window}_poisoned",
            f"ssim_max{window}_poisoned", f"abs_ssim_map{window}_poisoned", *placed,
        )  # fmt: skip
        rows = (found.find("tables_1_2", entity.name, metric) for metric in wanted)
        lines.append((entity.name, entity.protection, *map(cell, rows)))
    columns = (
        "entity", "defense", "L1 original", "L1 poisoned", "SSIM original", "SSIM poisoned", "or its negative",
        "abs. map", *placed.values(),
    )  # fmt: skip
    prior = " · ".join(
        f"{name} {plain(found.find('c_public', None, f'ssim{window}_prior_{key}'))}"
        for name, key in (("unrelated image", "unrelated"), ("mean image", "mean"), ("class mean", "class_mean"))
    )
    notes = (
        f"The released reconstructor on held-out images; SSIM{window}. A guess without features scores SSIM: {prior}.",
        "SSIM near zero says that this reconstructor is fooled, not that the image is gone.",
        *_printed(found, "l1_original", "l1_poisoned", f"ssim{window}_original", f"ssim{window}_poisoned"),
        basis([row for row in found.of("tables_1_2") if f"ssim{window}_" in row.metric]),
    )
    return Table("Table 2: reconstruction disparity", columns, tuple(lines), notes)


def _printed(found: Results, *metrics: str) -> tuple[str, ...]:
    """The paper's figures beside Table 1 or 2, where the scenario expects them, and what they are worth here."""
    beside = {row.metric: row for row in found.rows if row.metric in metrics and row.paper is not None}
    if not beside:
        return ()
    told = ", ".join(f"{name} {row.paper:.4g}" for name, row in beside.items())
    why = dict.fromkeys((row.verdict or "").partition(";")[0] for row in beside.values())
    return (f"paper: {told}; {', '.join(why)}.",)


def _table_5(scenario: Scenario, found: Results) -> Table:
    main = scenario.data.main_metric
    beside = [(name, title) for name, title in main.others if found.has(name)]
    has_paper = any(row.paper is not None for row in found.rows)
    columns = (
        "row",
        "entity",
        "trained on",
        main.head,
        *(title for _, title in beside),
        "gain",
        *["paper"] * has_paper,
    )
    public = found.find("c_public", "", main.name)

    def line(name: str, entity: str, data: str, gain: str = "") -> tuple[str, ...]:
        first, *others = (found.find(name, entity, metric) for metric in (main.name, *(name for name, _ in beside)))
        paper = f"{main.scale * first.paper:.1f}" if first and first.paper is not None else ""
        cells = (scaled(cell, main.scale) for cell in (first, *others))
        return (name, entity or "—", data, *cells, gain, *[paper] * has_paper)

    def gain(row: Refinement) -> str:
        change = gain_of(main, found, row)
        return signed(change, main.scale) if change else ""

    if not scenario.refinements:
        return Table("Table 5: refinement", columns, ())  # nobody trains further
    played = list_played_rows(scenario)
    stated = {str(row.name) for row in scenario.refinements}
    lines = [
        line(str(row.name), row.entity or "", describe(row), gain(row)) for row in played if str(row.name) in stated
    ]
    rules = [len(lines)]
    if public:
        lines.append(line("c_public", "", "released C, untouched"))
    lines += [
        line(str(row.name), row.entity or "", describe(row), gain(row)) for row in played if str(row.name) not in stated
    ]
    notes = [
        "Scored on held-out images of the private classes. Rows from c_ on are controls.",
        f"gain: {main.points} better than {reference_in_words(row.row for row in found.rows)}.",
    ]
    if has_paper:
        told = {row.verdict.partition(":")[0] for row in found.rows if row.paper is not None and row.verdict}
        is_apart = "; not comparable, shown for the order of rows" if "not comparable" in told else ""
        notes.append(f"paper: Guo et al., Table 5, ImageNet and ResNet-101{is_apart}.")
    if scenario.data.is_drawn:
        notes.append(
            "creatures are drawn, a stand-in for trying things out; no figure here says anything about photographs."
        )
    names = {(str(row.name), row.entity or "") for row in played} | {("c_public", "")}
    measured = [row for row in found.rows if (row.row, row.entity or "") in names and main.includes(row.metric)]
    if not measured:
        return Table("Table 5: refinement", columns, ())
    return Table("Table 5: refinement", columns, tuple(lines), (*notes, basis(measured)), tuple(rules))


def _left_out(scenario: Scenario, found: Results) -> Table:
    """Whom a row did without, though the scenario names it: its entity vetted it, did not choose it, or it had left."""
    lines, played = [], {str(row.name): row for row in list_played_rows(scenario)}
    for stated in scenario.refinements:
        row, entity = str(stated.name), stated.entity or ""
        for sender in stated.pool:
            offered = found.find("publish", sender, "rows_published")
            taken = found.find(row, entity, f"rows_from[{sender}]")
            if sender not in played[row].pool:
                lines.append((row, entity, sender, "—", "has withdrawn", ""))
            elif offered and taken and taken.value != offered.value:
                harm = found.find(row, entity, f"harm[{sender}]")
                counts = f"{taken.value:.0f} of {offered.value:.0f}"
                lines.append(
                    (row, entity, sender, counts, "vetted" if harm else "not chosen", percent(harm) if harm else "")
                )
    columns = ("row", "entity", "peer", "rows taken", "why", "harm")
    note = "harm: how many more % of own held-out images are wrong with the peer's rows; left out if clearly above 0."
    measured = [row for row in found.rows if MetricName.parse(row.metric).quantity == "harm"]
    return Table("What was left out of the pool", columns, tuple(lines), (note, basis(measured)))


def _attacks(found: Results) -> Table:
    """What collaborators rebuilt of what others published, beside what a guess without features scores."""
    rows = found.attacks
    named = (MetricName.parse(row.metric) for row in rows)
    window = next((f"[{name.setting}]" for name in named if name.quantity == "ssim" and name.is_plain), "")
    placed = columns_in("attacks", (row.metric for row in rows))
    wanted = (
        "l1", f"ssim{window}", f"ssim_max{window}", f"ssim_max{window}_worst", f"ssim{window}_prior_class_mean",
        "leakage[ssim_max]", "rank1[pixels]", "recognized", *placed,
    )  # fmt: skip
    lines = []
    for row, victim, attack in dict.fromkeys((each.row, each.entity or "", each.attack or "") for each in rows):
        cells = (cell(found.find(row, victim, metric, attack)) for metric in wanted)
        first = found.find(row, victim, "l1", attack)
        lines.append((row.removeprefix(BY), victim, attack, *cells, str(first.n if first else "")))
    columns = (
        "adversary", "victim", "attack", "L1", f"SSIM{window}", "negative", "worst", "class mean", "leakage",
        "rank 1, %", "named, %", *placed.values(), "n",
    )  # fmt: skip
    notes = (
        "Images rebuilt from the rows that the victim published; worst: of the image or its negative. class mean: SSIM "
        "of a guess from labels alone. leakage, by SSIM of the image or its negative: 0 is what the best guess scores, "
        "1 what R makes of plain features. named: by the independent network of the disclosure tables.",
        basis(rows),
    )
    return Table("Attacks by collaborators", columns, tuple(lines), notes)


def verdict_table(found: Sequence[Verdict], seeds: str) -> Table:
    """What was expected, what was found, and what the paper has; a rule stands above each claim."""
    lines, rules, notes = [], [], dict[str, None]()
    for place, each in enumerate(found):
        is_first = place == 0 or (each.source, each.claim) != (found[place - 1].source, found[place - 1].claim)
        if is_first and place:
            rules.append(place)
        if is_first and each.sentence:
            notes[f"{each.claim}: {each.sentence}."] = None
        about = (each.source, each.claim) if is_first else ("", "")
        paper = "" if each.paper is None else f"{100 * each.paper:.1f}" if each.is_points else f"{each.paper:.4g}"
        count = "" if each.n is None else str(each.n)
        lines.append((*about, each.expected, found_of(each) or "—", count, paper, each.verdict))
    rule = (
        f"found: value and 95 % interval over n held-out images, {seeds}; differences of accuracies in points. "
        "off by: the whole interval is against it; undecided, within the interval: a part of it is."
    )
    columns = ("expects", "claim", "expected", "found", "n", "paper", "verdict")
    return Table("Verdicts", columns, tuple(lines), (*notes, rule), tuple(rules))


def describe(row: Refinement) -> str:
    """What a row is trained on, in the papers' letters."""
    if row.own == "images":
        return "raw images, from scratch" if row.share is None else f"raw images of all, {row.share:.0%}, from scratch"
    if row.own == "published":
        return " ∪ ".join(f"M({name})" for name in (row.entity, *row.pool)) + ", from scratch"
    own = f"F({row.entity})" if row.own == "features" else f"P(F({row.entity}))"
    return " ∪ ".join([own, *(f"F({name})" for name in row.unpoisoned), *(f"P(F({name}))" for name in row.pool)])
