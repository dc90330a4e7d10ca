"""The report for who has to decide: what was asked, who could learn what, the means, the verdict, what was not tried.

Everything in it follows from the files of a run. The same content is a page to print and to file, and JSON.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from collab.report.attack_page.cells import Cell, judge_attacks, name_defenses
from collab.report.attack_page.failed import Failure, find_failures, tell_failures
from collab.report.attack_page.verdicts import ADVERSARIES, find_worst, judge_defenses
from collab.report.attack_page.words import WORDS
from collab.report.drawing import fill_in
from collab.report.pages.answer import answer_run
from collab.report.pages.decision_parts import (
    VERSION,
    Adversary,
    Answer,
    Asked,
    Basis,
    Change,
    Decision,
    Means,
    Party,
    Ruling,
)
from collab.report.pages.summary import Gain, Summary
from collab.results.figure import Figure
from collab.results.opened import Opened, open_run
from collab.results.words import join_names, measure_gain
from collab.scenario.attack_suite import SUITES
from collab.scenario.base import DefenseOptions
from collab.scenario.model import EntityPart
from collab.scenario.rows import list_played_rows

REFUSED, OPEN, NO_GAIN, NOT_BROKEN, SILENT = (
    "do not publish", "cannot be decided", "nothing speaks for it", "no reason against it was found",
    "publishes nothing",
)  # fmt: skip
"""What may be said of a party, the worst first."""

KNOWS = {
    "outsider": "the released networks, all that was published with its labels, public images, how defenses are made",
    "collaborator": "what an outsider knows, and a defense of the same recipe and images of the same classes",
    "insider": "what a collaborator knows, and some images of the victim beside what was published of them",
    "module leaked": "what an insider knows, and the victim's own defense, stolen or offered to anybody",
}
"""Each class of adversaries in words: what it has (docs/threats.md)."""

NEVER_TRIED = (
    "A featurizer that is crafted to carry images around the defense.",
    "Whoever holds the machine on which all parties are simulated: there is one trust domain.",
    "Attacks that are not known yet. A defense that was not broken has withstood this suite and no more.",
)
"""What no run of this program tries."""


def decide(run: Opened) -> Decision:
    """The report of a run, from its files."""
    cells = judge_attacks(run)
    summary, failures, defenses = answer_run(run, cells), find_failures(run, cells), name_defenses(run.scenario)
    return Decision(
        VERSION,
        _describe_question(run),
        tell_failures(failures),
        tuple(Answer(*part) for part in summary.parts),
        tuple(
            _rule(entity, defenses, cells, failures, summary)
            for entity in run.scenario.entities
            if not entity.is_onlooker
        ),
        tuple(_describe_adversaries(cells)),
        tuple(_describe_means(run)),
        (*_list_untried(run, cells), *NEVER_TRIED),
        tuple(_list_left_out(run, summary)),
        summary.cautions,
        _describe_basis(run),
    )


def write_decision(run: Path | Opened, target: Path | None = None) -> Path:
    """Draws the report as a page that is made to be printed; `decision.html` in the run unless `target` is given."""
    opened = open_run(run) if isinstance(run, Path) else run
    target = target or opened.folder / "decision.html"
    target.write_text(fill_in("decision.html", made=decide(opened)), encoding="utf-8")
    return target


def _describe_question(run: Opened) -> Asked:
    scenario, record = run.scenario, run.record
    sources = dict.fromkeys(part.source for part in scenario.sources.values() if part.source != "own")
    parties = [
        Party(entity.name, record["images"].get(entity.name, 0), entity.protection, entity.options.publishes)
        for entity in scenario.entities
        if not entity.is_onlooker
    ]
    heldout = max((row.n or 0 for row in run.rows if row.metric == scenario.data.main_metric.name), default=0)
    return Asked(
        scenario.name, scenario.about, join_names(list(sources)), scenario.data.image_size, tuple(record["classes"]),
        heldout, f"{scenario.model.backbone}, cut at {scenario.model.hook}", scenario.seed, tuple(parties),
    )  # fmt: skip


def _rule(
    entity: EntityPart,
    defenses: Mapping[str, str],
    cells: Sequence[Cell],
    failures: Sequence[Failure],
    summary: Summary,
) -> Ruling:
    """The verdict on a party: whether it discloses comes first, whether it brings anybody anything second.

    `defenses` is what that of each party is called.
    """
    gains = [gain for gain in summary.gains if entity.name in gain.pool]
    brought = tuple(_as_change(gain) for gain in gains)
    if not entity.options.publishes:
        return Ruling(entity.name, entity.protection, SILENT, "It sends nothing, so it discloses nothing.", ())
    own = (each for each in failures if each.entity == entity.name and not each.is_of_release)
    failure = next(own, None)
    worst = find_worst(cell for cell in cells if cell.defense == defenses[entity.name] and entity.name in cell.victims)
    helped = [gain for gain in gains if gain.change.direction > 0]
    if failure is not None:
        verdict, why = REFUSED, " ".join(failure.happened)
    elif entity.protection == "none":
        verdict, why = REFUSED, "It publishes features as they are: whoever reads them can rebuild its images."
    elif worst is None:
        verdict = OPEN
        why = "Nobody attacked what it publishes, or no attack can be judged here. Play it with --audit full."
    elif worst.word != WORDS[0]:
        verdict, why = (
            OPEN,
            f"The worst attack ({worst.attack}, by {_name(worst.adversary)}) {worst.word}: {worst.how}.",
        )
    elif not helped:
        verdict = NO_GAIN
        why = "No attack of this suite broke its defense, and what it publishes brought nobody a clear gain."
    else:
        verdict = NOT_BROKEN
        names = join_names([gain.entity for gain in helped])
        why = f"It was in the pool that helped {names}, and no attack of this suite broke its defense: no proof."
    return Ruling(entity.name, entity.protection, verdict, why, brought)


def _as_change(gain: Gain) -> Change:
    return _change(gain.entity, str(gain), gain.points, gain.main.points)


def _change(party: str, told: str, points: Figure, unit: str) -> Change:
    return Change(party, told, points.value, points.low, points.high, unit)


def _name(adversary: str) -> str:
    return ADVERSARIES.get(adversary, adversary)


def _describe_adversaries(cells: Sequence[Cell]) -> Iterator[Adversary]:
    """Every class, also those that nobody played, who knows least first."""
    judged = judge_defenses(cells)
    for adversary, knows in KNOWS.items():
        here = [each.cell for each in judged if each.cell.adversary == adversary]
        attacks = tuple(dict.fromkeys(cell.attack for cell in cells if cell.adversary == adversary))
        worst = find_worst(cell for cell in here if cell.defense != "none")
        told = "No attack of this class was played." if not attacks else "No attack of it can be judged here."
        if worst is not None:
            how = "" if worst.word == WORDS[0] else f", by {worst.attack}: {worst.how}"
            told = f"{worst.word.capitalize()} ({worst.defense}{how})."
        yield Adversary(_name(adversary), knows, attacks, told)


def _describe_means(run: Opened) -> Iterator[Means]:
    """Each defense once; a chain is described by its parts."""
    results, main = run.results, run.scenario.data.main_metric
    owners: dict[str, list[EntityPart]] = {}
    names = name_defenses(run.scenario)
    for entity in run.scenario.entities:
        if entity.is_publishing_party:
            owners.setdefault(names[entity.name], []).append(entity)
    guess = results.like("c_public", None, "ssim", "prior_class_mean")
    for entities in owners.values():
        shown = {each.name: results.like("tables_1_2", each.name, "ssim", "poisoned") for each in entities}
        most = max(shown, key=lambda name: (found.value or 0.0) if (found := shown[name]) else -2.0)
        scores = [results.find("tables_1_2", most, f"{main.name}_{what}") for what in ("original", "poisoned")]
        lost = measure_gain(main, *scores)
        plain, published = (results.like("tables_1_2", most, "ssim", of) for of in ("original", "poisoned"))
        yield Means(
            entities[0].protection,
            " Then: ".join(_first_sentence(defense) for defense in entities[0].defenses),
            tuple(pair for defense in entities[0].defenses for pair in _list_settings(defense)),
            tuple(entity.name for entity in entities),
            most,
            None if lost is None else (main.scale * lost).value,
            *(None if each is None else each.value for each in (plain, published, guess)),
        )


def _first_sentence(defense: DefenseOptions) -> str:
    """What a kind says of itself; a plugin's options are read without its class, and say nothing."""
    about = type(defense).__doc__ or ""
    is_known = type(defense) is not DefenseOptions and about
    return about.partition("\n")[0] if is_known else f"{defense.kind}: a plugin, see its own page."


