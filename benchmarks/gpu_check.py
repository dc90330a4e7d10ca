"""What a GPU makes of our trainings, in one call of under 8 minutes: the table of docs/performance.md, as Markdown.

    scripts/gpu_check                        # on a machine with a GPU and torch; needs no registry and no images
    scripts/gpu_check --device cpu --quick   # at toy size, as a check that it runs

First whether replayed, streamed and eager steps come to the same bits, and how often a step copies between host and
device; then steps per second of each training, at the default scenario's size and at the paper's; then the default
scenario as a whole, with graphs and without. A part that fails says so, and the next one is played. Exit code 1 where
bits differ or a part failed. Has not run on a GPU yet.
"""

import argparse
import copy
import os
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from collab.defenses.dpm_network import build_dpm
from collab.models.backbones import build_split, feature_shape
from collab.models.freeze import freeze
from collab.models.reconstructors import build_reconstructor
from collab.seeding import Stream
from collab.training import columns, recipes
from collab.training.feeds import FeatureFeed, ImageSet, InMemory
from collab.training.loop import Recipe
from collab.training.poisoning import Poisoning, train_dpm
from collab.training.precision import Compute, resolve_compute
from collab.training.progress import Progress
from collab.types import OptimizerName

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 440.0
"""After so many nothing more is begun."""
EPOCHS = 4
"""Epochs in which copies are counted: enough that graphs are recorded at half of the rows and at all of them."""
STREAM = Stream(0, "gpu", "check")
BEGAN = time.monotonic()


@dataclass(frozen=True)
class Size:
    """What is measured on: a network and where it is split, and how much of it."""

    backbone: str
    hook: str
    width: int | None
    side: int
    classes: int
    batch: int
    steps: int
    epochs: int
    optimizer: OptimizerName = "muon"


TOY = Size("resnet8", "conv2_1", 4, 16, 3, 4, 5, 3)
DEFAULT = Size("resnet8", "conv2_1", 16, 32, 10, 32, 60, 6)
PAPER = Size("resnet101", "conv4_1", None, 224, 500, 64, 12, 3, "sgd")


class Bench:
    """Networks and random rows of one size, and the trainings of the regime on them."""

    def __init__(self, size: Size, device: torch.device) -> None:
        self.size, self.device = size, device
        torch.manual_seed(0)
        rows, rng = size.batch * size.steps, np.random.default_rng(0)
        pixels = rng.integers(0, 256, (rows, 3, size.side, size.side), dtype=np.uint8)
        self.images = ImageSet(pixels, rng.integers(0, size.classes, rows))
        split = build_split(size.backbone, size.hook, classes=size.classes, width=size.width)
        self.shape = feature_shape(split.featurizer, size.side)
        self.features = torch.rand(rows, *self.shape).half()
        self.networks: Mapping[str, nn.Module] = {
            "whole": nn.Sequential(split.featurizer, split.decider),
            "decider": split.decider,
            "reconstructor": build_reconstructor("px2s2", self.shape, size.side),
            "dpm": build_dpm(self.shape[0]),
        }

    def train(self, name: str, compute: Compute, epochs: int, progress: Progress, rows: int | None = None) -> nn.Module:
        """The network after a training of this name, from the same weights each time, on the first `rows` rows."""
        rows = rows or len(self.images)
        images = ImageSet(self.images.images[:rows], self.images.labels[:rows])
        shard = InMemory(self.features[:rows], torch.from_numpy(images.labels))
        feed = FeatureFeed([shard], self.shape, self.size.batch, self.device)
        recipe = Recipe(epochs, self.size.batch, self.size.optimizer, 1e-3, augment=True)
        nets = {part: copy.deepcopy(net).requires_grad_(True) for part, net in self.networks.items()}
        how = {"stream": STREAM, "compute": compute, "progress": progress}
        match name:
            case "classifier":
                recipes.train_classifier(nets["whole"], images, recipe, **how)
                return nets["whole"]
            case "R":
                recipes.train_reconstructor(nets["reconstructor"], feed, images, recipe, **how)
                return nets["reconstructor"]
            case "DPM":
                frozen = freeze(nets["decider"]), freeze(nets["reconstructor"])
                stored = replace(recipe, augment=False)
                train_dpm(nets["dpm"], feed, images, *frozen, Poisoning("labels", "abs", 1.0), stored, **how)
                return nets["dpm"]
            case _:
                recipes.refine_decider(nets["decider"], feed, recipe, bn="update", **how)
                return nets["decider"]


