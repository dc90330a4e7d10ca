"""The word that an attack earns, and what it rests on (ATTACKS 3.2)."""

from collections.abc import Sequence

from collab.metric import MetricName
from collab.report.attack_page.scores import Scored, pooled
from collab.results.figure import Figure

BROKEN_LEAKAGE, BROKEN_MATCHES = 0.5, 0.2
"""Where a defense is called broken: half of what plain features disclose, or a fifth of all rows found."""

WORDS = ("not broken by this suite", "leaks", "broken")
"""From the least to the worst; one of the three below stands where nothing of the kind can be said."""

CONTROL_FAILED = "control failed"
"""The attack finds nothing here, nor where it must find something."""

CANNOT = "cannot be judged"
"""Images were rebuilt, no nearer than a guess, but R makes no more of plain features either: leakage has no scale."""

NOTHING = "—"
"""What stands where nothing was scored that could be compared."""

R_IS_BLIND = "R rebuilds nothing from plain features"


def word_of(victims: Sequence[Scored], control: Figure | None) -> tuple[str, str]:
    """The word of one attack on `victims` and what it rests on; `control` is what its rehearsal gains over a guess."""
    told = [*_by_images(victims), *_by_shares(victims), *_by_attributes(victims)]
    level, how = max(told, key=lambda each: each[0], default=(0, ""))
    is_blind = bool(_likeness(victims)) and not _leakages(victims)
    if is_blind and level == 0:
        return CANNOT, R_IS_BLIND
    if not told:
        alarms = pooled(victims, "match_sure")
        sure = "nothing was scored" if alarms is None else f"{100 * alarms.value:.0f} % of the rows called sure"
        return NOTHING, sure if alarms is None else f"{sure}, and no candidate is theirs"
    if level == 0 and control is not None and not control.is_above(0):
        return CONTROL_FAILED, f"on a module of its own that it has not seen it gains {control} SSIM over a guess"
    return WORDS[level], how


def leakage_of(victims: Sequence[Scored]) -> Figure | None:
    """The larger of the leakages by SSIM and by pdist; None where R makes no more of plain features than a guess."""
    return max(_leakages(victims), key=lambda score: score.value, default=None)


def _leakages(victims: Sequence[Scored]) -> list[Figure]:
    found = (pooled(victims, f"leakage[{quantity}]") for quantity in ("ssim_max", "pdist"))
    return [score for score in found if score is not None]


def _by_images(victims: Sequence[Scored]) -> list[tuple[int, str]]:
    """The word by leakage; where that has no scale, whether images are clearly nearer to the truth than a guess."""
    leakage = leakage_of(victims)
    if leakage is None:
        likeness = {name: score for name in _likeness(victims) if (score := pooled(victims, name)) is not None}
        own = [score for name, score in likeness.items() if MetricName.parse(name).is_plain]
        guesses = [score for name, score in likeness.items() if MetricName.parse(name).is_guess]
        guess = max(guesses, key=lambda score: score.value, default=None)
        if not own or guess is None or not own[0].is_above(guess):
            return []
        return [(1, f"SSIM {own[0]}, and the best guess has {guess}; {R_IS_BLIND}")]
    level = 2 if leakage.value >= BROKEN_LEAKAGE else int(leakage.is_above(0))
    with_scale = sum(any(MetricName.parse(name).quantity == "leakage" for name in each) for each in victims)
    blind = f", of {with_scale} of {len(victims)} victims: of the others {R_IS_BLIND}" * (with_scale < len(victims))
    return [(level, f"leakage {leakage}{blind}")]


def _by_shares(victims: Sequence[Scored]) -> list[tuple[int, str]]:
    told = []
    gallery = pooled(victims, "gallery")
    rank = pooled(victims, "rank1[embedding]") or pooled(victims, "rank1[pixels]")
    for score, floor, what in (
        (pooled(victims, "match_top1"), pooled(victims, "match_chance"), "of the rows matched"),
        (rank, gallery and Figure(1 / max(gallery.value, 1)), "of the images re-identified"),
    ):
        if score is not None:
            beyond = score.is_above(floor.value if floor else 0)
            level = 2 if score.value >= BROKEN_MATCHES and beyond else int(beyond)
            told.append((level, f"{100 * score.value:.0f} % {what}"))
    if (area := pooled(victims, "membership_auc")) is not None:
        told.append((int(area.is_above(0.5)), f"membership told with AUC {area}"))
    return told


def _by_attributes(victims: Sequence[Scored]) -> list[tuple[int, str]]:
    told = []
    for name in _names(victims):
        if name.quantity == "attribute_r2" and name.is_plain:
            metric = f"attribute_r2[{name.setting}]"
            score, prior = pooled(victims, metric), pooled(victims, f"{metric}_prior_class_mean")
            if score is not None and prior is not None:
                beyond = score.is_above(prior)
                told.append((int(beyond), f"{name.setting} read with R² {score.value:.2f} (labels: {prior.value:.2f})"))
    return told


def _likeness(victims: Sequence[Scored]) -> list[str]:
    """Metrics of the SSIM of the image or its negative: of the attack, of guesses, and their statistics."""
    names = dict.fromkeys(name for each in victims for name in each)
    return [name for name in names if MetricName.parse(name).quantity == "ssim_max"]


def _names(victims: Sequence[Scored]) -> list[MetricName]:
    """The names of all metrics, each once."""
    return [MetricName.parse(name) for name in dict.fromkeys(name for each in victims for name in each)]