def _list_settings(defense: DefenseOptions) -> list[tuple[str, str]]:
    content = defense.model_dump(mode="json", by_alias=True, exclude_none=True)
    plain = {name: value for name, value in content.items() if name != "kind" and not isinstance(value, dict | list)}
    return [(name, str(value)) for name, value in plain.items()]


def _list_untried(run: Opened, cells: Sequence[Cell]) -> Iterator[str]:
    """Of the full suite, what this run did not play; and where it looked once."""
    played = {job.get("attack") for job in run.record.get("jobs", {}).values() if job.get("attack")}
    kinds = {attack.kind for entity in run.scenario.entities for attack in getattr(entity.options, "attacks", ())}
    missing = sorted({str(attack["kind"]) for attack in SUITES["full"]} - {kind for kind in kinds if played})
    if not played:
        yield "No attack at all was played; collab run --audit full plays the suite."
    elif missing:
        yield f"Of the full suite of attacks: {', '.join(missing)}."
    if untried := [_name(each) for each in KNOWS if each not in {cell.adversary for cell in cells}]:
        yield f"Adversaries of these classes: {', '.join(untried)}."
    promised = [each.name for each in run.scenario.entities if any(part.asked_privacy for part in each.defenses)]
    if promised:
        yield (
            f"What lies outside the guarantee of {join_names(promised)}: it is as the table of guarantees says, and "
            "covers no other party."
        )
    else:
        yield "Any guarantee such as differential privacy: there is none, whatever was measured."
    yield "Other seeds: one training of each network was looked at."
    if run.scenario.is_drawn:
        yield "Photographs: the images are drawn, and no figure here says anything about real ones."


