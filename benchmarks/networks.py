"""The papers' networks through the whole regime for a few steps: how fast each step goes, and how much memory it needs.

    python benchmarks/networks.py [--backbones NAME ...] [--images N] [--side PIXELS]

Two entities hold N drawn images each; one pre-trains, both poison and publish, one refines, for an epoch each. Figures
are of time and memory alone: nothing is learned in so few steps. For docs/performance.md.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import describe_machine

from collab.runtime.play import Where, play
from collab.scenario.reader import read_scenario

HOOKS = {
    "resnet50": "conv4_1", "resnet101": "conv4_1", "resnext50_32x4d": "conv4_1", "densenet121": "conv4_1",
    "vgg16_bn": "pool4",
}  # fmt: skip
"""Where each is split: between its third and fourth stage, or as near as it has a hook."""

STAGES = {
    "pretrain a1": "pretrain",
    "reconstruct a1": "reconstruct",
    "poison a2": "poison",
    "refine a2 row 2": "refine",
}
SCENARIO = """
name: networks
about: "One of the papers' networks for a few steps"
data: {source: creatures, image_size: SIDE, classes: 4, train: TRAIN, test: 16, public_images: IMAGES}
model:
  backbone: BACKBONE
  hook: HOOK
  pretrain: {by: a1, epochs: 1, batch_size: 16, optimizer: adamw, learning_rate: 1.0e-4}
reconstructor: {kind: px2s4, epochs: 1, batch_size: 16}
entities:
  - {name: a1, share: 0.5, defense: {kind: dpm, epochs: 1, batch_size: 16}}
  - {name: a2, share: 0.5, defense: {kind: dpm, epochs: 1, batch_size: 16}}
refine: {epochs: 1, batch_size: 16, optimizer: adamw, learning_rate: 1.0e-4}
refinements: [{row: 1, entity: a1, own: images}, {row: 2, entity: a2, own: features, pool: [a1]}]
controls: false
"""


def main() -> None:
    """Reads the command line; each network is measured in a fresh process."""
    arguments = argparse.ArgumentParser(description="Plays networks of the papers for a few steps.")
    arguments.add_argument("--backbones", choices=tuple(HOOKS), nargs="+", default=list(HOOKS))
    arguments.add_argument("--images", type=int, default=128, help="of each entity, and public ones")
    arguments.add_argument("--side", type=int, default=64, help="of the images, in pixels")
    arguments.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.one:
        measure(options.backbones[0], options.images, options.side)
        return
    print(describe_machine(), flush=True)
    for backbone in options.backbones:
        command = [sys.executable, __file__, "--images", str(options.images), "--side", str(options.side)]
        subprocess.run([*command, "--backbones", backbone, "--one"], check=True)


def measure(backbone: str, images: int, side: int) -> None:
    """Plays one network in this process and prints images a second by stage, and the process's most memory."""
    stated = {"BACKBONE": backbone, "HOOK": HOOKS[backbone], "SIDE": side, "TRAIN": 4 * images, "IMAGES": images}
    text = SCENARIO
    for word, value in stated.items():
        text = text.replace(word, str(value))
    with tempfile.TemporaryDirectory(prefix="collab-bench-") as folder:
        file = Path(folder) / "networks.yaml"
        file.write_text(text, encoding="utf-8")
        played = play(read_scenario(file).scenario, Where("inprocess", out=Path(folder)), lambda event: None)
        record = json.loads((played.run / "record.json").read_text(encoding="utf-8"))
    rows = {"pretrain": images, "reconstruct": images, "poison": images, "refine": 2 * images}
    rates = {stage: rows[stage] / record["jobs"][job]["seconds"] for job, stage in STAGES.items()}
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = ", ".join(f"{stage} {rate:.1f}" for stage, rate in rates.items())
    print(f"{backbone} at {HOOKS[backbone]}, {side} px: images/s: {told}; at most {most:,.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
