"""What each entity's features show: to the released reconstructor, and to the attack with the nearest images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collab.metric import MetricName
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import difference
from collab.store.pictures import Pictures


@dataclass(frozen=True)
class Disclosure:
    """What the released reconstructor shows of held-out images, and the nearest images that an attack rebuilt.

    `original` and `poisoned` are SSIMs of R's images from features as they are and as published, `guess` that of the
    mean image of the class. `attack` is the largest mean SSIM of the image or its negative that an attack on what the
    entity published has, `attack_guess` that of the best guess from labels about the same images.
    """

    entity: str
    original: Result
    poisoned: Result
    guess: Result | None
    worst: float | None
    attack: Result | None
    attack_guess: Result | None

    @property
    def is_above_a_guess(self) -> bool:
        """Whether what R makes of published features is clearly nearer to the truth than a guess from labels."""
        change = difference(self.poisoned, self.guess) if self.guess is not None else None
        return change is not None and change.direction > 0


def disclosure_of(found: Results, name: str, pictures: Mapping[str, Pictures]) -> Disclosure | None:
    """Of one entity; None if its features were not given to R before and after they were poisoned."""
    original, poisoned = (found.like("tables_1_2", name, "ssim", of) for of in ("original", "poisoned"))
    if original is None or poisoned is None or original.value is None or poisoned.value is None:
        return None
    guess = found.like("c_public", None, "ssim", "prior_class_mean")
    attack, beside = _nearest([row for row in found.attacks if row.entity == name and row.value is not None])
    seen = pictures.get(name)
    worst = float(seen.ssim_poisoned.max()) if seen is not None and len(seen) else None
    return Disclosure(name, original, poisoned, guess, worst, attack, beside)


def _nearest(attacks: Sequence[Result]) -> tuple[Result | None, Result | None]:
    """The largest mean SSIM of an attack, and the best guess about the images that it was tried on."""
    likeness = [(MetricName.parse(row.metric), row) for row in attacks]
    plain = [row for name, row in likeness if name.quantity == "ssim_max" and name.is_plain]
    attack = max(plain, key=lambda row: row.value or 0, default=None)
    guesses = [
        row for name, row in likeness
        if attack is not None and (row.row, row.attack) == (attack.row, attack.attack)
        and name.quantity == "ssim_max" and name.is_guess
    ]  # fmt: skip
    return attack, max(guesses, key=lambda row: row.value or 0, default=None)


def disclosed(shown: Sequence[Disclosure]) -> str:
    """Sentences about what R and attacks rebuild; what it is worth, only a verdict of the audit says."""
    if not shown:
        return "What the reconstructor shows was not measured: no entity poisoned anything."
    most = max(shown, key=lambda each: each.poisoned.value or 0)
    original, published = most.original.value or 0, most.poisoned.value or 0
    told = (
        f"The released reconstructor rebuilds images with SSIM {original:.3f} from features as they are, and with "
        f"{published:.3f} at the most ({most.entity}) from what is published"
    )
    if most.guess and most.guess.value is not None:
        than = "more than the" if published > most.guess.value else "less than the"
        told += f", {than} {most.guess.value:.3f} of a guess that knows only the class"
    told += " (1: the same image)."
    worst = max((each for each in shown if each.worst is not None), key=lambda each: each.worst or 0, default=None)
    if worst is not None:
        told += f" The worst single image reaches {worst.worst:.3f} ({worst.entity})."
    nearest = max(shown, key=lambda each: each.attack.value or 0 if each.attack else -2)
    if nearest.attack is not None:
        told += (
            f" The nearest images of an attack reach SSIM {nearest.attack.value:.3f} on the average "
            f"({nearest.attack.attack} on {nearest.entity})"
        )
        if nearest.attack_guess is not None:
            told += f"; the best guess about them has {nearest.attack_guess.value:.3f}"
        told += "."
    return told
