"""What the papers say of their tables in words, as functions over result rows of any data set."""

from collections.abc import Callable, Iterator, Sequence

from collab.verdicts.claims_of_defenses import (
    a_released_module_is_inverted,
    a_secret_module_fools_the_reconstructor,
    dpm_beats_perturbations,
    dpm_regains_what_a_perturbation_costs,
    unseen_reconstructors_are_fooled,
    unseen_reconstructors_invert_plain_features,
)
from collab.verdicts.claims_of_encoders import (
    adversarial_training_costs_little,
    adversarial_training_protects,
    denied_is_measured,
    dpm_keeps_the_task,
    more_weight_trades_utility_for_privacy,
    neighbors_forget_other_attributes,
    obfuscated_images_are_unlike,
    privacy_falls,
    private_attributes_are_guessed,
    shared_obfuscator_is_reversed,
)
from collab.verdicts.claims_of_faces import FACES
from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, NOT_BELOW, Claim, Comparison, Region

ENOUGH_IMAGES = 2500
"""Images from which on a DPM is said to cost little: fewer over-fit it (SCIENCE 3)."""
LITTLE = 0.02
LITTLE_RISE = 0.10
"""Of an error, as DPF's Figure 10 is judged (SCIENCE 3)."""
MOST_SSIM = 0.05
LEAST_ORIGINAL_SSIM = 0.5
"""Below it the reconstructor does not invert the featurizer, so that fooling it says nothing (SCIENCE 2.2)."""
LEAST_RATIO = 3.0


def poisoning_costs_little(evidence: Evidence) -> Claim:
    """Table 1: at most 2 points, or a tenth of an error, for who has enough images."""

    def of(name: str) -> Comparison:
        few = evidence.images(name)
        is_few = few is not None and few < ENOUGH_IMAGES
        original, poisoned = evidence.poisoned(name, "original"), evidence.poisoned(name, "poisoned")
        why = f"{few} images, the claim is for {ENOUGH_IMAGES} and more" if is_few else ""
        if not evidence.main.is_higher_better:
            told = f"{name}: error rises by at most {100 * LITTLE_RISE:g} %"
            return evidence.compare(
                told, poisoned, original, Region(high=0.0), times=1 + LITTLE_RISE, is_points=False, incomparable=why
            )
        told = f"{name}: costs at most {100 * LITTLE:g} points"
        return evidence.better(told, original, poisoned, Region(high=LITTLE), incomparable=why)

    sentence = '"the achieved performance from the same architecture [...] is quite close" (4.2.1); close: 2 points'
    return Claim("poisoning costs little", sentence, tuple(map(of, evidence.poisoners)))


def features_can_be_inverted(evidence: Evidence) -> Claim:
    """Table 2, second and fourth columns: the released reconstructor is an opponent at all."""
    found = tuple(
        evidence.single(
            f"{name}: SSIM of original features at least {LEAST_ORIGINAL_SSIM:g}",
            ("tables_1_2", name, f"ssim{evidence.window}_original"),
            Region(low=LEAST_ORIGINAL_SSIM),
        )
        for name in evidence.poisoners
    )
    return Claim("features can be inverted", '"an excellent inverse to the featurizer" (4.2.1); SSIM .5 or more', found)


def reconstructor_is_fooled(evidence: Evidence) -> Claim:
    """Table 2, third and fifth columns: hardly any SSIM is left, less than a guess scores, and L1 has multiplied."""
    window, found = evidence.window, []
    for name in evidence.poisoners:
        poisoned = ("tables_1_2", name, f"ssim{window}_poisoned")
        unrelated = ("c_public", "", f"ssim{window}_prior_unrelated")
        after, before = (("tables_1_2", name, f"l1_{what}") for what in ("poisoned", "original"))
        found += [
            evidence.single(f"{name}: SSIM within ±{MOST_SSIM:g}", poisoned, Region(-MOST_SSIM, MOST_SSIM)),
            evidence.compare(f"{name}: an unrelated image has more SSIM", unrelated, poisoned, ABOVE, is_points=False),
            evidence.compare(
                f"{name}: L1 at least {LEAST_RATIO:g} times that of original features", after, before, NOT_BELOW,
                times=LEAST_RATIO, is_points=False,
            ),
        ]  # fmt: skip
    sentence = '"the inverse of the featurizer can not recover the images" (4.2.1)'
    return Claim("the reconstructor is fooled", sentence, tuple(found))


def all_images_are_best(evidence: Evidence) -> Claim:
    """Row 5, raw images of all, above every other row."""
    found = evidence.against_extreme("5", max, ABOVE)
    return Claim("all images are best", "Table 5: row 5, all raw images, has 81.1 %, the next best row 62.7 %", found)


def fewest_images_are_worst(evidence: Evidence) -> Claim:
    """Row 4, raw images of the smallest entity, below every other row."""
    sentence = '"the classification performance is severely limited by the number of training images" (4.3)'
    return Claim("fewest images are worst", sentence, evidence.against_extreme("4", min, ABOVE))


def poisoning_costs_something(evidence: Evidence) -> Claim:
    """Row 6, unpoisoned, not below rows 7 and 8."""
    sentence = '"Compared with combining image features directly (row 6), there is certain loss" (4.3)'
    return Claim("plain sharing is no worse", sentence, evidence.pairs([("6", "7"), ("6", "8")], NOT_BELOW))


