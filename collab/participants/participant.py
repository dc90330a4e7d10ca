"""What every participant does alike: train from scratch, refine the released C, score."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from collab.models.backbones import Split
from collab.models.freeze import Fixed
from collab.participants.holder import Holder
from collab.participants.repeats import average_repeats, repeat_streams
from collab.scenario.model import Refinement
from collab.seeding import Stream
from collab.store.answers import place_answers
from collab.store.shards import ShardReader
from collab.tasks import CLASS, DISTRIBUTION
from collab.training.feeds import FeatureFeed, ImageSet, OneHot
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import EVAL_BATCH, batched, outputs_of, refine_decider, train_classifier, with_budget
from collab.types import Measure, Report

SCORED_IN_TRAINING = 1000
"""Training images, at most, on which a network from scratch is scored: enough to tell whether it has learned."""


@dataclass(frozen=True)
class Mixture:
    """What C is trained further on: the rows of all `readers`, those of `own` among them or not.

    `own` are the unpoisoned features of whose row it is, None where the row has none. `most_rows` are those of the
    largest row of the table, for `budget: steps`.
    """

    readers: Sequence[ShardReader]
    own: ShardReader | None
    most_rows: int = 0


class Participant(Holder):
    """Who plays a run: an entity, or the simulator's oracle that computes upper bounds."""

    def train_from_scratch(self, row: Refinement, images: ImageSet, stream: Stream, progress: Progress) -> Report:
        """Rows 1 to 5: a new network trained on raw images, scored on held-out ones and on those it learned on."""
        networks = self.train_networks(row, images, stream, progress)
        return Report((*self.score_images(networks), self.score_training(networks[0], images)))

    def train_networks(
        self, row: Refinement, images: ImageSet, stream: Stream, progress: Progress
    ) -> tuple[nn.Module, ...]:
        """A new network of the scenario's architecture for each repeat of a row, trained on images."""
        recipe = Recipe.of(self.scenario.scratch or self.scenario.model.pretrain, epochs=row.epochs)
        streams = repeat_streams(stream, row.repeats or 1)
        splits = [self.train_split(images, recipe, each, progress) for each in streams]
        return tuple(nn.Sequential(split.featurizer, split.decider) for split in splits)

    def train_split(
        self,
        images: ImageSet,
        recipe: Recipe,
        stream: Stream,
        progress: Progress,
        begin: Callable[[], Split] | None = None,
        *,
        is_fixed: bool = False,
    ) -> Split:
        """A new F and C of the scenario's architecture, or what `begin` makes, trained together on images.

        F stands still where it `is_fixed`.
        """
        with stream.initialization():
            split = begin() if begin else self.new_split()
        train_classifier(
            nn.Sequential(Fixed(split.featurizer) if is_fixed else split.featurizer, split.decider),
            images,
            recipe,
            stream=stream,
            compute=self.compute,
            progress=progress,
            task=self.task,
        )
        return split

    def refine_on(
        self, mixture: Mixture, row: Refinement, stream: Stream, progress: Progress
    ) -> tuple[nn.Module, Report]:
        """Step 3: C trained further on a mixture of rows, scored on unpoisoned held-out features.

        Of several repeats all are scored, and the first is C.
        """
        streams = repeat_streams(stream, row.repeats or self.scenario.refine.repeats)
        deciders = [self.train_further(mixture, row, each, progress) for each in streams]
        rows = sum(reader.rows for reader in mixture.readers)
        return deciders[0], Report((*self.score_features(*deciders), Measure("rows", rows)))

    def train_further(self, mixture: Mixture, row: Refinement, stream: Stream, progress: Progress) -> nn.Module:
        """A copy of the released C, or a C that is drawn anew, trained on a mixture of rows.

        Statistics of BatchNorm follow the mixture where there are no own features to take them over.
        """
        options = self.scenario.refine
        feed = self.feed(mixture.readers, options.batch_size)
        if row.init == "fresh":
            with stream.initialization():
                decider = self.new_split().decider
        else:
            decider = copy.deepcopy(self.released.decider).requires_grad_(True)
        is_unlike_mixture = mixture.own is not None and (options.bn == "own" or row.init == "released")
        recipe = with_budget(Recipe.of(options, epochs=row.epochs), feed.rows, mixture.most_rows, options.budget)
        refine_decider(
            decider, feed, recipe,
            bn=options.bn if is_unlike_mixture else "update", stream=stream, compute=self.compute, progress=progress,
            task=self.task, own=None if mixture.own is None else self.feed([mixture.own], EVAL_BATCH),
        )  # fmt: skip
        return decider

    def feed(self, readers: Sequence[ShardReader], batch_size: int) -> FeatureFeed:
        """The rows of `readers` as one mixture in the stored type; where some have soft labels, all have."""
        spec = self.spec
        if any(reader.spec.target == DISTRIBUTION for reader in readers):
            soft = [OneHot(reader, spec.classes) if reader.spec.target == CLASS else reader for reader in readers]
            return FeatureFeed(soft, spec.shape, batch_size, self.compute.device, spec.torch_dtype)
        return FeatureFeed(readers, spec.shape, batch_size, self.compute.device, spec.torch_dtype)

    def score_images(
        self, networks: Sequence[nn.Module], changed: Callable[[Tensor], Tensor] | None = None, suffix: str = ""
    ) -> tuple[Measure, ...]:
        """How well networks, repeats of one training, do on held-out images, or on what `changed` makes of them."""

        def answer(network: nn.Module) -> Tensor:
            pieces = batched(torch.arange(len(self.heldout)))
            shown = (self.heldout.take(rows.numpy(), self.compute.device) for rows in pieces)
            return outputs_of(network, map(changed, shown) if changed else shown, self.compute)

        return self.score(torch.stack(list(map(answer, networks))), torch.from_numpy(self.heldout.labels), suffix)

    def score_training(self, network: nn.Module, images: ImageSet) -> Measure:
        """How well a network does on the images that it was trained on: whether it has learned what it was shown.

        The task's main metric, over `SCORED_IN_TRAINING` images at most, evenly from all.
        """
        rows = np.unique(np.linspace(0, len(images) - 1, SCORED_IN_TRAINING).round().astype(np.int64))
        shown = (images.take(part.numpy(), self.compute.device) for part in batched(torch.from_numpy(rows)))
        outputs = outputs_of(network, shown, self.compute)
        return self.task.measures(outputs, torch.from_numpy(images.labels[rows]), self.scenario.seed, "_training")[0]

    def score_features(self, *deciders: nn.Module) -> tuple[Measure, ...]:
        """How well a decider, or several repeats of its training, does on unpoisoned held-out features."""
        features, labels = self.heldout_features
        return self.score(torch.stack([outputs_of(each, features, self.compute) for each in deciders]), labels)

    def score(self, outputs: Tensor, targets: Tensor, suffix: str = "") -> tuple[Measure, ...]:
        """How well outputs [repeats, rows, outputs] meet the targets of held-out images.

        Of several repeats it is their mean, with the deviation of the main metric between them (`top1_sd`). What each
        image got is kept.
        """
        seed, answers = self.scenario.seed, self.task.answers(outputs, targets)
        measures = average_repeats(
            [self.task.measures(each, targets, seed, suffix) for each in outputs], answers, suffix
        )
        kept = {name + suffix: place_answers(self.layout.answers, each) for name, each in answers.items()}
        return tuple(replace(measure, answers=kept.get(measure.metric)) for measure in measures)
