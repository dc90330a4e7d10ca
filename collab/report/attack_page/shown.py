"""What each entity's features show: to the released reconstructor, and to the attack with the nearest images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from collab.metric import MetricName
from collab.results.results import Results
from collab.results.table import Result
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


def find_disclosure(results: Results, name: str, pictures: Mapping[str, Pictures]) -> Disclosure | None:
    """Of one entity; None if its features were not given to R before and after they were poisoned."""
    original, poisoned = (results.like("tables_1_2", name, "ssim", of) for of in ("original", "poisoned"))
    if original is None or poisoned is None or original.value is None or poisoned.value is None:
        return None
    guess = results.like("c_public", None, "ssim", "prior_class_mean")
    attack, attack_guess = find_nearest(
        [each for each in results.attacks if each.entity == name and each.value is not None]
    )
    seen = pictures.get(name)
    worst = float(seen.ssim_poisoned.max()) if seen is not None and len(seen) else None
    return Disclosure(name, original, poisoned, guess, worst, attack, attack_guess)


def find_nearest(attacks: Sequence[Result]) -> tuple[Result | None, Result | None]:
    """The largest mean SSIM of an attack, and the best guess about the images that it was tried on."""
    names = [(MetricName.parse(result.metric), result) for result in attacks]
    likeness = [(name, result) for name, result in names if name.quantity == "ssim_max"]
    attack = _pick_largest(result for name, result in likeness if name.is_plain)
    guesses = [result for name, result in likeness if name.is_guess]
    key = attack and (attack.row, attack.entity, attack.attack)
    return attack, _pick_largest(each for each in guesses if (each.row, each.entity, each.attack) == key)


def _pick_largest(results: Iterable[Result]) -> Result | None:
    return max(results, key=lambda result: result.value or 0, default=None)


def describe_disclosure(shown: Sequence[Disclosure]) -> str:
    """Sentences about what R and attacks rebuild; what it is worth, only a verdict of the audit says."""
    if not shown:
        return "What the reconstructor shows was not measured: no entity poisoned anything."
    most = max(shown, key=lambda disclosure: disclosure.poisoned.value or 0)
    original, published = most.original.value or 0, most.poisoned.value or 0
    sentences = (
        f"The released reconstructor rebuilds images with SSIM {original:.3f} from features as they are, and with "
        f"{published:.3f} at the most ({most.entity}) from what is published"
    )
    if most.guess and most.guess.value is not None:
        than = "more than the" if published > most.guess.value else "less than the"
        sentences += f", {than} {most.guess.value:.3f} of a guess that knows only the class"
    sentences += " (1: the same image)."
    worst = max((each for each in shown if each.worst is not None), key=lambda each: each.worst or 0, default=None)
    if worst is not None:
        sentences += f" The worst single image reaches {worst.worst:.3f} ({worst.entity})."
    nearest = max(shown, key=lambda each: each.attack.value or 0 if each.attack else -2)
    if nearest.attack is not None:
        sentences += (
            f" The nearest images of an attack reach SSIM {nearest.attack.value:.3f} on the average "
            f"({nearest.attack.attack} on {nearest.entity})"
        )
        if nearest.attack_guess is not None:
            sentences += f"; the best guess about them has {nearest.attack_guess.value:.3f}"
        sentences += "."
    return sentences