TRAININGS = "classifier", "R", "DPM", "refine"


@contextmanager
def streamed(is_streamed: bool) -> Iterator[None]:
    """Rows are sent batch by batch inside, as if they did not fit the device."""
    before = columns.RESIDENT_SHARE
    columns.RESIDENT_SHARE = -1.0 if is_streamed else before
    try:
        yield
    finally:
        columns.RESIDENT_SHARE = before


def variants(compute: Compute) -> dict[str, tuple[Compute, bool]]:
    """What is compared: a name, how it computes, and whether rows are streamed. Fast ones need torch's switches set."""
    eager = replace(compute, graphs=False, determinism="strict")
    graphs = replace(eager, graphs=compute.device.type == "cuda")
    fast = replace(graphs, determinism="fast")
    return {
        "eager": (eager, False),
        "graphs": (graphs, False),
        "graphs, streamed": (graphs, True),
        "graphs, fast": (fast, False),
    }


def set_switches(compute: Compute) -> None:
    """Puts torch's switches where `compute` wants them."""
    resolve_compute("auto", compute.device.type, determinism=compute.determinism)  # type: ignore[arg-type]


def compare_bits(bench: Bench, compute: Compute) -> bool:
    """Whether each training comes to the same weights in each strict variant; rows are such that batches differ."""
    if compute.device.type == "cpu":
        print("on a CPU all variants are one: this shows only that they run\n")
    print("| training | graphs = eager | streamed = resident |\n|---|---|---|")
    rows, alike = len(bench.images) - 2, True
    set_switches(replace(compute, determinism="strict"))
    for name in TRAININGS:
        states, chosen = {}, variants(compute)
        for variant in ("eager", "graphs", "graphs, streamed"):
            how, is_streamed = chosen[variant]
            with streamed(is_streamed):
                states[variant] = bench.train(name, how, 3, Progress(), rows).state_dict()
        graphs, sent = (_are_equal(states["eager"], states[variant]) for variant in ("graphs", "graphs, streamed"))
        alike &= graphs == sent == "yes"
        print(f"| {name} | {graphs} | {sent} |", flush=True)
    return alike


def _are_equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> str:
    apart = [part for part in one if not torch.equal(one[part], other[part])]
    if not apart:
        return "yes"
    most = max(float((one[part].double() - other[part].double()).abs().max()) for part in apart)
    return f"no: {len(apart)} of {len(one)} tensors, by {most:.2g}"


