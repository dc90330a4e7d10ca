"""The word that an attack earns, and what it rests on (ATTACKS 3.2)."""

from collections.abc import Mapping, Sequence

from collab.metric import MetricName
from collab.results.catalog import is_share
from collab.results.figure import Figure, average_groups
from collab.results.table import Result

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


Scored = Mapping[str, Result]
"""What one adversary's attack on one victim scored: results by metric."""


def pool(victims: Sequence[Scored], metric: str) -> Figure | None:
    """The mean of a metric over `victims`, of those that have it, as `average_groups` says; None if none has.

    The interval of a share is cut off at 0 and at 1.
    """
    figures = [figure for scored in victims if metric in scored and (figure := scored[metric].figure) is not None]
    if not figures:
        return None
    mean = average_groups(figures)
    return mean.within(0.0, 1.0) if is_share(metric) else mean


def choose_word(victims: Sequence[Scored], control: Figure | None) -> tuple[str, str]:
    """The word of one attack on `victims` and what it rests on; `control` is what its rehearsal gains over a guess."""
    levels = [*_by_images(victims), *_by_shares(victims), *_by_attributes(victims)]
    level, how = max(levels, key=lambda reached: reached[0], default=(0, ""))
    is_blind = bool(_likeness(victims)) and not _leakages(victims)
    if is_blind and level == 0:
        return CANNOT, R_IS_BLIND
    if not levels:
        alarms = pool(victims, "match_sure")
        sure = "nothing was scored" if alarms is None else f"{100 * alarms.value:.0f} % of the rows called sure"
        return NOTHING, sure if alarms is None else f"{sure}, and no candidate is theirs"
    if level == 0 and control is not None and not control.is_above(0):
        return CONTROL_FAILED, f"on a module of its own that it has not seen it gains {control} SSIM over a guess"
    return WORDS[level], how


def pick_leakage(victims: Sequence[Scored]) -> Figure | None:
    """The larger of the leakages by SSIM and by pdist; None where R makes no more of plain features than a guess."""
    return max(_leakages(victims), key=lambda score: score.value, default=None)


def _leakages(victims: Sequence[Scored]) -> list[Figure]:
    scores = (pool(victims, f"leakage[{quantity}]") for quantity in ("ssim_max", "pdist"))
    return [score for score in scores if score is not None]


def _by_images(victims: Sequence[Scored]) -> list[tuple[int, str]]:
    """The word by leakage; where that has no scale, whether images are clearly nearer to the truth than a guess."""
    leakage = pick_leakage(victims)
    if leakage is None:
        likeness = [(name, score) for metric, name in _likeness(victims) if (score := pool(victims, metric))]
        own = next((score for name, score in likeness if name.is_plain), None)
        guesses = (score for name, score in likeness if name.is_guess)
        guess = max(guesses, key=lambda score: score.value, default=None)
        if own is None or guess is None or not own.is_above(guess):
            return []
        return [(1, f"SSIM {own}, and the best guess has {guess}; {R_IS_BLIND}")]
    level = 2 if leakage.value >= BROKEN_LEAKAGE else int(leakage.is_above(0))
    with_scale = sum(any(MetricName.parse(name).quantity == "leakage" for name in each) for each in victims)
    blind = f", of {with_scale} of {len(victims)} victims: of the others {R_IS_BLIND}" * (with_scale < len(victims))
    return [(level, f"leakage {leakage}{blind}")]


def _by_shares(victims: Sequence[Scored]) -> list[tuple[int, str]]:
    levels = []
    gallery = pool(victims, "gallery")
    rank = pool(victims, "rank1[embedding]") or pool(victims, "rank1[pixels]")
    for score, floor, what in (
        (pool(victims, "match_top1"), pool(victims, "match_chance"), "of the rows matched"),
        (rank, gallery and Figure(1 / max(gallery.value, 1)), "of the images re-identified"),
    ):
        if score is not None:
            beyond = score.is_above(floor.value if floor else 0)
            level = 2 if score.value >= BROKEN_MATCHES and beyond else int(beyond)
            levels.append((level, f"{100 * score.value:.0f} % {what}"))
    if (area := pool(victims, "membership_auc")) is not None:
        levels.append((int(area.is_above(0.5)), f"membership told with AUC {area}"))
    return levels


def _by_attributes(victims: Sequence[Scored]) -> list[tuple[int, str]]:
    levels = []
    for metric, name in _names(victims):
        if name.quantity == "attribute_r2" and name.is_plain:
            score, guess = pool(victims, metric), pool(victims, f"{metric}_prior_class_mean")
            if score is not None and guess is not None:
                how = f"{name.setting} read with R² {score.value:.2f} (labels: {guess.value:.2f})"
                levels.append((int(score.is_above(guess)), how))
    return levels


def _likeness(victims: Sequence[Scored]) -> list[tuple[str, MetricName]]:
    """Metrics of the SSIM of the image or its negative: of the attack, of guesses, and their statistics."""
    return [(metric, name) for metric, name in _names(victims) if name.quantity == "ssim_max"]


def _names(victims: Sequence[Scored]) -> list[tuple[str, MetricName]]:
    """All metrics, each once, and their names taken apart."""
    metrics = dict.fromkeys(metric for scored in victims for metric in scored)
    return [(metric, MetricName.parse(metric)) for metric in metrics]
