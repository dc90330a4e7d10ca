"""What the values of a row are where it answers about a public image: a distribution over classes, strictly checked."""

from jaxtyping import Float
from torch import Tensor

SLACK = 0.01
"""How far from 1 a sum may be: bfloat16 rounds a probability by up to 1 part in 256, and so at most their sum."""


def find_distribution_mistake(x: Float[Tensor, "rows classes 1 1"]) -> str:
    """What is wrong with rows that are to be distributions; nothing if nothing is. NaN fails every comparison."""
    values = x.flatten(1).double()
    if not len(values) or (bool((values >= 0).all()) and bool(((values.sum(1) - 1).abs() <= SLACK).all())):
        return ""
    low, sums = float(values.min()), values.sum(1)
    return f"answers are no distributions: the least is {low:.4g}, sums reach from {sums.min():.4g} to {sums.max():.4g}"
