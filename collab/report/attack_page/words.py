"""The word that an attack earns, and what it rests on (ATTACKS 3.2)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from collab.metric import MetricName
from collab.results.catalog import is_share
from collab.results.figure import Figure, add_figures, average_groups
from collab.results.table import Result

BROKEN_LEAKAGE, BROKEN_MATCHES = 0.5, 0.2
"""Where a defense is called broken: half of what plain features disclose, or a fifth of all rows found."""

WORDS = ("not broken by this suite", "leaks", "broken")
"""From the least to the worst; one of the three below stands where nothing of the kind can be said."""

LEAKAGES = ("leakage[ssim_max]", "leakage[pdist]")
"""Normalized leakage, by both distances that it is measured with."""

CONTROL_FAILED = "control failed"
"""The attack finds nothing here, nor where it must find something."""

CANNOT = "cannot be judged"
"""Images were rebuilt, no nearer than a guess, and plain features show no more than that: leakage has no scale."""

NOTHING = "—"
"""What stands where nothing was scored that could be compared."""

NO_SCALE = "plain features show no more than a guess"


FOUND = "membership_tpr[1]"
"""Members that an attack finds at 1 % false alarms."""

Scored = Mapping[str, Result]
"""What one adversary's attack on one victim scored: results by metric."""


@dataclass(frozen=True)
class Look:
    """One thing that an attack may have found, and what would be said of it.

    `chance` is the one-sided p of its score where there is nothing to find: an audit looks many times, and holds each
    against the number of looks. `is_large` where the score itself is what a broken defense has.
    """

    chance: float
    is_large: bool
    how: str

    def level(self, *, is_clear: bool) -> int:
        """Its word in `WORDS`: what chance may have made says nothing, however large."""
        return (2 if self.is_large else 1) if is_clear else 0


def pool(
    victims: Sequence[Scored], metric: str, average: Callable[[list[Figure]], Figure] = average_groups
) -> Figure | None:
    """The mean of a metric over `victims`, of those that have it, as `average` says; None if none has.

    Its interval speaks of other victims too, where these differ. Of a share it is cut off at 0 and at 1.
    """
    figures = [figure for scored in victims if metric in scored and (figure := scored[metric].figure) is not None]
    if not figures:
        return None
    mean = average(figures)
    return mean.within(0.0, 1.0) if is_share(metric) else mean


def pool_these(victims: Sequence[Scored], metric: str) -> Figure | None:
    """The same with an interval over the images of these victims alone: what they gave away, whoever comes next."""
    return pool(victims, metric, lambda figures: add_figures([1 / len(figures) * figure for figure in figures]))


def pool_members(victims: Sequence[Scored]) -> Figure | None:
    """The share of members that an attack finds at 1 % false alarms, mean over `victims`, by Wilson's interval.

    The interval takes the threshold, which others set, for known.
    """
    from collab.metrics.intervals import share_interval  # only where attacks are judged: it imports scipy

    figures = []
    for scored in victims:
        found = scored.get(FOUND)
        if found is not None and found.value is not None and found.n:
            figures.append(Figure(found.value, *share_interval(round(found.value * found.n), found.n), found.n))
    return average_groups(figures).within(0.0, 1.0) if figures else None


def choose_word(
    victims: Sequence[Scored], looks: Sequence[Look], clear: Sequence[bool], control: Figure | None
) -> tuple[str, str]:
    """The word of one attack on `victims` and what it rests on: of its `looks`, those that are `clear`.

    `control` is what its rehearsal gains over a guess.
    """
    levels = [(look.level(is_clear=is_clear), look.how) for look, is_clear in zip(looks, clear, strict=True)]
    level, how = max(levels, key=lambda reached: reached[0], default=(0, ""))
    is_blind = bool(_likeness(victims)) and not _leakages(victims)
    if is_blind and level == 0:
        return CANNOT, NO_SCALE
    if not levels:
        alarms = pool(victims, "match_sure")
        sure = "nothing was scored" if alarms is None else f"{100 * alarms.value:.0f} % of the rows called sure"
        return NOTHING, sure if alarms is None else f"{sure}, and no candidate is theirs"
    if level == 0 and control is not None and not control.is_above(0):
        return CONTROL_FAILED, f"on a module of its own that it has not seen it gains {control} over a guess"
    return WORDS[level], how