def everybody_gains(evidence: Evidence) -> Claim:
    """Each pooled row above what its entity reaches from scratch on its own images."""
    pairs = [("7", "1"), ("8", "2"), ("9", "3"), ("10", "3"), ("11", "4"), ("12", "4")]
    sentence = '"much better classification performance than training models based on its own data" (4.3)'
    return Claim("everybody gains", sentence, evidence.pairs(pairs, ABOVE))


def more_peers_bring_more(evidence: Evidence) -> Claim:
    """Row 12, three peers, above row 11, two."""
    sentence = '"when the number of collaborators increases [...] the performance can be further improved" (4.3)'
    return Claim("more peers bring more", sentence, evidence.pairs([("12", "11")], ABOVE))


def sharing_costs_nothing(evidence: Evidence) -> Claim:
    """Ours: what a pool brings beyond own features alone; the papers do not tell it from the released network."""
    found = evidence.against_own(["7", "8", "9", "10", "11", "12"], NOT_BELOW)
    sentence = "Ours: rows start from the released C, so the pool itself must not cost what own features alone reach"
    return Claim("sharing costs nothing", sentence, found)


def logits_share_more(evidence: Evidence) -> Claim:
    """Ours: with equivalence by logits the label is not written into the features, and sharing itself gains."""
    found: tuple[Comparison, ...] = ()
    if evidence.is_by_logits:
        found = evidence.against_own(["7", "8"], ABOVE)
        found += evidence.pairs([("12", "c_public")], NOT_BELOW)
    return Claim("logits share more", "Ours: with equivalence by logits rows 7 and 8 gain over own features", found)


def shuffling_keeps_more(evidence: Evidence) -> Claim:
    """VisualMixer against noise: at an entropy no lower, a network trained on shuffled images is the better one."""
    found = []
    for mixed, noisy in evidence.equally_hidden("visual_mixer", "pixel_noise"):
        keys = [evidence.key(evidence.from_scratch[name], f"{evidence.main.name}_published") for name in (mixed, noisy)]
        entropies = [evidence.row(("tables_1_2", name, evidence.entropy)) for name in (mixed, noisy)]
        is_lower = all(entropies) and (entropies[0].value or 0) < 0.98 * (entropies[1].value or 0)  # type: ignore[union-attr]
        why = f"{mixed} reaches less visual feature entropy than {noisy}" if is_lower else ""
        found.append(evidence.better(f"{mixed} above {noisy}", keys[0], keys[1], ABOVE, incomparable=why))
    sentence = (
        '"Differential Privacy (DP) [...] cannot effectively protect visual features"; shuffling "while incurring '
        'negligible accuracy loss" (abstract); here noise of equal gain in visual feature entropy'
    )
    return Claim("shuffling keeps more", sentence, tuple(found))


def shuffling_hides_images(evidence: Evidence) -> Claim:
    """VisualMixer: what is published is harder to discern than the image by the measure that it goes by."""
    found = tuple(
        evidence.compare(
            f"{name}: entropy above that of the images", ("tables_1_2", name, evidence.entropy),
            ("tables_1_2", name, evidence.entropy.replace("published", "original")), ABOVE, is_points=False,
        )
        for name in evidence.protected_by("visual_mixer")
    )  # fmt: skip
    sentence = '"prevent visual features from being discerned and recognized" (abstract); here by its own measure alone'
    return Claim("shuffling raises entropy", sentence, found)


CLAIMS: dict[str, Sequence[Callable[[Evidence], Claim]]] = {
    "dp_table1": (poisoning_costs_little,),
    "dp_table2": (features_can_be_inverted, reconstructor_is_fooled),
    "dp_table3": (dpm_beats_perturbations, dpm_regains_what_a_perturbation_costs),
    "dp_table4": (dpm_keeps_the_task, privacy_falls, shared_obfuscator_is_reversed, denied_is_measured),
    "do_headline": (obfuscated_images_are_unlike, private_attributes_are_guessed),
    "apt_table1": (
        adversarial_training_protects,
        adversarial_training_costs_little,
        neighbors_forget_other_attributes,
    ),
    "apt_table2": (more_weight_trades_utility_for_privacy,),
    "dp_fig5": (unseen_reconstructors_invert_plain_features, unseen_reconstructors_are_fooled),
    "dpf_fig10": FACES,
    "dpf_fig5": (a_secret_module_fools_the_reconstructor, a_released_module_is_inverted),
    "dp_table5": (
        all_images_are_best,
        fewest_images_are_worst,
        poisoning_costs_something,
        everybody_gains,
        more_peers_bring_more,
        sharing_costs_nothing,
        logits_share_more,
    ),
    "vm_headline": (shuffling_hides_images, shuffling_keeps_more),
}
"""The claims of each table that a scenario may expect; rules at small scale are SCIENCE 3's."""


def claims(tables: Sequence[str], evidence: Evidence) -> Iterator[tuple[str, Claim]]:
    """Every claim of `tables` that says something about this scenario, with its table."""
    for table in tables:
        for claim in CLAIMS[table]:
            found = claim(evidence)
            if found.comparisons:
                yield table, found
