"""What an entity plugin must be: the base class plays the paper's entity, a plugin overrides what differs."""

import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from collab.defenses.base import Defense, PrivateView
from collab.errors import EntityError
from collab.guarantee import Guarantee
from collab.metrics.sizes import jpeg_bytes
from collab.models.backbones import feature_shape
from collab.models.freeze import freeze
from collab.participants.attacking import Attempt, attack, rehearse
from collab.participants.cost import measure_cost, measure_images, measure_writing
from collab.participants.crossings import keep_pictures, net_crossing, shard_crossing
from collab.participants.defended import Defended
from collab.participants.disclosure import measure_disclosure
from collab.participants.exposure import Published, measure_exposure
from collab.participants.federation import aggregate_round, score_rounds, train_round
from collab.participants.guarantees import tell_guarantee
from collab.participants.inference import IDENTIFIER, load_own_numbers, train_identifier
from collab.participants.layout import load_images, load_numbers, load_people, name_decider
from collab.participants.participant import Mixture
from collab.participants.pool import Pooled, hurts, measure_harm, offer
from collab.participants.published_images import as_published, image_set
from collab.participants.publishing import measure_answering, publish_rows
from collab.participants.rounds import digest_answers
from collab.participants.start import Start
from collab.participants.trying import try_reconstructor
from collab.scenario.base import EntityOptions
from collab.scenario.federated import Federation
from collab.scenario.kinds import Plugin
from collab.scenario.model import Refinement
from collab.scenario.network import NOBODY
from collab.seeding import Stream
from collab.store.manifest import Record
from collab.store.release import write_release
from collab.store.store import PUBLISHED, Store, name_round
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.private import count_people
from collab.training.progress import Progress
from collab.training.recipes import train_reconstructor
from collab.types import EVERYONE, Crossing, Measure, Report


