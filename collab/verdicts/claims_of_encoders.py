"""What the papers say of defenses that take the place of F: DeepObfuscator, adversarial representations."""

from itertools import pairwise

from collab.defenses.options import Adversarial
from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, NOT_BELOW, Claim, Comparison, Region, combination, difference

REVERSED = 0.7
"""Share of the unprotected SSIM that reversing a shared obfuscator reaches at least (SCIENCE 3)."""
LEAKED = "leaked_module"
MCC_KEPT = 0.05
"""By how much mean MCC may differ between partners of APT's Table 1 (SCIENCE 3)."""


def dpm_keeps_the_task(evidence: Evidence) -> Claim:
    """DP Table 4, first column: what C reads from the DPM is no worse than what DeepObfuscator leaves."""
    name = evidence.scenario.data.main_metric.name
    found = [
        evidence.compare(
            f"{dpm}: {name} not below that of {other}",
            ("tables_1_2", dpm, f"{name}_poisoned"),
            ("tables_1_2", other, f"{name}_poisoned"),
            NOT_BELOW,
        )
        for dpm in evidence.poisoners
        for other in evidence.protected_by("obfuscator")
    ]
    return Claim("the DPM keeps the task", '"the DPM better remains the utility recognition" (4.2.3)', tuple(found))


def privacy_falls(evidence: Evidence) -> Claim:
    """DP Table 4, second column, as the paper has it: by the reader that was trained on plain features."""
    found = [
        evidence.compare(
            f"{name}: the fixed reader has less mAP than on plain features",
            ("inference", name, "privacy_map_plain"),
            ("inference", name, "privacy_map_fixed"),
            ABOVE,
        )
        for name in evidence.protected_by("obfuscator", "dpm")
    ]
    return Claim("private attributes are hidden", "Table 4: 80.54 falls to 65.07 and 65.95", tuple(found))


def shared_obfuscator_is_reversed(evidence: Evidence) -> Claim:
    """DP Table 4, last columns, and Fig. 7: a fresh reconstructor inverts what everybody must have."""
    metric, plain = f"ssim{evidence.window}", evidence.protected_by("none")
    found = []
    for spy, victim, attack in evidence.attacks:
        if attack == LEAKED and victim in evidence.protected_by("obfuscator") and plain:
            found.append(
                Comparison(
                    f"{attack} on {victim}: at least {REVERSED:g} of its SSIM on {plain[0]}",
                    NOT_BELOW,
                    difference(
                        evidence.attacked(spy, victim, attack, metric),
                        evidence.attacked(spy, plain[0], attack, metric),
                        times=REVERSED,
                    ),
                    missing=f"no SSIM of {attack} on {victim} or {plain[0]}",
                )
            )
    sentence = '"reversing the obfuscator of DeepObfuscator also achieves great reconstruction quality" (4.2.3)'
    return Claim("a shared obfuscator is reversed", sentence, tuple(found))


def denied_is_measured(evidence: Evidence) -> Claim:
    """Ours: the cells where the paper says that sharing is denied hold what the attacks reach."""
    metric = f"ssim{evidence.window}"
    found = [
        evidence.single_attack(f"{attack} on {victim} has a figure", spy, victim, attack, metric, Region())
        for spy, victim, attack in evidence.attacks
        if victim in evidence.poisoners
    ]
    return Claim("nothing is denied unmeasured", 'Ours: Table 4 prints "Denied", an assumption', tuple(found))


def obfuscated_images_are_unlike(evidence: Evidence) -> Claim:
    """DeepObfuscator, headline: MS-SSIM of what R makes of obfuscated features is below half of that of plain ones."""
    found = [
        evidence.compare(
            f"{name}: less than half of the MS-SSIM from plain features",
            ("disclosure", name, f"{evidence.ms_ssim}_original"), ("disclosure", name, f"{evidence.ms_ssim}_poisoned"),
            ABOVE, times=2.0, is_points=False,
        )
        for name in evidence.protected_by("obfuscator")
    ]  # fmt: skip
    return Claim("rebuilt images are unlike", "MS-SSIM falls from .9458 to .3175 (abstract)", tuple(found))


