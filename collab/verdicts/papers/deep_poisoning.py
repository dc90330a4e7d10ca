"""Guo et al., Deep Poisoning, WACV 2021: Tables 1 to 4 and Figure 5; Table 5 is in `deep_poisoning_table_5`."""

from collections.abc import Iterator
from itertools import product

from collab.papers import name_in_papers, paper_tables
from collab.results.table import Result
from collab.scenario.stage_rows import TABLES_1_2
from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, AT_LEAST, NOT_BELOW, Comparison, Region, combine
from collab.verdicts.table import Place, Setup, Table, claim

ENOUGH_IMAGES = 2500
"""Images from which on a DPM is said to cost little: fewer over-fit it (SCIENCE 3)."""
LITTLE = 0.02
LITTLE_RISE = 0.10
"""Of an error, as DPF's Figure 10 is judged (SCIENCE 3)."""
MOST_SSIM = 0.05
LEAST_ORIGINAL_SSIM = 0.5
"""Below it the reconstructor does not invert the featurizer, so that fooling it says nothing (SCIENCE 2.2)."""
LEAST_RATIO = 3.0
STATIONARY = ("gaussian_noise", "gaussian_filter", "mean_filter")
"""Defenses of DP Table 3 that treat all features alike."""
REVERSED = 0.7
"""Share of the unprotected SSIM that reversing a shared obfuscator reaches at least (SCIENCE 3)."""
LEAKED = "leaked_module"


def compare_errors(evidence: Evidence, name: str, why: str = "") -> Comparison:
    """The error on an entity's poisoned features rises by a tenth at most; `why` says that it cannot be compared."""
    expected = f"{name}: error rises by at most {100 * LITTLE_RISE:g} %"
    poisoned, original = evidence.poisoned(name, "poisoned"), evidence.poisoned(name, "original")
    return evidence.compare(
        expected, poisoned, original, Region(high=0.0), times=1 + LITTLE_RISE, is_points=False, incomparable=why
    )


@claim(
    "poisoning costs little",
    '"the achieved performance from the same architecture [...] is quite close" (4.2.1); close: 2 points',
)
def poisoning_costs_little(evidence: Evidence) -> Iterator[Comparison]:
    """Table 1: at most 2 points, or a tenth of an error, for who has enough images."""
    for name in evidence.poisoners:
        few = evidence.images(name)
        is_few = few is not None and few < ENOUGH_IMAGES
        original, poisoned = evidence.poisoned(name, "original"), evidence.poisoned(name, "poisoned")
        why = f"{few} images, the claim is for {ENOUGH_IMAGES} and more" if is_few else ""
        if evidence.main.is_higher_better:
            expected = f"{name}: costs at most {100 * LITTLE:g} points"
            yield evidence.better(expected, original, poisoned, Region(high=LITTLE), incomparable=why)
        else:
            yield compare_errors(evidence, name, why)


@claim("features can be inverted", '"an excellent inverse to the featurizer" (4.2.1); SSIM .5 or more')
def features_can_be_inverted(evidence: Evidence) -> Iterator[Comparison]:
    """Table 2, second and fourth columns: the released reconstructor is an opponent at all."""
    for name in evidence.poisoners:
        expected = f"{name}: SSIM of original features at least {LEAST_ORIGINAL_SSIM:g}"
        key = ("tables_1_2", name, f"ssim{evidence.window}_original")
        yield evidence.single(expected, key, Region(low=LEAST_ORIGINAL_SSIM))


@claim("the reconstructor is fooled", '"the inverse of the featurizer can not recover the images" (4.2.1)')
def reconstructor_is_fooled(evidence: Evidence) -> Iterator[Comparison]:
    """Table 2, third and fifth columns: hardly any SSIM is left, less than a guess scores, and L1 has multiplied."""
    window = evidence.window
    for name in evidence.poisoners:
        poisoned = ("tables_1_2", name, f"ssim{window}_poisoned")
        unrelated = ("c_public", "", f"ssim{window}_prior_unrelated")
        after, before = (("tables_1_2", name, f"l1_{what}") for what in ("poisoned", "original"))
        yield evidence.single(f"{name}: SSIM within ±{MOST_SSIM:g}", poisoned, Region(-MOST_SSIM, MOST_SSIM))
        expected = f"{name}: an unrelated image has more SSIM"
        yield evidence.compare(expected, unrelated, poisoned, ABOVE, is_points=False)
        expected = f"{name}: L1 at least {LEAST_RATIO:g} times that of original features"
        yield evidence.compare(expected, after, before, AT_LEAST, times=LEAST_RATIO, is_points=False)