class Entity(Plugin, Defended):
    """One party with private images: they, their unpoisoned features, its DPM and its random streams stay with it.

    A plugin overrides a hook (`prepare`, `published`, `choose`), or a whole stage. `options` are those of the scenario,
    an instance of `Options`, which also say when it takes part.
    """

    group: ClassVar[str] = "entities"
    Options: ClassVar[type[EntityOptions]] = EntityOptions
    options: EntityOptions
    defense: Defense
    releases_module: bool = False

    # ---- hooks ------------------------------------------------------------------------------------------------------
    def prepare(self, images: ImageSet) -> ImageSet:
        """What it makes of its images, once, before anything is computed from them; as many, in the same order."""
        return images

    def published(self, features: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What it publishes of a batch of protected features [batch, channels, height, width] and labels [batch, ...].

        Where its defense answers about public images, features are theirs, and labels the answers [batch, classes].
        Labels are what the task asks: classes, or lists of numbers; `self.task` knows. Of images [batch, 3, side, side]
        in [0, 1] where its defense publishes those.
        """
        return features, labels

    def choose(self, pool: Sequence[Pooled], row: Refinement, progress: Progress) -> Sequence[Pooled]:
        """What it takes of the pool that `row` names; `collab.participants.pool` has what helps to choose."""
        return pool

    @cached_property
    def images(self) -> ImageSet:
        """The own images, prepared. Raises EntityError if preparing lost or added some."""
        raw = load_images(self.private)
        prepared = self.prepare(raw)
        if len(prepared) != len(raw) or len(prepared.images) != len(raw):
            raise EntityError(
                f"{type(self).__name__}.prepare made {len(prepared.images)} images with {len(prepared)} labels of "
                f"{len(raw)}. It may change images, not their number or order; for fewer, give the entity fewer."
            )
        return prepared

    # ---- step 1: one entity pre-trains, splits, releases ------------------------------------------------------------
    def pretrain(self, progress: Progress) -> Report:
        """Trains F and C on the own images, from given weights on where there are some; releases them (DP-1, DP-2).

        C alone, where nobody is to train F.
        """
        model = self.scenario.model
        start, is_public = Start(model, self.task.outputs), model.pretrain.by == NOBODY
        split = self.train_split(
            self.images, Recipe.of(model.pretrain), self.stream("pretrain"), progress,
            begin=start.split, is_fixed=is_public,
        )  # fmt: skip
        network = nn.Sequential(split.featurizer, split.decider)
        shape = feature_shape(split.featurizer, self.scenario.data.image_size)
        released = (
            self._release(
                "featurizer",
                split.featurizer,
                {"feature": list(shape), **start.card, **({"trained_by": NOBODY} if is_public else {})},
            ),
            self._release("decider", split.decider, start.card),
        )
        return Report((*self.score_images([network]), self.score_training(network, self.images)), released)

    def reconstruct(self, progress: Progress) -> Report:
        """Trains R on public images and releases it (DP-3)."""
        public = load_images(self.layout.public)
        self.write_features(self.layout.public, public)
        net, losses = self.train_reconstructor_of(
            self.scenario.reconstructor.kind, self.stream("reconstruct"), progress
        )
        card = {"l1_public": losses[-1], "public_images": len(public)}
        return Report((Measure("l1_public", losses[-1], n=len(public)),), (self._release("reconstructor", net, card),))

    # ---- step 2: every entity poisons and publishes -----------------------------------------------------------------
    def featurize(self, progress: Progress) -> Report:
        """Computes F of the own images once, into the private folder."""
        return Report((Measure("rows", self.write_features(self.private, self.images).rows),))

    def try_reconstructor(self, progress: Progress) -> Report:
        """Looks what R shows of own plain features, before anything is trained against it (ATTACKS 3.4).

        Raises EntityError for one that is no opponent, where the scenario says that it is refused.
        """
        return Report(try_reconstructor(self))

    def poison(self, progress: Progress) -> Report:
        """Fits the defense on the own rows and measures on held-out images what it costs and hides (Tables 1 and 2)."""
        module, losses, read = self._fit(self.stream("poison"), self.stated.defenses[0].public_rounds, progress)
        card, numbers, words = tell_guarantee(self._guarantee())
        write_release(self.private, "defense", module.state_dict(), card)  # for this entity alone
        measure = measure_cost if self.defense.form.is_of_own_rows else measure_answering
        measures, pictures = measure(self, module)
        last = *(("loss", loss) for loss in losses[-1:]), *progress.terms.items()
        told = (Measure(f"poison_{name}", value) for name, value in last)
        return Report((*measures, *told, *numbers), (*pictures, *read), words)

    def exchange(self, number: int, progress: Progress) -> Report:
        """Answers about public images in a round before the last, for those who take part, and measures nothing."""
        module, _, read = self._fit(self.stream(f"poison round {number}"), number, progress)
        record = self._write_shard(module, list[Tensor](), name_round(number))
        sent = shard_crossing("exchange", self.name, EVERYONE, record)
        return Report((Measure("bytes_published", record.bytes),), (*read, sent))

    def _guarantee(self) -> Guarantee | None:
        return self.defense.guarantee(len(self.images), count_people(load_people(self.private)))

    def _fit(
        self, stream: Stream, number: int, progress: Progress
    ) -> tuple[nn.Module, tuple[float, ...], tuple[Crossing, ...]]:
        """The defense as fitted in a round (most have one), its losses, and what it read of the round before."""
        with stream.initialization():
            module = self.new_module()
        read = digest_answers(self, module, number, stream, progress)
        private, people = load_numbers(self.private, "private"), load_people(self.private)
        options = self.scenario.reconstructor

        def another(kind: str) -> nn.Module:
            return freeze(self.train_reconstructor_of(kind, self.stream(f"reconstruct {kind}"), progress)[0])

        view = PrivateView(
            features=self.feed([self.own_features(self.private)], self.defense.batch_size),
            images=self.images,
            task=self.task,
            public=load_images(self.layout.public),
            decider=self.released.decider,
            reconstructor=another(options.kind) if options.by == "own" else self.reconstructor,
            featurizer=self.released.featurizer,
            stream=stream,
            compute=self.compute,
            progress=progress,
            another=another,
            identifier=partial(self._identifier, progress),
            like_decider=lambda outputs: self.new_split(outputs).decider,
            private=None if private is None else torch.from_numpy(private),
            people=people,
        )
        return module, self.defense.fit(module, view), read

    def disclose(self, progress: Progress) -> Report:
        """What R shows of held-out images, before and after the own module; see `collab.participants.disclosure`."""
        options, features, module = self.scenario.disclosure, self.heldout_features[0], self.fitted_module()
        assert options is not None  # else this stage is not played
        measures, sheet = measure_disclosure(
            lambda rows: self.reconstruction(features[rows]),
            lambda rows: self.reconstruction(self.heldout_as_published(module, rows)),
            partial(self.heldout.take, device=self.compute.device),
            torch.from_numpy(self.heldout.classes).to(self.compute.device),
            self.eye, options, self.scenario.seed,
        )  # fmt: skip
        return Report(measures, (keep_pictures(self.layout.pictures, self.name, sheet),))

    def expose(self, progress: Progress) -> Report:
        """What features of held-out images, as they would be published, give away beside the task."""
        module = self.fitted_module()
        decider = self.conversion.decider(module, self.released)
        published = Published(self.whole_heldout_as_published(module), self.encoder(self.defense, module), decider)
        measures, exhibit = measure_exposure(self, published, progress)
        return Report(measures, (keep_pictures(self.layout.pictures, self.name, exhibit),))

    def measure(self, progress: Progress) -> Report:
        """Scores what R makes of held-out images by metrics that are plugins."""
        return Report(measure_images(self, self.fitted_module()))

    def publish(self, progress: Progress) -> Report:
        """Writes poisoned features and labels to the store, in an order that says nothing about the own images.

        The order stays in the private folder, for whoever scores an attack.
        """
        module, order = self.fitted_module(), list[Tensor]()
        record = self._write_shard(module, order, PUBLISHED)
        rows = torch.cat(order).numpy()
        np.save(self.private / "published.npy", rows)
        here = Store(self.layout.run / "store")  # wherever stores lie
        shard = here.open(record, self.spec_of(self.name))
        read = measure_writing(self, module, [shard], rows)
        shutil.rmtree(self.scratch, ignore_errors=True)
        sent = [shard_crossing("publish", self.name, EVERYONE, record)]
        if self.releases_module:
            folder, state = self.layout.modules / self.name, module.state_dict()
            digest = write_release(folder, "defense", state, {})
            sent.append(net_crossing("publish", self.name, "module", digest, folder / "defense.safetensors", state))
        earlier = (name_round(number) for number in range(1, self.stated.defenses[0].public_rounds))
        size = record.bytes + sum(each.bytes for stage in earlier for each in here.records(self.name, stage))
        counts = Measure("rows_published", record.rows), Measure("bytes_published", size)
        return Report((*counts, *read, jpeg_bytes(self.images.images)), tuple(sent))

    def _write_shard(self, module: nn.Module, order: list[Tensor], stage: str) -> Record:
        """Puts into the store what the module makes in a stage; which own images lie behind it is put into `order`."""
        stream = self.stream("publish")
        alter = partial(self.published, generator=stream.torch("altered"))
        batches = publish_rows(self, module, stream, alter, order)
        held, spec, run = tell_guarantee(self._guarantee())[0], self.spec_of(self.name), self.layout.run.name
        return self.layout.store.publish(
            self.name, batches, spec, run=run, guarantee=held.get("guarantee"), stage=stage
        )

    def withdraw(self, progress: Progress) -> Report:
        """Marks what it has published as withdrawn; who has read it has read it."""
        return Report((Measure("shards_withdrawn", len(self.layout.store.withdraw(self.name))),))

    # ---- step 3: every entity refines -------------------------------------------------------------------------------
    def refine(self, row: Refinement, most_rows: int, progress: Progress) -> Report:
        """Plays one row of the table: from scratch on own images, or the released C on own and pooled features."""
        stream = self.stream("refine")
        if row.own == "images":
            return self.train_from_scratch(row, self.images, stream, progress)
        if row.own == "published":
            return self._train_on_published(row, stream, progress)
        plain = None if row.own == "none" else self.own_features(self.private)
        own = self.shards_of(self.name) if row.own == "poisoned" else [plain] if plain else []
        offered = [offer(self, sender) for sender in sorted(row.pool)]
        pool, measures = self.choose([peer for peer in offered if peer.shards], row, progress), list[Measure]()
        measures += [Measure(f"refused[{peer.sender}]", len(peer.refused)) for peer in offered if peer.refused]
        if (row.vet or self.scenario.refine.vet) == "holdout" and plain is not None:
            harms = measure_harm(self, pool, row, progress)
            pool = [peer for peer in pool if not hurts(harms[peer.sender])]
            measures += harms.values()
        taken = {peer.sender: peer.rows for peer in pool}
        measures += [Measure(f"rows_from[{peer.sender}]", taken.get(peer.sender, 0)) for peer in offered]
        shards = [*own, *(shard for peer in pool for shard in peer.shards)]
        decider, report = self.refine_on(Mixture(shards, plain, most_rows), row, stream, progress)
        write_release(self.private, name_decider(row), decider.state_dict(), {"row": str(row.name)})
        shutil.rmtree(self.scratch, ignore_errors=True)
        read = (shard_crossing("refine", peer.sender, self.name, record) for peer in offered for record in peer.records)
        why = {f"refused[{peer.sender}]": " ".join(peer.refused)[:1000] for peer in offered if peer.refused}
        return Report((*report.measures, *measures), tuple(read), why)

    def _train_on_published(self, row: Refinement, stream: Stream, progress: Progress) -> Report:
        """A new network trained on images as they were published, own and pooled, as VisualMixer's paper does.

        Scored on raw held-out images, and (`..._published`) on held-out ones that went through the own defense.
        """
        readers = [reader for name in (self.name, *sorted(row.pool)) for reader in self.read(name)]
        images = image_set(self.scratch, readers)
        networks = self.train_networks(row, images, stream, progress)
        trained = self.score_training(networks[0], images)
        module = self.fitted_module()
        shown = self.score_images(networks, lambda images: as_published(self.defend(module, images)), "_published")
        shutil.rmtree(self.scratch, ignore_errors=True)
        rows = Measure("rows", sum(reader.rows for reader in readers))
        read = (
            shard_crossing("refine", sender, self.name, record)
            for sender in sorted(row.pool)
            for record in self.layout.store.records(sender)
        )
        return Report((*self.score_images(networks), *shown, trained, rows), tuple(read))

    # ---- the same with weights in place of features -----------------------------------------------------------------
    def federate(self, federation: Federation, number: int, progress: Progress) -> Report:
        """Trains C on own features for a round of federated averaging, and publishes its weights."""
        return train_round(self, federation, number, progress)

    def aggregate(self, federation: Federation, number: int, progress: Progress) -> Report:
        """Averages the weights of a round for all, where it is the one who does."""
        return aggregate_round(self, federation, number)

    def average(self, federation: Federation, progress: Progress) -> Report:
        """Scores what federated averaging has come to."""
        return score_rounds(self, federation)

    # ---- what a curious entity does ---------------------------------------------------------------------------------
    def rehearse(self, attempt: Attempt, progress: Progress) -> Report:
        """Lets an attack learn what it can before it sees a shard, for all victims with this defense."""
        return rehearse(self, attempt, progress)

    def attack(self, attempt: Attempt, progress: Progress) -> Report:
        """Tries an attack on the first rows of what the victim published, with what it asks for and nothing else."""
        return attack(self, attempt, progress)

    # ---- what a plugin may want to call ------------------------------------------------------------------------------
    def train_reconstructor_of(
        self, kind: str, stream: Stream, progress: Progress
    ) -> tuple[nn.Module, tuple[float, ...]]:
        """A reconstructor of `kind` that has learned to invert F on the public set, and its loss in each epoch."""
        public, options = load_images(self.layout.public), self.scenario.reconstructor
        with stream.initialization():
            net = self.new_reconstructor(kind)
        feed = self.feed([self.own_features(self.layout.public)], options.batch_size)
        losses = train_reconstructor(
            net, feed, public, Recipe.of(options), stream=stream, compute=self.compute, progress=progress
        )
        return net, losses

    def _identifier(self, progress: Progress) -> tuple[nn.Module, int]:
        """A network that names who is on the own images, from F(x); kept, since the oracle asks it what is left."""
        features, _ = self.own_features(self.private).load()
        network, question = train_identifier(self, self.name, features, load_own_numbers(self, "identities"), progress)
        write_release(self.private, IDENTIFIER, network.state_dict(), {})
        return network, question.task.outputs

    def _release(self, name: str, net: nn.Module, card: Mapping[str, object]) -> Crossing:
        state, model = net.state_dict(), self.scenario.model
        about = {"backbone": model.backbone, "hook": model.hook, "classes": self.task.outputs, "trained_by": self.name}
        digest = write_release(self.layout.release, name, state, {**about, **card})
        return net_crossing("release", self.name, name, digest, self.layout.release / f"{name}.safetensors", state)