def private_attributes_are_guessed(evidence: Evidence) -> Claim:
    """DeepObfuscator, headline: of what a reader knows beyond the more frequent answer, less than half is left."""
    found = []
    for name in evidence.protected_by("obfuscator"):
        plain, fixed, chance = (
            evidence.row(("inference", name, f"privacy_accuracy_{what}")) for what in ("plain", "fixed", "chance")
        )
        found.append(
            Comparison(
                f"{name}: the fixed reader keeps less than half of its lead over guessing",
                ABOVE,
                combination([(0.5, plain), (-1.0, fixed), (0.5, chance)]),
                is_points=True,
                missing=f"no accuracy of private attributes of {name}",
            )
        )
    return Claim(
        "private attributes are guessed", "accuracy of gender falls from 97.36 to 58.85 % (abstract)", tuple(found)
    )


def partners(evidence: Evidence) -> list[tuple[str, str, Adversarial]]:
    """Entities that differ in the weights of (9) alone: who has none, who has some, and the options of the latter."""
    stated = {
        each.name: defense
        for each in evidence.scenario.entities
        for defense in each.defenses
        if isinstance(defense, Adversarial)
    }
    found = []
    for odd, without in stated.items():
        if not without.pixel_weight and not without.perceptual_weight:
            for even, options in stated.items():
                weights = {"pixel_weight": options.pixel_weight, "perceptual_weight": options.perceptual_weight}
                if any(weights.values()) and without.model_copy(update=weights) == options:
                    found.append((odd, even, options))
    return found


def adversarial_training_protects(evidence: Evidence) -> Claim:
    """APT Tables 1 and 3: face and feature similarity below those of the partner without the negative losses."""
    exposure = evidence.scenario.exposure
    decoders = [each.name for each in exposure.decoders] if exposure else []
    metrics = [f"face_similarity[{name}]" for name in decoders] + ["feature_similarity"]
    found = [
        evidence.compare(
            f"{even}: less {metric} than {odd}", ("exposure", odd, metric), ("exposure", even, metric), ABOVE,
            is_points=False,
        )
        for odd, even, _ in partners(evidence)
        for metric in metrics
    ]  # fmt: skip
    sentence = '"more difficult to invert"; Table 1: each even row below its odd partner'
    return Claim("adversarial training protects", sentence, tuple(found))


def adversarial_training_costs_little(evidence: Evidence) -> Claim:
    """APT Table 1: MCC within .05 of the partner's; of those trained for few attributes, MCC of these."""
    found = []
    for odd, even, options in partners(evidence):
        row, metrics = "tables_1_2", ["mcc_poisoned"]
        if options.attributes:
            row, metrics = "exposure", [f"mcc[{name}]" for name in options.attributes]
        found += [
            evidence.compare(
                f"{even}: {metric} within {MCC_KEPT:g} of {odd}", (row, odd, metric), (row, even, metric),
                Region(-MCC_KEPT, MCC_KEPT), is_points=False,
            )
            for metric in metrics
        ]  # fmt: skip
    return Claim("adversarial training costs little", "Table 1: .641 and .612, .651 and .630", tuple(found))


def more_weight_trades_utility_for_privacy(evidence: Evidence) -> Claim:
    """APT Table 2: MCC and similarities fall with the weight of the perceptual distance; an interval may reach over."""
    stated = [
        (defense.perceptual_weight, each.name)
        for each in evidence.scenario.entities
        for defense in each.defenses
        if isinstance(defense, Adversarial)
    ]
    exposure = evidence.scenario.exposure
    decoders = [each.name for each in exposure.decoders] if exposure else []
    keys = [("tables_1_2", "mcc_poisoned"), ("exposure", "feature_similarity")]
    keys += [("exposure", f"face_similarity[{name}]") for name in decoders]
    names = [name for _, name in sorted(stated)]
    found = []
    for row, metric in keys:
        for first, second in pairwise(names):
            found.append(
                evidence.compare(
                    f"{metric}: {second} not above {first}", (row, first, metric), (row, second, metric), NOT_BELOW,
                    is_points=False,
                )
            )  # fmt: skip
    sentence = '"the model becomes more privacy-protecting [...] at the cost of decreased utility"'
    return Claim("weight trades utility for privacy", sentence, tuple(found))


def neighbors_forget_other_attributes(evidence: Evidence) -> Claim:
    """APT Fig. 4: nearest neighbors tell less of an attribute after adversarial training."""
    exposure = evidence.scenario.exposure
    found = [
        evidence.compare(
            f"{even}: neighbors tell no more of {name} than {odd}'s",
            ("exposure", odd, f"knn[{name}]"),
            ("exposure", even, f"knn[{name}]"),
            NOT_BELOW,
        )
        for odd, even, options in partners(evidence)
        for name in (exposure.attributes if exposure else ())
        if name not in options.attributes
    ]
    return Claim("neighbors tell less", "Figure 4: clusters of Eyeglasses dissolve", tuple(found))
