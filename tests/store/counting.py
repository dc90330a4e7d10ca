"""Canaries counted by what they are of."""

from collections import Counter

import numpy as np

from collab.store.canaries import Canaries


def count_in(canaries: Canaries, content: bytes | memoryview | np.ndarray) -> Counter[str]:
    """How many different canaries of each name occur in `content`, at whatever offset."""
    return Counter(canaries.names[piece].what for piece in canaries.find_in(content))