def count_copies(bench: Bench, compute: Compute) -> bool:
    """Prints copies and waits between host and device for each step that an epoch has more than another."""
    if compute.device.type != "cuda":
        print("no GPU: tests/training/test_host_copies.py counts them on the CPU")
        return True
    print("| training | eager: copies, waits per step | graphs | graphs, streamed |\n|---|---|---|---|")
    for name in TRAININGS:
        cells = []
        for variant in ("eager", "graphs", "graphs, streamed"):
            how, is_streamed = variants(compute)[variant]
            with streamed(is_streamed):
                few, many = (_events(bench, name, how, part * len(bench.images) // 2) for part in (1, 2))
            steps = EPOCHS * (bench.size.steps // 2)
            cells.append(", ".join(f"{(many[kind] - few[kind]) / steps:.2f}" for kind in ("copies", "waits")))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return True


def _events(bench: Bench, name: str, compute: Compute, rows: int) -> dict[str, int]:
    """Copies between host and device, and calls that wait for it, in EPOCHS epochs over `rows` rows."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        bench.train(name, compute, EPOCHS, Progress(), rows)
    names = [event.name for event in profile.events()]
    copies = sum("Memcpy HtoD" in event or "Memcpy DtoH" in event for event in names)
    waits = sum(event in ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize") for event in names)
    return {"copies": copies, "waits": waits}


def measure_speeds(bench: Bench, compute: Compute, peak_tflops: float) -> bool:
    """Prints steps per second of each training and variant, with its memory and the share of the peak."""
    chosen = variants(compute)
    print(f"| training | {' | '.join(f'{name}, steps/s' for name in chosen)} | images/s, best | memory | of the peak |")
    print(f"|---|{'---|' * (len(chosen) + 3)}")
    for name in TRAININGS:
        speeds, memory = [], "-"
        for how, is_streamed in chosen.values():
            if _left() < 0:
                print("out of time")
                return False
            set_switches(how)
            with streamed(is_streamed):
                speeds.append(_speed(bench, name, how))
            if compute.device.type == "cuda":
                memory = f"{torch.cuda.max_memory_reserved() / 2**30:.1f} GiB"
        with FlopCounterMode(display=False) as counter:
            bench.train(name, chosen["eager"][0], 1, Progress(), bench.size.batch)
        share = max(speeds) * counter.get_total_flops() / (peak_tflops * 1e12)
        told = f"{share:.1%}" if compute.device.type == "cuda" else "-"
        cells = " | ".join(f"{speed:,.1f}" for speed in speeds)
        print(f"| {name} | {cells} | {max(speeds) * bench.size.batch:,.0f} | {memory} | {told} |", flush=True)
    return True


def _speed(bench: Bench, name: str, compute: Compute) -> float:
    """Steps per second in the epochs after the first, in which kernels are chosen and graphs recorded."""
    ends: list[float] = []
    if compute.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    bench.train(name, compute, bench.size.epochs, Progress(lambda *_: ends.append(time.perf_counter())))
    return bench.size.steps * (len(ends) - 1) / (ends[-1] - ends[0])


def play_scenario(path: str, device: str, *more: str) -> bool:
    """Plays a whole scenario in one process, and prints its time; its losses and tables are checked by nobody here."""
    if _left() < 30:
        print("out of time")
        return False
    with tempfile.TemporaryDirectory() as out:
        start = time.monotonic()
        asked = ["run", path, "--backend", "inprocess", "--device", device, "--out", out]
        for change in more:
            asked += ["--set", change]
        code = "import sys; from collab.cli import main; sys.argv[0] = 'collab'; main()"
        played = subprocess.run(
            [sys.executable, "-c", code, *asked], cwd=ROOT, env=_as_installed(Path(out)), capture_output=True,
            text=True, timeout=_left() + 20, check=False,
        )  # fmt: skip
    if played.returncode:
        print(f"failed with exit code {played.returncode}:\n{played.stdout[-1500:]}\n{played.stderr[-3000:]}")
        return False
    print(f"{Path(path).name} {' '.join(more)}: {time.monotonic() - start:.1f} s", flush=True)
    return True


def _as_installed(folder: Path) -> dict[str, str]:
    """The environment in which this checkout is found with its plugins, though nobody may have installed it."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    facts = folder / f"collab-{named['version']}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: collab\nVersion: {named['version']}\n")
    groups = ((group, kinds) for group, kinds in named["entry-points"].items())
    lines = (
        line for group, kinds in groups for line in (f"[{group}]", *(f"{name} = {at}" for name, at in kinds.items()))
    )
    (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (folder / "collab_entities").symlink_to(ROOT / "entities")
    paths = [str(folder), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _left() -> float:
    """Seconds that are left."""
    return SECONDS - (time.monotonic() - BEGAN)


def attempt(title: str, part: Callable[[], bool]) -> bool:
    """Plays a part; what it raises is printed, so that the next one has its turn."""
    print(f"\n## {title}\n", flush=True)
    start = time.monotonic()
    try:
        is_right = part()
    except Exception:
        traceback.print_exc(file=sys.stdout)
        is_right = False
    print(f"\n({time.monotonic() - start:.0f} s)", flush=True)
    return is_right


def main() -> None:
    """Plays all parts."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options.add_argument("--quick", action="store_true", help="toy sizes, and no scenario")
    options.add_argument("--peak-tflops", type=float, default=989.0, help="dense bf16 peak of the device (H100, H200)")
    given = options.parse_args()
    compute = resolve_compute("auto", given.device)
    device = compute.device
    what = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{what}, torch {torch.__version__}, {compute}")
    small = TOY if given.quick else DEFAULT
    parts: list[tuple[str, Callable[[], bool]]] = [
        ("The same bits", lambda: compare_bits(Bench(TOY, device), compute)),
        ("Copies between host and device", lambda: count_copies(Bench(TOY, device), compute)),
    ]
    parts.append((f"Speed: {small}", lambda: measure_speeds(Bench(small, device), compute, given.peak_tflops)))
    if not given.quick:
        parts.append((f"Speed: {PAPER}", lambda: measure_speeds(Bench(PAPER, device), compute, given.peak_tflops)))
        for more in ((), ("compute.graphs=off",)):
            played = partial(play_scenario, "scenarios/four_entities.yaml", given.device, *more)
            parts.append((f"The default scenario {' '.join(more)}", played))
    outcomes = [attempt(title, part) for title, part in parts]
    sys.exit(0 if all(outcomes) else 1)


if __name__ == "__main__":
    main()
