"""Makes `tests/golden/store`, once for each version of the format: files that every later version must read.

`python -m tests.golden.make` refuses to touch one that is there. `tests/store/test_golden.py` states what lies in it
itself, and calls nothing here.
"""

from pathlib import Path

import torch

from collab.store.shards import ShardSpec
from collab.store.store import Store

FEATURIZER = "0123456789abcdef" * 4


def make(root: Path) -> None:
    """One shard of each codec, of five rows, and one that is withdrawn."""
    store = Store(root)
    x = ((torch.arange(5 * 2 * 3 * 3) % 17 - 8) / 4).view(5, 2, 3, 3)
    y = torch.tensor([0, 2, 1, 2, 2])
    codecs = {"ann": "float32", "ben": "float16", "cho": "bfloat16", "dee": "int8", "fay": "float16"}
    for entity, codec in codecs.items():
        store.publish(entity, [(x, y)], ShardSpec((2, 3, 3), codec, 3, FEATURIZER), run="quiet-lake")
    store.withdraw("fay")
    marks = torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0], [1, 1]], dtype=torch.float32)
    store.publish("eve", [(x, marks)], ShardSpec((2, 3, 3), "float16", 2, FEATURIZER, "binary"), run="quiet-lake")


if __name__ == "__main__":
    place = Path(__file__).parent / "store"
    if place.exists():
        raise SystemExit(f"{place} is there, and is never made again.")
    make(place)
