"""What DPF says of face identification (4.4, Figure 10): the pose stays readable, whose face it is does not."""

from collections.abc import Callable, Sequence

from collab.verdicts.evidence import Evidence, Key
from collab.verdicts.judging import Claim, Comparison, Found, Region

MOST_CHANCE = 5.0
"""Times a guess that who names people may still be right (SCIENCE 3)."""
MOST_RISE = 0.10
"""Of the pose's error."""


def confusers(evidence: Evidence) -> list[str]:
    """Who publishes from a DPM that was trained against identification."""
    return [each.name for each in evidence.scenario.entities if any(defense.hides_people for defense in each.defenses)]


def features_name_people(evidence: Evidence) -> Claim:
    """Figure 10: the network that names people is an opponent at all."""
    found = _of_each(evidence, "plain", "above", lambda bound: Region(low=bound, is_strict=True))
    return Claim("features name people", "Ours: who names no people from plain features cannot be fooled", found)


def poisoned_features_name_nobody(evidence: Evidence) -> Claim:
    """Figure 10: that network, as it is, is confused by poisoned features."""
    found = _of_each(evidence, "fixed", "at most", lambda bound: Region(high=bound))
    sentence = "Figure 10: the identification network takes poisoned features for those of other people (4.4)"
    return Claim("poisoned features name nobody", sentence, found)


def pose_stays_readable(evidence: Evidence) -> Claim:
    """Figure 10: the error of the pose rises by a tenth at most."""
    found = tuple(
        evidence.compare(
            f"{name}: error rises by at most {100 * MOST_RISE:g} %",
            evidence.poisoned(name, "poisoned"),
            evidence.poisoned(name, "original"),
            Region(high=0.0),
            times=1 + MOST_RISE,
            is_points=False,
        )
        for name in confusers(evidence)
    )
    return Claim("the pose stays readable", "Figure 10: the pose is answered as before (4.4)", found)


def _of_each(evidence: Evidence, suffix: str, word: str, region: Callable[[float], Region]) -> tuple[Comparison, ...]:
    """Top-1 of naming people against so many times a guess, for each entity that confuses it."""
    found = []
    for name in confusers(evidence):
        guess = Found.of(evidence.row(_identity(name, "chance")))
        bound = MOST_CHANCE * (guess.value if guess else 0.0)
        told = f"{name}: top-1 of people {word} {MOST_CHANCE:g} times a guess"
        found.append(evidence.single(told, _identity(name, suffix), region(bound)))
    return tuple(found)


def _identity(name: str, suffix: str) -> Key:
    return ("inference", name, f"identity_top1_{suffix}")


FACES: Sequence[Callable[[Evidence], Claim]] = (
    features_name_people,
    poisoned_features_name_nobody,
    pose_stays_readable,
)
"""The claims of Figure 10."""
