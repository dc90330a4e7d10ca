"""Images as what is published: rounded, read from shards, mapped to be trained on, and how hard to discern."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from collab.defenses.base import ImageDefense
from collab.metrics.vfe import vfe_window, visual_feature_entropy
from collab.metrics.visual import l1, psnr, ssim, ssim_window
from collab.store.image_files import write_images
from collab.store.shards import Batches, ShardReader
from collab.training.feeds import ImageSet
from collab.training.recipes import batched

LEVELS = 255
"""A published image has 8 bits; its shard holds them as whole numbers, exact in each codec that they take."""


def as_published(images: Tensor) -> Tensor:
    """Images [batch, 3, side, side] in [0, 1] with 8 bits a value, still in [0, 1]."""
    return images.clamp(0, 1).mul(LEVELS).round().div(LEVELS)


def read_images(readers: Sequence[ShardReader]) -> Batches:
    """The images of shards in [0, 1] and their labels, batch by batch, in their order."""
    for reader in readers:
        labels = reader.targets()
        for rows in batched(torch.arange(reader.rows)):
            yield reader.take(rows.numpy()).float() / LEVELS, labels[rows]


def image_set(folder: Path, readers: Sequence[ShardReader]) -> ImageSet:
    """The images of shards, written to `folder` and mapped from there, never all in memory."""
    rows, spec = sum(reader.rows for reader in readers), readers[0].spec
    labels = spec.targets.room(rows).numpy()

    def blocks() -> Iterator[np.ndarray]:
        at = 0
        for images, targets in read_images(readers):
            labels[at : at + len(images)] = targets.numpy()
            at += len(images)
            yield images.mul(LEVELS).round().to(torch.uint8).numpy()

    path = write_images(folder, (rows, *spec.shape), blocks())
    return ImageSet(np.load(path, mmap_mode="r", allow_pickle=False), labels)


def discernibility(defense: ImageDefense, module: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """How far each of images [batch, 3, side, side] is changed when published, and how hard to discern: values [batch].

    VFE with its window in the name, `vfe_inner` without what a border of zeros adds; distances are to the images.
    """
    side = images.shape[-1]
    window = vfe_window(side)
    parts: dict[str, list[Tensor]] = {}
    for part in batched(images):
        with torch.no_grad():
            changed, facts = defense.shown(module, part)
        shown = as_published(changed)
        values = {
            f"vfe[{window}]_original": visual_feature_entropy(part),
            f"vfe[{window}]_published": visual_feature_entropy(shown),
            f"vfe_inner[{window}]_original": visual_feature_entropy(part, border="replicate"),
            f"vfe_inner[{window}]_published": visual_feature_entropy(shown, border="replicate"),
            "l1_published": l1(shown, part),
            "psnr_published": psnr(shown, part),
            f"ssim[{ssim_window(side)[0]}]_published": ssim(shown, part),
            **facts,
        }
        for name, score in values.items():
            parts.setdefault(name, []).append(score.cpu())
    return {name: torch.cat(scores) for name, scores in parts.items()}
