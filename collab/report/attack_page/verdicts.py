"""What an audit says of each defense, by class of adversary: the one source of both pages' words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from collab.report.attack_page.attempts import UNKNOWN, is_of_weights
from collab.report.attack_page.cells import Cell, judge_attacks
from collab.report.attack_page.words import CANNOT, CONTROL_FAILED, NO_SCALE, WORDS
from collab.results.opened import Opened
from collab.results.table import Result
from collab.results.words import join_names
from collab.scenario import stage_rows

ADVERSARIES = {
    "outsider": "an outsider",
    "collaborator": "a collaborator",
    "insider": "an insider who has images of the victim",
    "module leaked": "whoever has the defense's module",
    UNKNOWN: "an adversary whose class this run did not record",
}
"""Classes of adversaries, who knows least first, and how a sentence names them."""

MOST_NAMED = 3
"""Defenses in one sentence."""


@dataclass(frozen=True)
class Judgement:
    """The worst that a class of adversaries does to a defense: `cell`, of `tried` attacks; `unjudged` have no word."""

    cell: Cell
    tried: int
    unjudged: int


def judge_defenses(cells: Sequence[Cell]) -> list[Judgement]:
    """One for each defense and class of adversary that has an attack with a word."""
    made = []
    for defense in dict.fromkeys(cell.defense for cell in cells):
        for adversary in dict.fromkeys([*ADVERSARIES, *(cell.adversary for cell in cells)]):
            here = [cell for cell in cells if (cell.defense, cell.adversary) == (defense, adversary)]
            worst = find_worst(here)
            if worst is not None:
                unjudged = sum(cell.word not in WORDS for cell in here)
                made.append(Judgement(worst, len(here), unjudged))
    return made


def list_verdicts(run: Opened) -> list[Result]:
    """What an audit says, as rows of results: one for each defense and class of adversary, the word in `verdict`."""
    return [
        Result(
            run.scenario.name, stage_rows.VERDICT, None, cell.defense, None, f"audit: {cell.defense}: {cell.adversary}",
            None, seed=run.scenario.seed, verdict=cell.word,
        )
        for cell in (each.cell for each in judge_defenses(judge_attacks(run)))
    ]  # fmt: skip


def find_worst(cells: Iterable[Cell]) -> Cell | None:
    """The attack of the worst word, then of the largest share that it got; None if none has a word.

    That is leakage, rows matched, or members found at 1 % false alarms.
    """

    def reached(cell: Cell) -> tuple[int, float]:
        got = (cell.leakage, cell.matches, cell.members)
        return _level(cell.word), max((each.value for each in got if each), default=0.0)

    return max((cell for cell in cells if _level(cell.word) >= 0), key=reached, default=None)


def find_worst_by_defense(judged: Sequence[Judgement]) -> dict[str, Judgement]:
    """The worst judgment of each defense; of those that earn the same word, that of the adversary who knows least."""
    worst: dict[str, Judgement] = {}
    for each in judged:
        defense = each.cell.defense
        if defense not in worst or _level(each.cell.word) > _level(worst[defense].cell.word):
            worst[defense] = each
    return worst


def describe_verdicts(judged: Sequence[Judgement], defenses: Mapping[str, str]) -> str:
    """Sentences that say each defense's worst verdict once, the worst first; `defenses` are those of the entities."""
    groups: dict[tuple[str, str], list[Judgement]] = {}
    for each in find_worst_by_defense(judged).values():
        groups.setdefault((each.cell.word, each.cell.adversary), []).append(each)
    turn = list(ADVERSARIES)

    def urgency(group: tuple[str, str]) -> tuple[int, int]:
        return -_level(group[0]), turn.index(group[1]) if group[1] in turn else len(turn)

    sentences = []
    for word, adversary in sorted(groups, key=urgency):
        # plain features hide nothing: they come last
        here = sorted(groups[word, adversary], key=lambda each: each.cell.defense == "none")
        adversaries = ADVERSARIES.get(adversary, adversary)
        begin = {
            WORDS[2]: f"Broken by {adversaries}",
            WORDS[1]: f"Leaks to {adversaries}",
            WORDS[0]: "Not broken by this suite",
            CONTROL_FAILED: "Control failed",
            CANNOT: f"Cannot be judged: {NO_SCALE}",
        }[word]
        clauses = [_told(each, defenses) for each in here[:MOST_NAMED]]
        more = f"; and {len(here) - MOST_NAMED} more defenses" if len(here) > MOST_NAMED else ""
        sentences.append(f"{begin}: {'; '.join(clauses)}{more}.")
    return " ".join(sentences)


def _told(each: Judgement, defenses: Mapping[str, str]) -> str:
    cell = each.cell
    owners = [name for name, defense in defenses.items() if defense == cell.defense and name in cell.victims]
    verb = "publish" if len(owners) > 1 else "publishes"
    clause = f"what {join_names(owners)} {verb} ({'no defense' if cell.defense == 'none' else cell.defense})"
    if is_of_weights(cell.defense):
        clause = f"the {cell.defense}, to which {join_names(cell.victims)} sent"
    if cell.word in (CANNOT, WORDS[0]):
        attacks = f"{each.tried} attacks" if each.tried > 1 else "one attack"
        some = f", {each.unjudged} of them without a verdict" * (0 < each.unjudged < each.tried)
        return f"{clause}, {attacks}{some}"
    return f"{clause}, by {cell.attack}: {cell.how}"


def _level(word: str) -> int:
    """How bad a word is; -1 for one that says nothing."""
    order = (CANNOT, CONTROL_FAILED, *WORDS)
    return order.index(word) if word in order else -1
