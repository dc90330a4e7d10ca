"""What entities do with published images: write them, read them, compute features of them, train on them."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from collab.defenses.base import ImageDefense
from collab.metrics.vfe import vfe_window, visual_feature_entropy
from collab.metrics.visual import l1, psnr, ssim, ssim_window
from collab.participant import Participant
from collab.scoring import batched
from collab.store.shards import Batches, ShardReader
from collab.training.feeds import ImageSet, even_batches
from collab.training.recipes import EVAL_BATCH

LEVELS = 255
"""A published image has 8 bits; its shard holds them as whole numbers, exact in either stored type."""


def rows_of(
    images: ImageSet, generator: torch.Generator, device: torch.device
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Images in [0, 1], labels and row numbers, all rows once in an order drawn from `generator`."""
    for index in even_batches(len(images), EVAL_BATCH, generator):
        yield images.take(index.numpy(), device), torch.from_numpy(images.labels[index.numpy()]), index


def as_published(images: Tensor) -> Tensor:
    """Images [batch, 3, side, side] in [0, 1] with 8 bits a value, still in [0, 1]."""
    return images.clamp(0, 1).mul(LEVELS).round().div(LEVELS)


def read_images(readers: Sequence[ShardReader]) -> Batches:
    """The images of shards in [0, 1] and their labels, batch by batch, in their order."""
    for reader in readers:
        x = torch.empty((reader.batch_rows, *reader.spec.shape))
        y = torch.empty(reader.batch_rows, dtype=torch.int64)
        for batch in range(reader.batches):
            count = reader.read_into(x, y, batch, 0)
            yield x[:count] / LEVELS, y[:count].clone()


def featurized(reader_of: Participant, sender: str, readers: Sequence[ShardReader]) -> ShardReader:
    """F of what `sender` published as images, computed by who reads it, in its scratch."""
    batches = ((reader_of.features(images), labels) for images, labels in read_images(readers))
    return reader_of.scratch_shard(f"features_of_{sender}", batches)


def image_set(reader_of: Participant, readers: Sequence[ShardReader]) -> ImageSet:
    """The images of shards, mapped from the scratch of who reads them, never all in memory."""
    rows = sum(reader.rows for reader in readers)
    reader_of.scratch.mkdir(parents=True, exist_ok=True)
    images = np.lib.format.open_memmap(
        reader_of.scratch / "images.npy", mode="w+", dtype=np.uint8, shape=(rows, *readers[0].spec.shape)
    )
    labels, at = np.empty(rows, dtype=np.int64), 0
    for block, numbers in read_images(readers):
        images[at : at + len(block)] = block.mul(LEVELS).round().to(torch.uint8).numpy()
        labels[at : at + len(block)] = numbers.numpy()
        at += len(block)
    return ImageSet(images, labels)


def discernibility(defense: ImageDefense, module: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """How far each of images [batch, 3, side, side] is changed when published, and how hard to discern: values [batch].

    VFE with its window in the name, `vfe_inner` without what a border of zeros adds; distances are to the images.
    """
    side = images.shape[-1]
    window = vfe_window(side)
    found: dict[str, list[Tensor]] = {}
    for part in batched(images):
        with torch.no_grad():
            changed, told = defense.shown(module, part)
        shown = as_published(changed)
        values = {
            f"vfe[{window}]_original": visual_feature_entropy(part),
            f"vfe[{window}]_published": visual_feature_entropy(shown),
            f"vfe_inner[{window}]_original": visual_feature_entropy(part, border="replicate"),
            f"vfe_inner[{window}]_published": visual_feature_entropy(shown, border="replicate"),
            "l1_published": l1(shown, part),
            "psnr_published": psnr(shown, part),
            f"ssim[{ssim_window(side)[0]}]_published": ssim(shown, part),
            **told,
        }
        for name, each in values.items():
            found.setdefault(name, []).append(each.cpu())
    return {name: torch.cat(parts) for name, parts in found.items()}