def list_looks(victims: Sequence[Scored]) -> list[Look]:
    """All that one attack on `victims` may have found: images, who and what was matched, attributes."""
    return [*_by_images(victims), *_by_shares(victims), *_by_attributes(victims)]


def pick_leakage(victims: Sequence[Scored]) -> Figure | None:
    """The larger of the leakages by SSIM and by pdist; None where plain features show no more than a guess."""
    scores = (pool(victims, metric) for metric in LEAKAGES)
    return max(filter(None, scores), key=lambda score: score.value, default=None)


def _leakages(victims: Sequence[Scored]) -> list[Figure]:
    return [score for metric in LEAKAGES if (score := pool_these(victims, metric)) is not None]


def _by_images(victims: Sequence[Scored]) -> list[Look]:
    """Leakage; where that has no scale, how much nearer to the truth images are than a guess."""
    leakages = _leakages(victims)
    if not leakages:
        likeness = [(name, score) for metric, name in _likeness(victims) if (score := pool_these(victims, metric))]
        own = next((score for name, score in likeness if name.is_plain), None)
        guesses = (score for name, score in likeness if name.is_guess)
        guess = max(guesses, key=lambda score: score.value, default=None)
        if own is None or guess is None:
            return []
        chance = (own - guess).chance_above(0.0)
        return [Look(chance, False, f"SSIM {own}, and the best guess has {guess}; {NO_SCALE}")]
    with_scale = sum(any(MetricName.parse(name).quantity == "leakage" for name in each) for each in victims)
    blind = f", of {with_scale} of {len(victims)} victims: of the others {NO_SCALE}" * (with_scale < len(victims))
    # The larger of two was picked: both are looks.
    return [
        Look(each.chance_above(0.0), each.value >= BROKEN_LEAKAGE, f"leakage {each}{blind}")
        for each in sorted(leakages, key=lambda score: -score.value)
    ]


def _by_shares(victims: Sequence[Scored]) -> list[Look]:
    looks = []
    gallery = pool_these(victims, "gallery")
    rank = pool_these(victims, "rank1[embedding]") or pool_these(victims, "rank1[pixels]")
    for score, floor, what in (
        (pool_these(victims, "match_top1"), pool_these(victims, "match_chance"), "of the rows matched"),
        (rank, gallery and Figure(1 / max(gallery.value, 1)), "of the images re-identified"),
    ):
        if score is not None:
            chance = score.chance_above(floor.value if floor else 0.0)
            looks.append(Look(chance, score.value >= BROKEN_MATCHES, f"{100 * score.value:.0f} % {what}"))
    if (area := pool_these(victims, "membership_auc")) is not None:
        looks.append(Look(area.chance_above(0.5), False, f"membership told with AUC {area}"))
    return looks


def _by_attributes(victims: Sequence[Scored]) -> list[Look]:
    looks = []
    for metric, floor, what in (
        ("attribute_map", "attribute_map_prior_heldout", "private attributes read with mAP"),
        ("nearest_same", "nearest_same_chance", "nearest rows of one individual:"),
    ):
        score, guess = pool_these(victims, metric), pool_these(victims, floor)
        if score is not None and guess is not None:
            how = f"{what} {100 * score.value:.0f} % (guess: {100 * guess.value:.0f} %)"
            looks.append(Look((score - guess).chance_above(0.0), False, how))
    for metric, name in _names(victims):
        if name.quantity == "attribute_r2" and name.is_plain:
            score, guess = pool_these(victims, metric), pool_these(victims, f"{metric}_prior_class_mean")
            if score is not None and guess is not None:
                how = f"{name.setting} read with R² {score.value:.2f} (labels: {guess.value:.2f})"
                looks.append(Look((score - guess).chance_above(0.0), False, how))
    return looks


def _likeness(victims: Sequence[Scored]) -> list[tuple[str, MetricName]]:
    """Metrics of the SSIM of the image or its negative: of the attack, of guesses, and their statistics."""
    return [(metric, name) for metric, name in _names(victims) if name.quantity == "ssim_max"]


def _names(victims: Sequence[Scored]) -> list[tuple[str, MetricName]]:
    """All metrics, each once, and their names taken apart."""
    metrics = dict.fromkeys(metric for scored in victims for metric in scored)
    return [(metric, MetricName.parse(metric)) for metric in metrics]
