"""Makes the folders of `tests/golden`, each once for each version of its format: what every later version must read.

`python -m tests.golden.make store|signed|run` refuses to touch one that is there; `made.json` of a run names the
commit and the seed. `tests/store/test_golden.py` and `tests/results/test_golden.py` state what lies there themselves,
and call nothing here.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from collab.runtime.play import Where, play
from collab.scenario.reader import read_scenario
from collab.store.shards import ShardSpec
from collab.store.signing import make_key, write_keys
from collab.store.store import Store
from tests.places import TINY
from tests.playing import SMALL

FEATURIZER = "0123456789abcdef" * 4
X = ((torch.arange(5 * 2 * 3 * 3) % 17 - 8) / 4).view(5, 2, 3, 3)
Y = torch.tensor([0, 2, 1, 2, 2])
KEPT = ("scenario.yaml", "record.json", "results.parquet", "answers.parquet", "ledger.parquet", "store")
"""What of a run is golden: what its pages are drawn from and what was published, without weights and pictures."""


def make_store(root: Path) -> None:
    """One shard of each codec, of five rows, and one that is withdrawn."""
    store = Store(root)
    codecs = {"ann": "float32", "ben": "float16", "cho": "bfloat16", "dee": "int8", "fay": "float16"}
    for entity, codec in codecs.items():
        store.publish(entity, [(X, Y)], ShardSpec((2, 3, 3), codec, 3, FEATURIZER), run="quiet-lake")
    store.withdraw("fay")
    marks = torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0], [1, 1]], dtype=torch.float32)
    store.publish("eve", [(X, marks)], ShardSpec((2, 3, 3), "float16", 2, FEATURIZER, "binary"), run="quiet-lake")


def make_signed(root: Path) -> None:
    """A store of two who sign, one of whom withdraws, with their public keys; nobody keeps the private ones."""
    keys = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ann", "ben"):
            signer = make_key(Path(folder) / name)
            keys[name] = signer.public
            store = Store(root / "store", signer=signer)
            store.publish(name, [(X, Y)], ShardSpec((2, 3, 3), "float16", 3, FEATURIZER), run="quiet-lake")
        store.withdraw("ben")
    write_keys(root, keys)


def make_run(root: Path) -> None:
    """A run of the smallest scenario: drawn creatures, four entities, all rows of Table 5."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = read_scenario(TINY, SMALL).scenario
        played = play(scenario, Where("inprocess", device="cpu", out=Path(folder)), lambda event: None)
        root.mkdir()
        for name in KEPT:
            path = played.run / name
            (shutil.copytree if path.is_dir() else shutil.copy)(path, root / name)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    (root / "made.json").write_text(json.dumps({"commit": commit, "seed": scenario.seed}) + "\n")


if __name__ == "__main__":
    place = Path(__file__).parent / sys.argv[1]
    if place.exists():
        raise SystemExit(f"{place} is there, and is never made again.")
    {"store": make_store, "signed": make_signed, "run": make_run}[sys.argv[1]](place)
