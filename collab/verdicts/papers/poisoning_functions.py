"""Deep Poisoning Functions, the first version of Guo et al.: Figures 5 and 10, and Table 4, which takes a sweep."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, Comparison, Found, Region, subtract
from collab.verdicts.papers.deep_poisoning import MOST_SSIM, compare_errors
from collab.verdicts.table import Point, SweepTable, Table, claim

BROKEN = 0.5
"""Normalized leakage from which on a defense is called broken (ATTACKS 3.2)."""
MOST_CHANCE = 5.0
"""Times a guess that who names people may still be right (SCIENCE 3)."""


@claim("the released R is fooled", "without the module there are no pairs to train on (4.3)")
def a_secret_module_fools_the_reconstructor(evidence: Evidence) -> Iterator[Comparison]:
    """The released R alone gets nothing from who keeps the module, whether or not another one leaked."""
    metric = f"ssim{evidence.window}"
    for spy, victim, attack in evidence.attacks:
        if attack == "straw_man" and victim in evidence.poisoners:
            guess, rebuilt = (
                evidence.attacked(spy, victim, attack, name) for name in (f"{metric}_prior_class_mean", metric)
            )
            expected = f"{attack} on {victim}: a guess from labels has more SSIM"
            yield evidence.compare(expected, guess, rebuilt, ABOVE, is_points=False)


@claim(
    "a released module is inverted",
    "a reconstructor trained on the released module recovers the images; partial release denies it",
)
def a_released_module_is_inverted(evidence: Evidence) -> Iterator[Comparison]:
    """The secondary attack: a fresh reconstructor, trained on what the released module makes of public images."""
    for spy, victim, attack in evidence.attacks:
        if attack.startswith("leaked_module"):
            key = evidence.attacked(spy, victim, attack, "leakage[ssim_max]")
            yield evidence.single(f"{attack} on {victim}: leakage at least {BROKEN:g}", key, Region(low=BROKEN))


def find_confusers(evidence: Evidence) -> list[str]:
    """Who publishes from a DPM that was trained against identification."""
    return [each.name for each in evidence.scenario.entities if any(defense.hides_people for defense in each.defenses)]


@claim("features name people", "Ours: who names no people from plain features cannot be fooled")
def features_name_people(evidence: Evidence) -> Iterator[Comparison]:
    """Figure 10: the network that names people is an opponent at all."""
    return _of_each(evidence, "plain", "above", lambda bound: Region(low=bound, is_strict=True))


@claim(
    "poisoned features name nobody",
    "Figure 10: the identification network takes poisoned features for those of other people (4.4)",
)
def poisoned_features_name_nobody(evidence: Evidence) -> Iterator[Comparison]:
    """Figure 10: that network, as it is, is confused by poisoned features."""
    return _of_each(evidence, "fixed", "at most", lambda bound: Region(high=bound))


@claim("the pose stays readable", "Figure 10: the pose is answered as before (4.4)")
def pose_stays_readable(evidence: Evidence) -> Iterator[Comparison]:
    """Figure 10: the error of the pose rises by a tenth at most."""
    return (compare_errors(evidence, name) for name in find_confusers(evidence))


def _of_each(evidence: Evidence, suffix: str, word: str, region: Callable[[float], Region]) -> Iterator[Comparison]:
    """Top-1 of naming people against so many times a guess, for each entity that confuses it."""
    for name in find_confusers(evidence):
        guess = Found.of(evidence.row(("inference", name, "identity_top1_chance")))
        bound = MOST_CHANCE * (guess.value if guess else 0.0)
        expected = f"{name}: top-1 of people {word} {MOST_CHANCE:g} times a guess"
        key = ("inference", name, f"identity_top1_{suffix}")
        yield evidence.single(expected, key, region(bound))


@claim("original SSIM falls with depth", "Table 4: .8562, .8499, .8048, .7009 of original features")
def original_ssim_falls_with_depth(axis: str, points: Sequence[Point]) -> Iterator[Comparison]:
    """Table 4 of DPF, fourth column: the deeper the hook, the less R shows of original features."""
    scores = {str(values[axis]): results.first("tables_1_2", "ssim", "original") for values, results in points}
    for first, second in pairwise(sorted(scores)):  # conv2_1, conv2_3, conv3_1, conv4_1
        change = subtract(scores[first], scores[second])
        yield Comparison(f"{axis} {first}: more SSIM than {second}", ABOVE, change, missing="no SSIM")


@claim("R is fooled at every hook", "Table 4: SSIM of poisoned features .0069 to .0151")
def the_reconstructor_is_fooled_at_every_hook(axis: str, points: Sequence[Point]) -> Iterator[Comparison]:
    """Table 4 of DPF, last column."""
    for values, results in points:
        expected = f"{axis} {values[axis]}: SSIM within ±{MOST_SSIM:g}"
        score = results.first("tables_1_2", "ssim", "poisoned")
        yield Comparison(expected, Region(-MOST_SSIM, MOST_SSIM), Found.of(score), missing="no SSIM")


TABLES = (
    Table("dpf_fig5", (a_secret_module_fools_the_reconstructor, a_released_module_is_inverted)),
    Table("dpf_fig10", (features_name_people, poisoned_features_name_nobody, pose_stays_readable)),
    SweepTable("dpf_table4", (original_ssim_falls_with_depth, the_reconstructor_is_fooled_at_every_hook)),
)
