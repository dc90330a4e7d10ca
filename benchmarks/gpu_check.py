"""Throughput, memory and share of the peak of each stage at the paper's size, ours against a plain loop.

    scripts/gpu_check            # on a GPU machine, under 8 minutes; plays the default scenario first
    scripts/gpu_check --small    # on a CPU, as a check that it runs

Ours are the functions of `collab.training.recipes` on random images and features; plain is the same step written out,
on data that lies ready on the device. Printed as Markdown for docs/performance.md. Has not run on a GPU yet.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from collab.defenses.dpm_network import build_dpm
from collab.metrics.visual import ssim
from collab.models.backbones import build_split, feature_shape
from collab.models.freeze import fold, freeze
from collab.models.reconstructors import build_reconstructor
from collab.seeding import Stream
from collab.training import recipes
from collab.training.feeds import FeatureFeed, ImageSet
from collab.training.loop import Recipe
from collab.training.precision import resolve_compute
from collab.training.progress import Progress

STREAM = Stream(0, "gpu", "check")


@dataclass(frozen=True)
class Size:
    """What is measured on."""

    backbone: str
    side: int
    classes: int
    batch: int
    steps: int


class Resident:
    """A shard that lies in memory already."""

    batch_rows = 256

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y, self.rows, self.batches = x, y, len(x), -(-len(x) // 256)

    def read_into(self, x: Tensor, y: Tensor, batch: int, at: int) -> int:
        """As a shard does."""
        part = slice(batch * 256, (batch + 1) * 256)
        count = len(self.y[part])
        x[at : at + count], y[at : at + count] = self.x[part], self.y[part]
        return count


def main() -> None:
    """Measures every stage and prints a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--small", action="store_true", help="sizes for a CPU")
    options.add_argument("--steps", type=int, help="steps of each stage")
    options.add_argument(
        "--peak-tflops", type=float, default=989.0, help="dense bf16 peak of the device (H100 and H200)"
    )
    given = options.parse_args()
    size = (
        Size("resnet18", 64, 10, 8, given.steps or 3)
        if given.small
        else Size("resnet101", 224, 500, 64, given.steps or 100)
    )
    compute = resolve_compute("auto", "auto")
    print(f"\n{size.backbone}, {size.side} px, conv4_1, batch {size.batch}, {size.steps} steps, {compute}\n")
    print("| stage | images/s | plain loop | ratio | peak memory | share of peak |")
    print("|---|---|---|---|---|---|")
    device, rows = compute.device, size.batch * size.steps
    some = min(rows, 4096)  # images that differ: enough to defeat caches, few enough for memory
    rng = np.random.default_rng(0)
    images = ImageSet(
        rng.integers(0, 255, (some, 3, size.side, size.side), dtype=np.uint8), rng.integers(0, size.classes, some)
    )
    split = build_split(size.backbone, "conv4_1", classes=size.classes)
    network = compute.place(nn.Sequential(split.featurizer, split.decider))
    shape = feature_shape(split.featurizer, size.side)
    few = min(some, 1024)
    shard = Resident(torch.rand(few, *shape).half(), torch.from_numpy(images.labels[:few]))
    pictures = ImageSet(images.images[:few], images.labels[:few])
    reconstructor = compute.place(build_reconstructor("px2s2", shape, size.side))
    dpm = compute.place(build_dpm(shape[0]))
    x = images.take(np.arange(size.batch), device)
    f = torch.rand(size.batch, *shape, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(images.labels[: size.batch]).to(device)

    def feed() -> FeatureFeed:
        return FeatureFeed([shard], shape, size.batch, device)

    def recipe(count: int) -> Recipe:
        return Recipe(max(1, round(size.steps * size.batch / count)), size.batch, "sgd", 1e-3, augment=True)

    run = {"stream": STREAM, "compute": compute, "progress": Progress()}
    aim = recipes.Poisoning("labels", "abs", 1.0)
    decider, rebuild = (compute.place(fold(freeze(net))) for net in (split.decider, reconstructor))

    def learn(net: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
        optimizer = torch.optim.SGD(net.parameters(), 1e-3, momentum=0.9, nesterov=True)

        def step() -> None:
            with compute.autocast():
                value = loss()
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()

        return step

    @torch.no_grad()
    def forward() -> None:
        with compute.autocast():
            split.featurizer.eval()(x)

    def poisoned_loss() -> Tensor:
        after = dpm(f)
        return functional.cross_entropy(decider(after).float(), y) + ssim(rebuild(after).float(), x).abs().mean()

    def plainly(net: nn.Module, inputs: Tensor) -> Tensor:
        return functional.cross_entropy(net(inputs).float(), y)

    frozen = split.decider, reconstructor, aim
    many, fewer = recipe(some), recipe(few)
    stages: list[tuple[str, Callable[[], object], int, nn.Module, Callable[[], None]]] = [
        (
            "pretrain",
            lambda: recipes.train_classifier(network, images, many, **run),
            some * many.epochs,
            network,
            learn(network, lambda: plainly(network, x)),
        ),
        (
            "featurize",
            lambda: [None for _ in recipes.features_of(freeze(split.featurizer), images, compute)],
            some,
            network,
            forward,
        ),
        (
            "reconstruct",
            lambda: recipes.train_reconstructor(reconstructor, feed(), pictures, fewer, **run),
            few * fewer.epochs,
            reconstructor,
            learn(reconstructor, lambda: (reconstructor(f).float() - x).abs().mean()),
        ),
        (
            "poison",
            lambda: recipes.train_dpm(dpm, feed(), pictures, *frozen, fewer, **run),
            few * fewer.epochs,
            dpm,
            learn(dpm, poisoned_loss),
        ),
        (
            "refine",
            lambda: recipes.refine_decider(split.decider, feed(), fewer, bn="update", **run),
            few * fewer.epochs,
            split.decider,
            learn(split.decider, lambda: plainly(split.decider, f)),
        ),
    ]
    for name, ours, count, learner, plain in stages:
        learner.requires_grad_(True).train()
        with FlopCounterMode(display=False) as counter:
            plain()
        flops = counter.get_total_flops() / size.batch
        ours_speed, memory = timed(ours, count, device)
        learner.requires_grad_(True).train()
        plain_speed, _ = timed(lambda plain=plain: [plain() for _ in range(size.steps)], rows, device)
        share = f"{ours_speed * flops / (given.peak_tflops * 1e12):.1%}" if device.type == "cuda" else "no GPU"
        ratio = ours_speed / plain_speed
        print(f"| {name} | {ours_speed:,.0f} | {plain_speed:,.0f} | {ratio:.2f} | {memory} | {share} |", flush=True)


def timed(work: Callable[[], object], images: int, device: torch.device) -> tuple[float, str]:
    """Images per second, and the peak of GPU memory."""
    is_gpu = device.type == "cuda"
    if is_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    work()
    if is_gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    return images / seconds, f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if is_gpu else "—"


if __name__ == "__main__":
    main()