@claim(
    "the DPM beats perturbations",
    '"more promising results for both remaining image classification performance and defending" (4.2.3)',
)
def dpm_beats_perturbations(evidence: Evidence) -> Iterator[Comparison]:
    """Table 3, upper half: against each perturbation the DPM keeps more accuracy and leaves less to R, both at once."""
    for other, name in product(evidence.protected_by(*STATIONARY), evidence.protected_by("dpm")):
        kept = [evidence.poisoned(each, "poisoned") for each in (name, other)]
        likeness = [("tables_1_2", each, f"ssim{evidence.window}_poisoned") for each in (other, name)]
        yield evidence.better(f"{name}: better {evidence.main.title} than {other}", kept[0], kept[1], ABOVE)
        expected = f"{name}: less SSIM than {other}"
        yield evidence.compare(expected, likeness[0], likeness[1], ABOVE, is_points=False)


@claim(
    "a DPM regains accuracy",
    '"defending against the image reconstruction with minimal loss in classification performance" (4.2.3)',
)
def dpm_regains_what_a_perturbation_costs(evidence: Evidence) -> Iterator[Comparison]:
    """Table 3, lower half: a DPM behind a perturbation regains most, more than half, of what that one costs."""
    main, sign = evidence.main, float(evidence.main.sign)
    for kind in STATIONARY:
        for chained, alone in product(evidence.protected_by(f"{kind}+dpm"), evidence.protected_by(kind)):
            keys = [(chained, "poisoned"), (alone, "poisoned"), (chained, "original")]
            scores = [evidence.row(("tables_1_2", name, f"{main.name}_{state}")) for name, state in keys]
            lead = combine(list(zip((sign, -sign / 2, -sign / 2), scores, strict=True)))
            expected = f"{chained}: nearer to plain features than to {alone}"
            missing = f"no {main.title} of {chained} or {alone}"
            yield Comparison(expected, AT_LEAST, lead, is_points=main.scale == 100, missing=missing)


@claim("the DPM keeps the task", '"the DPM better remains the utility recognition" (4.2.3)')
def dpm_keeps_the_task(evidence: Evidence) -> Iterator[Comparison]:
    """DP Table 4, first column: what C reads from the DPM is no worse than what DeepObfuscator leaves."""
    for dpm, other in product(evidence.poisoners, evidence.protected_by("obfuscator")):
        mine, theirs = (evidence.poisoned(name, "poisoned") for name in (dpm, other))
        yield evidence.compare(f"{dpm}: {evidence.main.name} not below that of {other}", mine, theirs, NOT_BELOW)


@claim("private attributes are hidden", "Table 4: 80.54 falls to 65.07 and 65.95")
def privacy_falls(evidence: Evidence) -> Iterator[Comparison]:
    """DP Table 4, second column, as the paper has it: by the reader that was trained on plain features."""
    for name in evidence.protected_by("obfuscator", "dpm"):
        plain, fixed = (("inference", name, f"privacy_map_{reader}") for reader in ("plain", "fixed"))
        yield evidence.compare(f"{name}: the fixed reader has less mAP than on plain features", plain, fixed, ABOVE)


@claim(
    "a shared obfuscator is reversed",
    '"reversing the obfuscator of DeepObfuscator also achieves great reconstruction quality" (4.2.3)',
)
def shared_obfuscator_is_reversed(evidence: Evidence) -> Iterator[Comparison]:
    """DP Table 4, last columns, and Fig. 7: a fresh reconstructor inverts what everybody must have."""
    metric, plain = f"ssim{evidence.window}", evidence.protected_by("none")
    for spy, victim, attack in evidence.attacks:
        if attack == LEAKED and victim in evidence.protected_by("obfuscator") and plain:
            expected = f"{attack} on {victim}: at least {REVERSED:g} of its SSIM on {plain[0]}"
            hidden, open_ = (evidence.attacked(spy, name, attack, metric) for name in (victim, plain[0]))
            yield evidence.compare(expected, hidden, open_, AT_LEAST, times=REVERSED, is_points=False)


