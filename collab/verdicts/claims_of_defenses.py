"""What the papers say of defenses beside one another, and of reconstructors that they were not trained against."""

from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, NOT_BELOW, Claim, Comparison, Region, combination, difference

STATIONARY = ("gaussian_noise", "gaussian_filter", "mean_filter")
"""Defenses of DP Table 3 that treat all features alike."""


LEAST_PLAIN_SSIM = 0.5
"""Below it a reconstructor does not invert plain features, and proves nothing of others (SCIENCE 2.2)."""
BROKEN = 0.5
"""Normalized leakage from which on a defense is called broken (ATTACKS 3.2)."""


def dpm_beats_perturbations(evidence: Evidence) -> Claim:
    """Table 3, upper half: against each perturbation the DPM keeps more accuracy and leaves less to R, both at once."""
    found = []
    for other in evidence.protected_by(*STATIONARY):
        for name in evidence.protected_by("dpm"):
            kept = [evidence.poisoned(each, "poisoned") for each in (name, other)]
            likeness = [("tables_1_2", each, f"ssim{evidence.window}_poisoned") for each in (other, name)]
            found += [
                evidence.better(f"{name}: better {evidence.main.title} than {other}", kept[0], kept[1], ABOVE),
                evidence.compare(f"{name}: less SSIM than {other}", likeness[0], likeness[1], ABOVE, is_points=False),
            ]
    sentence = '"more promising results for both remaining image classification performance and defending" (4.2.3)'
    return Claim("the DPM beats perturbations", sentence, tuple(found))


def dpm_regains_what_a_perturbation_costs(evidence: Evidence) -> Claim:
    """Table 3, lower half: a DPM behind a perturbation regains most, more than half, of what that one costs."""
    main, sign = evidence.main, float(evidence.main.sign)
    found = []
    for kind in STATIONARY:
        for chained in evidence.protected_by(f"{kind}+dpm"):
            for alone in evidence.protected_by(kind):
                keys = [(chained, "poisoned"), (alone, "poisoned"), (chained, "original")]
                with_dpm, without, plain = (
                    evidence.row(("tables_1_2", who, f"{main.name}_{what}")) for who, what in keys
                )
                found.append(
                    Comparison(
                        f"{chained}: nearer to plain features than to {alone}",
                        NOT_BELOW,
                        combination([(sign, with_dpm), (-sign / 2, without), (-sign / 2, plain)]),
                        is_points=main.scale == 100,
                        missing=f"no {main.title} of {chained} or {alone}",
                    )
                )
    sentence = '"defending against the image reconstruction with minimal loss in classification performance" (4.2.3)'
    return Claim("a DPM regains accuracy", sentence, tuple(found))


def unseen_reconstructors_invert_plain_features(evidence: Evidence) -> Claim:
    """Figure 5: each reconstructor is an opponent at all."""
    metric = f"ssim{evidence.window}"
    found = [
        evidence.single_attack(f"{attack} on {victim}: SSIM at least {LEAST_PLAIN_SSIM:g}", spy, victim, attack, metric,
                               Region(low=LEAST_PLAIN_SSIM))
        for spy, victim, attack in evidence.attacks
        if victim in evidence.protected_by("none")
    ]  # fmt: skip
    return Claim("each reconstructor inverts plain features", "Figure 5, on original features", tuple(found))


def unseen_reconstructors_are_fooled(evidence: Evidence) -> Claim:
    """Figure 5: what each shows of poisoned features has less than half of the SSIM that it reaches on plain ones."""
    plain, metric, found = evidence.protected_by("none"), f"ssim{evidence.window}", []
    for spy, victim, attack in evidence.attacks:
        if victim in evidence.poisoners and (spy, plain[0] if plain else "", attack) in evidence.attacks:
            rows = [evidence.attacked(spy, who, attack, metric) for who in (plain[0], victim)]
            found.append(
                Comparison(
                    f"{attack} on {victim}: less than half of its SSIM on {plain[0]}",
                    ABOVE,
                    difference(rows[0], rows[1], times=2.0),
                    missing=f"no SSIM of {attack}",
                )
            )
    sentence = "Figure 5, on poisoned features: reconstructors that the DPM never saw recover nothing"
    return Claim("unseen reconstructors are fooled", sentence, tuple(found))


def a_secret_module_fools_the_reconstructor(evidence: Evidence) -> Claim:
    """The released R alone gets nothing from who keeps the module, whether or not another one leaked."""
    metric = f"ssim{evidence.window}"
    found = [
        Comparison(
            f"{attack} on {victim}: a guess from labels has more SSIM",
            ABOVE,
            difference(
                evidence.attacked(spy, victim, attack, f"{metric}_prior_class_mean"),
                evidence.attacked(spy, victim, attack, metric),
            ),
            missing=f"no SSIM of {attack}",
        )
        for spy, victim, attack in evidence.attacks
        if attack == "straw_man" and victim in evidence.poisoners
    ]
    return Claim("the released R is fooled", "without the module there are no pairs to train on (4.3)", tuple(found))


def a_released_module_is_inverted(evidence: Evidence) -> Claim:
    """The secondary attack: a fresh reconstructor, trained on what the released module makes of public images."""
    found = [
        evidence.single_attack(f"{attack} on {victim}: leakage at least {BROKEN:g}", spy, victim, attack,
                               "leakage[ssim_max]", Region(low=BROKEN))
        for spy, victim, attack in evidence.attacks
        if attack.startswith("leaked_module")
    ]  # fmt: skip
    sentence = "a reconstructor trained on the released module recovers the images; partial release denies it"
    return Claim("a released module is inverted", sentence, tuple(found))
