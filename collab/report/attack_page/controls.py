"""Whether attacks are to be believed: what each found in features that hide nothing, and in noise (ATTACKS 3.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from collab.report.attack_page.attempts import group_attempts
from collab.report.attack_page.words import Look, list_looks
from collab.results.figure import reject_in_family
from collab.results.opened import Opened

NOTHING_IN_PLAIN = "finds nothing in plain features either"
SOMETHING_IN_NOISE = "finds something in noise too"
NO_MEMBERS = "does not find the images of whoever pre-trained"

COLLABORATOR = "collaborator"
"""The class of adversaries whose attacks may rest on a module of their own, which plain features have not."""

LEADER = "leader"
"""What is shown by whoever pre-trained."""


@dataclass(frozen=True)
class Control:
    """What one attack by one class of adversary found where it must find something, and where there is nothing.

    `plain` and `noise` say it, empty where it was not tried; `problem` says what is wrong, empty if nothing is.
    """

    attack: str
    adversary: str
    plain: str
    noise: str
    problem: str

    @property
    def is_blamed(self) -> bool:
        """Whether what it finds is not to be believed either."""
        return self.problem == SOMETHING_IN_NOISE


def judge_controls(run: Opened) -> list[Control]:
    """What each attack found on the victims that an audit adds: all must break the first, and none the second.

    An attack on the release has to find whoever pre-trained, if that entity published. What is found in noise is held
    against the number of attacks (Holm), so that few audits blame one that is innocent.
    """
    controls = [each for each in run.scenario.entities if each.options.is_control]
    shown = {each.name: str(shows) for each in controls if (shows := getattr(each.options, "shows", None))}
    if not shown:
        return []
    tried = (attack for each in run.scenario.entities for attack in getattr(each.options, "attacks", ()))
    on_release = {attack.label for attack in tried if attack.of_release}
    found: dict[tuple[str, str], dict[str, list[Look]]] = {}
    for (shows, attack, adversary), group in group_attempts(run, {**shown, run.scenario.model.pretrain.leader: LEADER}):
        found.setdefault((attack, adversary), {})[shows] = list_looks([attempt.scores for attempt in group])
    of_noise = [(key, look) for key, looks in found.items() for look in looks.get("noise", ())]
    is_found = reject_in_family([look.chance for _, look in of_noise])
    blamed = {key: look for (key, look), is_clear in zip(of_noise, is_found, strict=True) if is_clear}
    judged = []
    for (attack, adversary), looks in found.items():
        is_on_release = attack in on_release
        must_find = looks.get(LEADER if is_on_release else "plain", [])
        sees, told = _best(must_find)
        problem = "" if sees or not must_find else NO_MEMBERS if is_on_release else NOTHING_IN_PLAIN
        if adversary == COLLABORATOR:
            problem = ""
        noise = blamed.get((attack, adversary))
        problem = problem if noise is None else SOMETHING_IN_NOISE
        told_of_noise = noise.how if noise else _best(looks.get("noise", []))[1]
        judged.append(Control(attack, adversary, told, told_of_noise, problem))
    return judged


def _best(looks: Sequence[Look]) -> tuple[bool, str]:
    """Whether any look is clear beyond chance, and what is said of the surest."""
    surest = min(looks, key=lambda look: look.chance, default=None)
    return any(reject_in_family([look.chance for look in looks])), surest.how if surest else ""