@claim("nothing is denied unmeasured", 'Ours: Table 4 prints "Denied", an assumption')
def denied_is_measured(evidence: Evidence) -> Iterator[Comparison]:
    """Ours: the cells where the paper says that sharing is denied hold what the attacks reach."""
    for spy, victim, attack in evidence.attacks:
        if victim in evidence.poisoners:
            key = evidence.attacked(spy, victim, attack, f"ssim{evidence.window}")
            yield evidence.single(f"{attack} on {victim} has a figure", key, Region())


@claim("each reconstructor inverts plain features", "Figure 5, on original features")
def unseen_reconstructors_invert_plain_features(evidence: Evidence) -> Iterator[Comparison]:
    """Figure 5: each reconstructor is an opponent at all."""
    for spy, victim, attack in evidence.attacks:
        if victim in evidence.protected_by("none"):
            key = evidence.attacked(spy, victim, attack, f"ssim{evidence.window}")
            expected = f"{attack} on {victim}: SSIM at least {LEAST_ORIGINAL_SSIM:g}"
            yield evidence.single(expected, key, Region(low=LEAST_ORIGINAL_SSIM))


@claim(
    "unseen reconstructors are fooled",
    "Figure 5, on poisoned features: reconstructors that the DPM never saw recover nothing",
)
def unseen_reconstructors_are_fooled(evidence: Evidence) -> Iterator[Comparison]:
    """Figure 5: what each shows of poisoned features has less than half of the SSIM that it reaches on plain ones."""
    plain, metric = evidence.protected_by("none"), f"ssim{evidence.window}"
    for spy, victim, attack in evidence.attacks:
        if victim in evidence.poisoners and plain and (spy, plain[0], attack) in evidence.attacks:
            expected = f"{attack} on {victim}: less than half of its SSIM on {plain[0]}"
            open_, hidden = (evidence.attacked(spy, name, attack, metric) for name in (plain[0], victim))
            yield evidence.compare(expected, open_, hidden, ABOVE, times=2.0, is_points=False)


def _beside_the_backbone(evidence: Evidence, result: Result) -> Place | None:
    """Tables 1 and 2: the row of the scenario's backbone, or of resnet101 for another one."""
    if result.row != TABLES_1_2 or result.defense != "dpm":
        return None
    backbone = evidence.scenario.model.backbone
    return backbone if backbone in BACKBONES else "resnet101", result.metric.replace(evidence.window, "")


def _beside_the_defense(evidence: Evidence, result: Result) -> Place | None:
    """Table 3: the row of the defense, by what C and R make of its features."""
    if result.row != TABLES_1_2 or not result.metric.endswith("_poisoned"):
        return None
    return name_in_papers(result.defense or ""), result.metric.replace(evidence.window, "").removesuffix("_poisoned")


BACKBONES = tuple(paper_tables()["dp_table1"].rows)

TABLES = (
    Table("dp_table1", (poisoning_costs_little,), Setup(backbones=BACKBONES), _beside_the_backbone),
    Table(
        "dp_table2",
        (features_can_be_inverted, reconstructor_is_fooled),
        Setup(backbones=BACKBONES),
        _beside_the_backbone,
    ),
    Table("dp_table3", (dpm_beats_perturbations, dpm_regains_what_a_perturbation_costs), place_of=_beside_the_defense),
    Table(
        "dp_table4",
        (dpm_keeps_the_task, privacy_falls, shared_obfuscator_is_reversed, denied_is_measured),
        Setup("celeba", ("vgg16_bn",), "pool2"),
    ),
    Table("dp_fig5", (unseen_reconstructors_invert_plain_features, unseen_reconstructors_are_fooled)),
)
