"""Tables of an audit: attacks by defenses, verdicts in sentences, what more pairs and modules are worth, figures."""

import re
from collections.abc import Sequence

from collab.report.audit_cells import CONTROL_FAILED, Cell, Score, best_of, in_order
from collab.report.cells import Table


def matrix(cells: Sequence[Cell]) -> Table:
    """Defenses by attacks, the verdict in each place."""
    attacks = in_order(cell.attack for cell in cells)
    by_place = {(cell.defense, cell.attack): cell for cell in cells}
    lines = [
        (attack, *(by_place[defense, attack].word if (defense, attack) in by_place else "" for defense in defenses))
        for defenses in [in_order(cell.defense for cell in cells)]
        for attack in attacks
    ]
    note = (
        "broken: leakage of .5 or more (0 is the best guess without features, 1 what the released R makes of plain "
        "features), or a fifth of the rows matched or re-identified. leaks: the 95 % interval lies above the guess. "
        f"{CONTROL_FAILED}: it finds nothing here, nor where it must."
    )
    return Table("Attacks by defenses", ("attack", *in_order(cell.defense for cell in cells)), tuple(lines), (note,))


def verdicts(cells: Sequence[Cell]) -> Table:
    """For each defense and class of adversary the worst of its attacks, in a sentence."""
    lines = []
    for defense in in_order(cell.defense for cell in cells):
        for adversary in ("outsider", "collaborator", "insider", "module leaked", "unknown"):
            here = [cell for cell in cells if (cell.defense, cell.adversary) == (defense, adversary)]
            best = best_of(here)
            if best is None:
                continue
            tried = f"{len(here)} attacks, {best.victims} victims, {best.rows} rows"
            lines.append((defense, adversary, best.word, f"{best.attack}: {best.how} ({tried})"))
    note = (
        "An outsider reads store and release; an insider also has pairs of the victim, their number in brackets. "
        "A lower bound: no attack here uses a strong image prior, such as a GAN or a diffusion model."
    )
    return Table("Verdicts", ("defense", "adversary", "verdict", "how"), tuple(lines), (note,))


def details(cells: Sequence[Cell]) -> Table:
    """Every cell with its figures and its cost."""
    lines = [
        (
            f"{cell.defense}: {cell.attack}", cell.adversary, str(cell.leakage or "—"), str(cell.likeness or "—"),
            "—" if cell.worst is None else f"{cell.worst:.2f}", str(cell.matches or "—"), f"{cell.seconds:.0f}",
            str(cell.victims), str(cell.rows),
        )
        for cell in cells
    ]  # fmt: skip
    columns = (
        "defense and attack",
        "adversary",
        "leakage",
        "SSIM",
        "worst image",
        "matched",
        "seconds",
        "victims",
        "n",
    )
    return Table(
        "Every attack", columns, tuple(lines), ("SSIM: of the image or its negative, whichever is more alike.",)
    )


def curves(cells: Sequence[Cell]) -> Table | None:
    """Leakage over the number of pairs, and of shadow modules; None where no attack was given several numbers.

    k50 is the least number of pairs that reaches half of what a leaked module discloses.
    """
    by_pairs, by_modules = (_numbered(cells, kind) for kind in ("leaked_pairs", "shadow_modules"))
    counts = [sorted({k for _, k in found}) for found in (by_pairs, by_modules)]
    if max(map(len, counts)) < 2:
        return None
    lines = []
    for defense in in_order(cell.defense for cell in cells):
        row = [
            f"{found[defense, k].value:.2f}" if (defense, k) in found else "—"
            for found, ks in zip((by_pairs, by_modules), counts, strict=True)
            for k in ks
        ]
        leaked = next(
            (c.leakage.value for c in cells if (c.defense, c.attack) == (defense, "leaked_module") and c.leakage), None
        )
        reached = [
            k for k in counts[0] if (defense, k) in by_pairs and leaked and by_pairs[defense, k].value >= leaked / 2
        ]
        half = str(min(reached)) if reached else "not reached" if leaked and leaked > 0 else "—"
        lines.append((defense, *row[: len(counts[0])], half, *row[len(counts[0]) :]))
    headings = [
        [f"{k} {what}{'s' if k > 1 else ''}" for k in ks] for ks, what in zip(counts, ("pair", "module"), strict=True)
    ]
    columns = ("defense", *headings[0], "k50", *headings[1])
    note = "k50: the least number of pairs that reaches half of the leakage of the leaked module."
    return Table("Leakage by pairs and by shadow modules", columns, tuple(lines), (note,))


def _numbered(cells: Sequence[Cell], kind: str) -> dict[tuple[str, int], Score]:
    """Leakage by defense and by the number in an attack's name."""
    return {
        (cell.defense, int(found[1])): cell.leakage
        for cell in cells
        if (found := re.fullmatch(rf"{kind}\[(\d+)\]", cell.attack)) and cell.leakage is not None
    }
