"""Deep Poisoning Functions, the first version of Guo et al.: Figures 5 and 10, and Table 4, which takes a sweep."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, Claim, Comparison, Found, Region, subtract
from collab.verdicts.papers.deep_poisoning import LITTLE_RISE, MOST_SSIM
from collab.verdicts.table import Point, SweepTable, Table

BROKEN = 0.5
"""Normalized leakage from which on a defense is called broken (ATTACKS 3.2)."""
MOST_CHANCE = 5.0
"""Times a guess that who names people may still be right (SCIENCE 3)."""


def a_secret_module_fools_the_reconstructor(evidence: Evidence) -> Claim:
    """The released R alone gets nothing from who keeps the module, whether or not another one leaked."""
    metric = f"ssim{evidence.window}"
    found = [
        evidence.compare(
            f"{attack} on {victim}: a guess from labels has more SSIM",
            evidence.attacked(spy, victim, attack, f"{metric}_prior_class_mean"),
            evidence.attacked(spy, victim, attack, metric),
            ABOVE,
            is_points=False,
        )
        for spy, victim, attack in evidence.attacks
        if attack == "straw_man" and victim in evidence.poisoners
    ]
    return Claim("the released R is fooled", "without the module there are no pairs to train on (4.3)", tuple(found))


def a_released_module_is_inverted(evidence: Evidence) -> Claim:
    """The secondary attack: a fresh reconstructor, trained on what the released module makes of public images."""
    found = [
        evidence.single(
            f"{attack} on {victim}: leakage at least {BROKEN:g}",
            evidence.attacked(spy, victim, attack, "leakage[ssim_max]"),
            Region(low=BROKEN),
        )
        for spy, victim, attack in evidence.attacks
        if attack.startswith("leaked_module")
    ]
    sentence = "a reconstructor trained on the released module recovers the images; partial release denies it"
    return Claim("a released module is inverted", sentence, tuple(found))


def find_confusers(evidence: Evidence) -> list[str]:
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
            f"{name}: error rises by at most {100 * LITTLE_RISE:g} %",
            evidence.poisoned(name, "poisoned"),
            evidence.poisoned(name, "original"),
            Region(high=0.0),
            times=1 + LITTLE_RISE,
            is_points=False,
        )
        for name in find_confusers(evidence)
    )
    return Claim("the pose stays readable", "Figure 10: the pose is answered as before (4.4)", found)


def _of_each(evidence: Evidence, suffix: str, word: str, region: Callable[[float], Region]) -> tuple[Comparison, ...]:
    """Top-1 of naming people against so many times a guess, for each entity that confuses it."""
    comparisons = []
    for name in find_confusers(evidence):
        guess = Found.of(evidence.row(("inference", name, "identity_top1_chance")))
        bound = MOST_CHANCE * (guess.value if guess else 0.0)
        expected = f"{name}: top-1 of people {word} {MOST_CHANCE:g} times a guess"
        key = ("inference", name, f"identity_top1_{suffix}")
        comparisons.append(evidence.single(expected, key, region(bound)))
    return tuple(comparisons)


def original_ssim_falls_with_depth(axis: str, points: Sequence[Point]) -> Claim:
    """Table 4 of DPF, fourth column: the deeper the hook, the less R shows of original features."""
    scores = {str(values[axis]): results.first("tables_1_2", "ssim", "original") for values, results in points}
    found = [
        Comparison(
            f"{axis} {first}: more SSIM than {second}", ABOVE, subtract(scores[first], scores[second]),
            missing="no SSIM",
        )
        for first, second in pairwise(sorted(scores))  # conv2_1, conv2_3, conv3_1, conv4_1
    ]  # fmt: skip
    sentence = "Table 4: .8562, .8499, .8048, .7009 of original features"
    return Claim("original SSIM falls with depth", sentence, tuple(found))


def the_reconstructor_is_fooled_at_every_hook(axis: str, points: Sequence[Point]) -> Claim:
    """Table 4 of DPF, last column."""
    found = [
        Comparison(
            f"{axis} {values[axis]}: SSIM within ±{MOST_SSIM:g}",
            Region(-MOST_SSIM, MOST_SSIM),
            Found.of(results.first("tables_1_2", "ssim", "poisoned")),
            missing="no SSIM",
        )
        for values, results in points
    ]
    return Claim("R is fooled at every hook", "Table 4: SSIM of poisoned features .0069 to .0151", tuple(found))


TABLES = (
    Table("dpf_fig5", (a_secret_module_fools_the_reconstructor, a_released_module_is_inverted)),
    Table("dpf_fig10", (features_name_people, poisoned_features_name_nobody, pose_stays_readable)),
    SweepTable("dpf_table4", (original_ssim_falls_with_depth, the_reconstructor_is_fooled_at_every_hook)),
)
