"""What a module costs and hides on held-out images (Tables 1 and 2), and pictures of that for the report."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from collab.metrics.visual import ssim_window
from collab.participants.crossings import keep_pictures
from collab.participants.defended import Defended
from collab.participants.disclosure import to_uint8
from collab.participants.published_images import as_published
from collab.participants.scoring import distances, means, worst_and_median
from collab.results.metric import of_images
from collab.store.pictures import Pictures
from collab.store.shards import ShardReader
from collab.training.recipes import EVAL_BATCH, outputs_of
from collab.types import Crossing, Measure


def measure_cost(entity: Defended, module: nn.Module) -> tuple[tuple[Measure, ...], tuple[Crossing, ...]]:
    """Tables 1 and 2 on held-out images, from features as they would be stored; and the pictures kept of them."""
    features, labels = entity.heldout_features
    seed, compute = entity.scenario.seed, entity.compute
    rows, poisoned = np.arange(len(features)), entity.whole_heldout_as_published(module)
    metrics = distances(
        entity.reconstructor,
        features,
        poisoned,
        lambda start, stop: entity.heldout.take(rows[start:stop], entity.compute.device),
        compute=compute,
    )
    metrics |= entity.conversion.discernibility(
        entity.defense, module, lambda: entity.heldout.take(rows, entity.compute.device)
    )
    reader = entity.conversion.decider(module, entity.released) or entity.released.decider
    original, changed = (
        outputs_of(network, x, compute) for network, x in ((entity.released.decider, features), (reader, poisoned))
    )
    scores = (
        *entity.score(original[None], labels, "_original"),
        *entity.score(changed[None], labels, "_poisoned"),
        *entity.task.fidelity(changed, original, seed),
    )
    return (*scores, *means(metrics, seed)), (_keep_pictures(entity, module, features, poisoned, metrics),)


def measure_images(entity: Defended, module: nn.Module) -> tuple[Measure, ...]:
    """The entity's metrics of images, on what R makes of held-out images: plain, and as they would be published."""
    rows, poisoned = np.arange(len(entity.heldout)), entity.whole_heldout_as_published(module)
    scores = distances(
        entity.reconstructor,
        entity.heldout_features[0],
        poisoned,
        lambda start, stop: entity.heldout.take(rows[start:stop], entity.compute.device),
        compute=entity.compute,
        metrics=of_images(entity.metrics),
    )
    return means(scores, entity.scenario.seed)


def measure_writing(
    entity: Defended, module: nn.Module, shards: Sequence[ShardReader], order: np.ndarray
) -> tuple[Measure, ...]:
    """How well C reads the entity's own rows, as they are and as published, by the task's main figure.

    A module that has learned its own rows by heart writes there what C is to answer (SCIENCE 4.2), which held-out
    images cannot show. `order` is the number among the own rows of each published one; the truth is that of the images,
    whatever the entity claims. Where it published other numbers of rows, or none that are its own, nothing is measured.
    """
    if not entity.defense.form.is_of_own_rows:
        return ()
    task, compute, seed = entity.task, entity.compute, entity.scenario.seed
    readers = entity.as_features(entity.name, shards)
    if sum(reader.rows for reader in readers) != len(order):
        return ()
    truth, reader = torch.from_numpy(entity.images.labels), entity.conversion.decider(module, entity.released)

    def score(network: nn.Module, readers: Sequence[ShardReader], labels: Tensor, suffix: str) -> Measure:
        rows = (features for features, _, _ in entity.feed(readers, EVAL_BATCH).batches(None))
        return task.measures(outputs_of(network, rows, compute), labels, seed, suffix)[0]

    return (
        score(entity.released.decider, [entity.own_features(entity.private)], truth, "_own"),
        score(reader, readers, truth[torch.from_numpy(order)], "_published"),
    )


def _keep_pictures(
    entity: Defended, module: nn.Module, features: Tensor, poisoned: Tensor, metrics: Mapping[str, Tensor]
) -> Crossing:
    """Keeps what R makes of some held-out images, the most alike first, for whoever looks at the report.

    Of a defense that publishes images, those as published. Held-out images belong to no entity, so that none of its own
    leaves it here.
    """
    window = ssim_window(entity.scenario.data.image_size)[0]
    seen = "published" if entity.defense.form.publishes_images else "poisoned"
    before, after = (metrics[f"ssim[{window}]_{what}"].numpy() for what in ("original", seen))
    worst, median = worst_and_median(after)
    rows = np.concatenate([worst, median])
    rebuilt = [outputs_of(entity.reconstructor, x[rows], entity.compute) for x in (features, poisoned)]
    if entity.defense.form.publishes_images:  # nothing has to be rebuilt: they are what others see
        rebuilt[1] = as_published(entity.defend(module, entity.heldout.take(rows, entity.compute.device)))
    pictures = Pictures(
        metric=f"ssim[{window}]",
        heldout=len(after),
        rows=rows,
        labels=np.asarray(entity.heldout.classes)[rows],
        is_worst=np.arange(len(rows)) < len(worst),
        ssim_original=before[rows],
        ssim_poisoned=after[rows],
        original=np.asarray(entity.heldout.images[rows]),
        from_original=to_uint8(rebuilt[0]),
        from_poisoned=to_uint8(rebuilt[1]),
    )
    return keep_pictures(entity.layout.pictures, entity.name, pictures)