def _list_left_out(run: Opened, summary: Summary) -> Iterator[Change]:
    """What each party would miss without anybody's features, then without single peers, as rows tell."""
    main, results = run.scenario.data.main_metric, run.results
    rows = [row for row in list_played_rows(run.scenario) if row.own == "features" and row.pool and not row.unpoisoned]
    for gain in summary.gains:
        told = f"{gain.entity} without anybody's features"
        yield _change(gain.entity, told, -1.0 * gain.points, main.points)
        whole = next(row for row in rows if str(row.name) == gain.row)
        for row in rows:
            left = sorted(set(whole.pool) - set(row.pool))
            if row.entity == gain.entity and left and set(row.pool) < set(whole.pool):
                pair = (results.find(str(each.name), gain.entity, main.name) for each in (row, whole))
                if (apart := measure_gain(main, *pair)) is not None:
                    told = f"{gain.entity} without {join_names(left)} (row {row.name} in place of {whole.name})"
                    yield _change(gain.entity, told, main.scale * apart, main.points)


def _describe_basis(run: Opened) -> Basis:
    record, digests = run.record, []
    for name in ("results.parquet", "scenario.yaml"):
        digests.append(hashlib.sha256((run.folder / name).read_bytes()).hexdigest())
    said = [str(record.get(key) or "not recorded") for key in ("collab", "torch", "compute")]
    version, torch, compute = said
    return Basis(run.name, version, torch, compute, float(record["seconds"]), digests[0], digests[1])
