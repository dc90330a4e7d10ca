"""What an entity plugin must be: the base class plays the paper's entity, a plugin overrides what differs."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from collab.defenses.base import Defense, PrivateView
from collab.errors import ShardMissing
from collab.models.backbones import feature_shape, is_rectified
from collab.participant import Participant, load_images
from collab.scenario.base import NoOptions, Part
from collab.scenario.model import Refinement
from collab.scoring import batched, disparity, equivalence
from collab.store.manifest import Record
from collab.store.release import read_release, write_release
from collab.store.shards import ShardReader
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import EVAL_BATCH, train_classifier, train_reconstructor
from collab.types import Crossing, Measure, Report

EVERYONE = "*"


class Entity(Participant):
    """One party with private images: they, their unpoisoned features, its DPM and its random streams stay with it.

    `options` are those of the scenario, an instance of `Options`.
    """

    group: ClassVar[str] = "entities"
    kind: ClassVar[str]
    Options: ClassVar[type[Part]] = NoOptions
    options: Part
    defense: Defense

    # ---- step 1: one entity pre-trains, splits, releases ------------------------------------------------------------
    def pretrain(self, progress: Progress) -> Report:
        """Trains F and C on the own images and releases them (DP-1, DP-2)."""
        stream = self.stream("pretrain")
        with stream.initialization():
            split = self.new_split()
        network = nn.Sequential(split.featurizer, split.decider)
        recipe = Recipe.of(self.scenario.model.pretrain)
        train_classifier(network, self.images, recipe, stream=stream, compute=self.compute, progress=progress)
        shape = feature_shape(split.featurizer, self.scenario.data.image_size)
        released = (
            self._release("featurizer", split.featurizer, {"feature": list(shape)}),
            self._release("decider", split.decider, {}),
        )
        return Report(self.score_images(network), released)

    def reconstruct(self, progress: Progress) -> Report:
        """Trains R on public images and releases it (DP-3)."""
        folder, public, wanted = self.layout.public, load_images(self.layout.public), self.scenario.reconstructor
        self.write_features(folder, public)
        stream = self.stream("reconstruct")
        with stream.initialization():
            net = self.new_reconstructor()
        feed = self.feed([self.own_features(folder)], wanted.batch_size)
        losses = train_reconstructor(
            net, feed, public, Recipe.of(wanted), stream=stream, compute=self.compute, progress=progress
        )
        card = {"l1_public": losses[-1], "public_images": len(public)}
        return Report((Measure("l1_public", losses[-1], n=len(public)),), (self._release("reconstructor", net, card),))

    # ---- step 2: every entity poisons and publishes -----------------------------------------------------------------
    def featurize(self, progress: Progress) -> Report:
        """Computes F of the own images once, into the private folder."""
        return Report((Measure("rows", self.write_features(self.private, self.images).rows),))

    def poison(self, progress: Progress) -> Report:
        """Fits the defense on the own rows and measures on held-out images what it costs and hides (Tables 1 and 2)."""
        stream = self.stream("poison")
        with stream.initialization():
            module = self.new_module()
        view = PrivateView(
            features=self.feed([self.own_features(self.private)], self.defense.batch_size),
            images=self.images,
            decider=self.released.decider,
            reconstructor=self.reconstructor,
            stream=stream,
            compute=self.compute,
            progress=progress,
        )
        losses = self.defense.fit(module, view)
        write_release(self.private, "defense", module.state_dict(), {})  # for this entity alone
        return Report((*self.cost_and_disclosure(module), *(Measure("poison_loss", loss) for loss in losses[-1:])))

    def publish(self, progress: Progress) -> Report:
        """Writes poisoned features and labels to the store, in an order that says nothing about the own images."""
        module = self.new_module()
        module.load_state_dict(read_release(self.private, "defense")[0])
        feed = self.feed([self.own_features(self.private)], EVAL_BATCH)

        def poisoned() -> Iterator[tuple[Tensor, Tensor]]:
            for features, labels, _ in feed.batches(self.stream("publish").torch("order")):
                yield self.protect(module, features), labels

        record = self.layout.store.publish(self.name, poisoned(), self.spec, run=self.layout.run.name)
        sent = _shard_crossing("publish", self.name, EVERYONE, record)
        return Report((Measure("rows_published", record.rows), Measure("bytes_published", record.bytes)), (sent,))

    # ---- step 3: every entity refines -------------------------------------------------------------------------------
    def refine(self, row: Refinement, most_rows: int, progress: Progress) -> Report:
        """Plays one row of the table: from scratch on own images, or the released C on own and pooled features."""
        stream = self.stream("refine")
        if row.own == "images":
            return self.train_from_scratch(row, self.images, stream, progress)
        own = self.shards_of(self.name) if row.own == "poisoned" else [self.own_features(self.private)]
        pool = [shard for sender in sorted(row.pool) for shard in self.shards_of(sender)]
        decider, report = self.refined([*own, *pool], most_rows, row, stream, progress)
        name = f"decider_{hashlib.sha256(str(row.row).encode()).hexdigest()[:16]}"  # rows may have long names
        write_release(self.private, name, decider.state_dict(), {"row": str(row.row)})
        read = (
            _shard_crossing("refine", sender, self.name, record)
            for sender in sorted(row.pool)
            for record in self.layout.store.records(sender)
        )
        return Report(report.measures, tuple(read))

    # ---- what a plugin may want to call ------------------------------------------------------------------------------
    def shards_of(self, sender: str) -> list[ShardReader]:
        """What `sender` published, verified; ShardMissing if that is nothing."""
        store = self.layout.store
        records = store.records(sender)
        if not records:
            published = ", ".join(sorted({record.entity for record in store.records()})) or "nothing"
            raise ShardMissing(
                f"entity {self.name!r} wants to refine on {sender!r}, which has published nothing. Published so far: "
                f"{published}. Take {sender!r} out of `pool`, or look above for its failed publish stage."
            )
        return [store.open(record, self.spec) for record in records]

    def new_module(self) -> nn.Module:
        """The defense's module, untrained."""
        model = self.scenario.model
        return self.defense.build(self.spec.shape[0], rectified=is_rectified(model.backbone, model.hook))

    def protect(self, module: nn.Module, features: Tensor) -> Tensor:
        """P(f) in eval mode, so that no row depends on its batch mates; fp32, on the device."""
        self.compute.place(module).eval()
        with torch.no_grad(), self.compute.autocast():
            changed: Tensor = module(features.to(self.compute.device).float())
        return changed.float()

    def cost_and_disclosure(self, module: nn.Module) -> tuple[Measure, ...]:
        """Tables 1 and 2 on held-out images, from features as they would be stored."""
        features, labels = self.heldout_features
        poisoned = torch.cat([self.protect(module, part).to("cpu", features.dtype) for part in batched(features)])
        seed, compute = self.scenario.seed, self.compute
        rows = torch.arange(len(features)).numpy()
        return (
            *equivalence(self.released.decider, features, poisoned, labels, seed=seed, compute=compute),
            *disparity(
                self.reconstructor,
                features,
                poisoned,
                lambda start, stop: self.heldout.take(rows[start:stop], self.compute.device),
                seed=seed,
                compute=compute,
            ),
        )

    def _release(self, name: str, net: nn.Module, card: Mapping[str, object]) -> Crossing:
        state, model = net.state_dict(), self.scenario.model
        about = {"backbone": model.backbone, "hook": model.hook, "classes": self.classes, "trained_by": self.name}
        digest = write_release(self.layout.release, name, state, {**about, **card})
        size = sum(value.numel() * value.element_size() for value in state.values())
        return Crossing("release", self.name, EVERYONE, name, digest, size, "float32", (len(state),))


def _shard_crossing(stage: str, sender: str, receiver: str, record: Record) -> Crossing:
    shape = (record.rows, *record.shape)
    return Crossing(stage, sender, receiver, "shard", record.sha256, record.bytes, record.dtype, shape)
