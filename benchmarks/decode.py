"""How long images take to come out of a source, and how much memory that needs, measured on this machine.

    python benchmarks/decode.py [--source creatures|parquet] [--rows N ...] [--side PIXELS]

Two entities hold N private images together, and the oracle all of them. For docs/performance.md.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import describe_machine
from photographs import write_photographs

from collab.runtime.host import Event
from collab.runtime.play import Where, play
from collab.scenario.reader import read_scenario

CLASSES = 4
SHARES = {"a1": 0.9, "a2": 0.1}


def main() -> None:
    """Reads the command line; each size is measured in a fresh process."""
    arguments = argparse.ArgumentParser(description="Times the decode stage of a source, and watches its memory.")
    arguments.add_argument("--source", choices=("creatures", "parquet"), default="creatures")
    arguments.add_argument("--rows", type=int, nargs="+", default=[3000, 30000], help="private images")
    arguments.add_argument("--side", type=int, default=32, help="of the images, in pixels")
    arguments.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.one:
        measure(options.source, options.rows[0], options.side)
        return
    print(describe_machine(), flush=True)
    for rows in options.rows:
        command = [sys.executable, __file__, "--source", options.source, "--side", str(options.side)]
        subprocess.run([*command, "--rows", str(rows), "--one"], check=True)


def measure(source: str, rows: int, side: int) -> None:
    """Plays the decode stage of all participants in this process and prints what it took."""
    with tempfile.TemporaryDirectory(prefix="collab-bench-") as folder:
        data = {"source": source, "image_size": side, "public_images": 64, "test_images": 64}
        if source == "creatures":
            data |= {"classes": CLASSES, "train": 2 * rows, "test": 64 * CLASSES}
        else:
            for seed, (split, count) in enumerate({"train": 2 * rows, "test": 64 * CLASSES}.items()):
                write_photographs(Path(folder) / f"{split}.parquet", [(np.arange(count) % CLASSES, seed)], side)
            data |= {
                "root": folder,
                "train": "train.parquet",
                "test": "test.parquet",
                "image": "image",
                "label": "label",
            }
        file = Path(folder) / "scenario.yaml"
        file.write_text(json.dumps({
            "name": "decode", "about": "Decodes and no more", "data": data,
            "model": {"backbone": "resnet8", "hook": "conv3_1", "pretrain": {"by": "a1"}},
            "entities": [{"name": name, "share": share, "defense": "dpm"} for name, share in SHARES.items()],
            "refinements": [{"row": 1, "own": "images", "share": 1.0}],
        }))  # fmt: skip
        scenario, seconds, peaks = read_scenario(file).scenario, dict[str, float](), dict[str, int]()

        def watch(event: Event) -> None:
            if event["event"] in ("start", "done"):
                peaks[str(event["event"])] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                seconds[str(event["job"])] = float(event.get("seconds", 0))
                if event["event"] == "done" and event["job"] == "decode a1":
                    print(f"{source} {rows:7,} rows: memory + {(peaks['done'] - peaks['start']) >> 10:4} MiB", end="")

        for name in ("decode a1", "decode a2", "decode oracle"):
            play(scenario, Where("inprocess", out=Path(folder) / "runs", only=name), watch)
    entities = seconds["decode a1"] + seconds["decode a2"]
    print(f", entities {entities:6.1f} s, oracle {seconds['decode oracle']:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
