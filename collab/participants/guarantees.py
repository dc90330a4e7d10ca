"""How an entity tells what is guaranteed of what it published: to a manifest, in numbers, and in words."""

from dataclasses import asdict
from typing import Any

from collab.guarantee import Guarantee, list_outside
from collab.types import Measure


def tell_guarantee(held: Guarantee | None) -> tuple[dict[str, Any], tuple[Measure, ...], dict[str, str]]:
    """A guarantee as a manifest states it, as numbers, and in words; nothing of none."""
    if held is None:
        return {}, (), {}
    outside = list_outside(held)
    names = ("epsilon", "delta", "sensitivity", "noise_multiplier", "steps", "sampling_rate")
    numbers = tuple(Measure(f"dp_{name}", float(getattr(held, name))) for name in names)
    words = {"mechanism": held.mechanism, "unit": held.unit, "outside": "; ".join(outside)}
    return {"guarantee": {**asdict(held), "outside": list(outside)}}, numbers, words
