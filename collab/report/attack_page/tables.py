"""Tables of an audit: attacks by defenses, verdicts in sentences, what more pairs and modules are worth, figures."""

import re
from collections.abc import Sequence

from collab.report.attack_page.cells import Cell, name_attack
from collab.report.attack_page.controls import Control
from collab.report.attack_page.verdicts import find_worst, judge_defenses
from collab.report.attack_page.words import CANNOT, CONTROL_FAILED, NO_SCALE, NOTHING
from collab.report.cells import Table
from collab.results.figure import Figure


def tabulate_matrix(cells: Sequence[Cell]) -> Table:
    """Defenses by attacks, in each place the worst verdict of all classes of adversaries."""
    defenses = tuple(dict.fromkeys(cell.defense for cell in cells))

    def word(defense: str, attack: str) -> str:
        here = [cell for cell in cells if (cell.defense, cell.attack) == (defense, attack)]
        worst = find_worst(here)
        return worst.word if worst else NOTHING if here else ""

    lines = [
        (attack, *(word(defense, attack) for defense in defenses)) for attack in dict.fromkeys(c.attack for c in cells)
    ]
    note = (
        "broken: leakage of .5 or more (0 is the best guess without features, 1 what leaked_module makes of plain "
        "features), or a fifth of the rows matched or re-identified. leaks: its victims' "
        "score is clearly above the guess, so clearly that all attacks on a defense that gives nothing away would look "
        "like that in 2.5 % of audits at most (Holm). Whoever pre-trained is in no average with others. "
        f"{CONTROL_FAILED}: it finds nothing here, nor where it must. {CANNOT}: {NO_SCALE}, so that leakage has no "
        "scale."
    )
    return Table("Attacks by defenses", ("attack", *defenses), tuple(lines), (note,))


def tabulate_verdicts(cells: Sequence[Cell]) -> Table:
    """For each defense and class of adversary the worst of its attacks, in a sentence."""
    lines = []
    for each in judge_defenses(cells):
        cell = each.cell
        counts = ((each.tried, "attack"), (len(cell.victims), "victim"), (cell.rows, "row"))
        tried = [f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts]
        tried[1:1] = [f"{each.unjudged} of them without a verdict"] * (0 < each.unjudged < each.tried)
        lines.append(
            (
                cell.defense,
                cell.adversary,
                cell.word,
                f"{name_attack(cell.attack, cell.by)}: {cell.how} ({', '.join(tried)})",
            )
        )
    note = (
        "An outsider reads store and release; an insider also has pairs of the victim, their number in brackets. "
        "Each line counts the attacks that need just that knowledge: who knows more can do all that the others do. "
        "A lower bound: no attack here uses a strong image prior, such as a GAN or a diffusion model."
    )
    return Table("Verdicts", ("defense", "adversary", "verdict", "how"), tuple(lines), (note,))


def tabulate_controls(controls: Sequence[Control]) -> Table | None:
    """For each attack what it found where it must find something, and where it must not; None without controls."""
    if not controls:
        return None
    lines = [
        (each.attack, each.plain or "—", each.noise or "—", {"": "holds"}.get(each.problem, "failed"))
        for each in controls
    ]  # fmt: skip
    note = (
        "Two victims that the audit adds, with images of an entity that has not pre-trained, where there is one. "
        "The first publishes features as they are: each attack must find something there. The second publishes noise "
        "with the moments of each channel: none may. An attack on the release has to find whoever pre-trained instead. "
        "A collaborator's may rest on its own module, and is held against noise alone. What an attack does that failed "
        f"here says nothing of anybody: {CONTROL_FAILED}."
    )
    return Table("Attacks under control", ("attack", "in plain features", "in noise", "control"), tuple(lines), (note,))


def tabulate_details(cells: Sequence[Cell]) -> Table:
    """Every cell with its figures and its cost."""
    lines = [
        (
            f"{cell.defense}: {name_attack(cell.attack, cell.by)}", cell.adversary,
            str(cell.leakage or "—"), str(cell.likeness or "—"),
            "—" if cell.worst is None else f"{cell.worst:.2f}", str(cell.matches or "—"), f"{cell.seconds:.0f}",
            str(len(cell.victims)), str(cell.rows),
        )
        for cell in cells
    ]  # fmt: skip
    heads = ("defense and attack", "adversary", "leakage", "SSIM", "worst image", "matched", "seconds", "victims", "n")
    notes = (
        "SSIM: of the image or its negative, whichever is more alike. Intervals speak of other victims too, words of "
        "these alone. seconds: of the attacks and of the rehearsals "
        "that they rest on; one that serves several defenses counts for each.",
    )
    return Table("Every attack", heads, tuple(lines), notes)


def tabulate_numbers(cells: Sequence[Cell]) -> Table | None:
    """Leakage over the number of pairs, and of shadow modules; None where no attack was given several numbers.

    k50 is the least number of pairs that reaches half of what a leaked module discloses.
    """
    by_pairs, by_modules = (_numbered(cells, kind) for kind in ("leaked_pairs", "shadow_modules"))
    counts = [sorted({k for _, k in leakage}) for leakage in (by_pairs, by_modules)]
    if max(map(len, counts)) < 2:
        return None
    lines = []
    for defense in dict.fromkeys(cell.defense for cell in cells):
        pairs, modules = (
            [f"{leakage[defense, k].value:.2f}" if (defense, k) in leakage else "—" for k in ks]
            for leakage, ks in zip((by_pairs, by_modules), counts, strict=True)
        )
        module = [cell.leakage for cell in cells if (cell.defense, cell.attack) == (defense, "leaked_module")]
        leaked = next((leakage.value for leakage in module if leakage), 0.0)
        reached = [k for k in counts[0] if (defense, k) in by_pairs and by_pairs[defense, k].value >= leaked / 2]
        half = "—" if not leaked else str(min(reached)) if reached else "not reached" if leaked > 0 else "—"
        lines.append((defense, *pairs, half, *modules))
    pairs, modules = (
        [f"{k} {what}{'s' if k > 1 else ''}" for k in ks] for ks, what in zip(counts, ("pair", "module"), strict=True)
    )
    columns = ("defense", *pairs, "k50", *modules)
    note = "k50: the least number of pairs that reaches half of the leakage of the leaked module."
    return Table("Leakage by pairs and by shadow modules", columns, tuple(lines), (note,))


def _numbered(cells: Sequence[Cell], kind: str) -> dict[tuple[str, int], Figure]:
    """Leakage by defense and by the number in an attack's name."""
    return {
        (cell.defense, int(match[1])): cell.leakage
        for cell in cells
        if (match := re.fullmatch(rf"{kind}\[(\d+)\]", cell.attack)) and cell.leakage is not None
    }
