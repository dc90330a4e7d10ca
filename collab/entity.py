"""What an entity plugin must be: the base class plays the paper's entity, a plugin overrides what differs."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from collab.attacks.base import Attack, Knowledge, Pairs, adversary
from collab.defenses.base import ImageDefense, PrivateView, Protection
from collab.disclosure import disclosed, to_uint8
from collab.errors import EntityError
from collab.exposure import Exposed, exposed
from collab.federation import local_round, outcome
from collab.inference import IDENTIFIER, identifier_of, kept_numbers
from collab.metrics.sizes import jpeg_bytes
from collab.metrics.visual import ssim_window
from collab.models.backbones import feature_shape, is_rectified
from collab.models.encoder import Encoder
from collab.models.freeze import freeze
from collab.participant import EVERYONE, Participant, load_images, load_numbers, net_crossing
from collab.pool import Pooled, harm, hurts, offer
from collab.published_images import LEVELS, as_published, discernibility, image_set, read_images
from collab.scenario.base import Answers, AttackOptions, EntityOptions
from collab.scenario.model import Refinement
from collab.scenario.parts import Federation
from collab.scoring import batched, distances, equivalence, means, worst_and_median
from collab.seeding import Stream
from collab.store.codec import as_stored
from collab.store.files import Placed
from collab.store.manifest import Record
from collab.store.pictures import Pictures, write_pictures, write_sheet
from collab.store.release import read_release, write_release
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import EVAL_BATCH, outputs_of, train_classifier, train_reconstructor
from collab.types import Crossing, Measure, Report


class Entity(Participant):
    """One party with private images: they, their unpoisoned features, its DPM and its random streams stay with it.

    A plugin overrides a hook (`prepare`, `published`, `choose`), or a whole stage. `options` are those of the scenario,
    an instance of `Options`, which also say when it takes part.
    """

    group: ClassVar[str] = "entities"
    kind: ClassVar[str]
    Options: ClassVar[type[EntityOptions]] = EntityOptions
    options: EntityOptions
    defense: Protection
    releases_module: bool = False

    # ---- hooks ------------------------------------------------------------------------------------------------------
    def prepare(self, images: ImageSet) -> ImageSet:
        """What it makes of its images, once, before anything is computed from them; as many, in the same order."""
        return images

    def published(self, features: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What it publishes of a batch of protected features [batch, channels, height, width] and labels [batch, ...].

        Labels are what the task asks: classes, or lists of numbers; `self.task` knows. Of images [batch, 3, side, side]
        in [0, 1] where its defense publishes those.
        """
        return features, labels

    def choose(self, pool: Sequence[Pooled], row: Refinement, progress: Progress) -> Sequence[Pooled]:
        """What it takes of the pool that `row` names; `collab.pool` has what helps to choose."""
        return pool

    @property
    def publishes_images(self) -> bool:
        """Whether its defense changes images, and those are what it publishes."""
        return isinstance(self.defense, ImageDefense)

    @cached_property
    def images(self) -> ImageSet:
        """The own images, prepared. Raises EntityError if preparing lost or added some."""
        there = load_images(self.private)
        prepared = self.prepare(there)
        if len(prepared) != len(there) or len(prepared.images) != len(there):
            raise EntityError(
                f"{type(self).__name__}.prepare made {len(prepared.images)} images with {len(prepared)} labels of "
                f"{len(there)}. It may change images, not their number or order; for fewer, give the entity fewer."
            )
        return prepared

    # ---- step 1: one entity pre-trains, splits, releases ------------------------------------------------------------
    def pretrain(self, progress: Progress) -> Report:
        """Trains F and C on the own images and releases them (DP-1, DP-2)."""
        stream = self.stream("pretrain")
        with stream.initialization():
            split = self.new_split()
        network = nn.Sequential(split.featurizer, split.decider)
        recipe = Recipe.of(self.scenario.model.pretrain)
        train_classifier(
            network, self.images, recipe, stream=stream, compute=self.compute, progress=progress, task=self.task
        )
        shape = feature_shape(split.featurizer, self.scenario.data.image_size)
        released = (
            self._release("featurizer", split.featurizer, {"feature": list(shape)}),
            self._release("decider", split.decider, {}),
        )
        return Report(self.score_images(network), released)

    def reconstruct(self, progress: Progress) -> Report:
        """Trains R on public images and releases it (DP-3)."""
        public = load_images(self.layout.public)
        self.write_features(self.layout.public, public)
        net, losses = self.trained_reconstructor(self.scenario.reconstructor.kind, self.stream("reconstruct"), progress)
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
            task=self.task,
            public=load_images(self.layout.public),
            decider=self.released.decider,
            reconstructor=self.reconstructor,
            stream=stream,
            compute=self.compute,
            progress=progress,
            another=lambda kind: freeze(
                self.trained_reconstructor(kind, self.stream(f"reconstruct {kind}"), progress)[0]
            ),
            identifier=partial(self._identifier, progress),
            like_decider=lambda outputs: self.new_split(outputs).decider,
            private=_tensor(load_numbers(self.private, "private")),
        )
        losses = self.defense.fit(module, view)
        write_release(self.private, "defense", module.state_dict(), {})  # for this entity alone
        measures, pictures = self.cost_and_disclosure(module)
        return Report((*measures, *(Measure("poison_loss", loss) for loss in losses[-1:])), (pictures,))

    def disclose(self, progress: Progress) -> Report:
        """What R shows of held-out images, before and after the own module, as `collab.disclosure` measures it."""
        wanted, features, module = self.scenario.disclosure, self.heldout_features[0], self.fitted_module()
        assert wanted is not None  # else this stage is not played

        def poisoned(rows: np.ndarray) -> Tensor:
            return self.reconstruction(self.heldout_as_published(module, rows))

        def original(rows: np.ndarray) -> Tensor:
            return self.reconstruction(features[rows])

        truth = partial(self.heldout.take, device=self.compute.device)
        on_device = torch.from_numpy(self.heldout.classes).to(self.compute.device)
        measures, sheet = disclosed(original, poisoned, truth, on_device, self.eye, wanted, self.scenario.seed)
        placed = write_sheet(self.layout.pictures / self.name, sheet)
        return Report(measures, (_picture_crossing("disclose", self.name, placed, sheet.original.shape),))

    def expose(self, progress: Progress) -> Report:
        """What features of held-out images, as they would be published, give away beside the task."""
        module = self.fitted_module()
        pieces = batched(torch.arange(len(self.heldout)))
        shown = torch.cat([self.heldout_as_published(module, part.numpy()) for part in pieces])
        reader = module.decider if isinstance(module, Encoder) else self.released.decider
        return Report(exposed(self, Exposed(shown, self.encoder(self.defense, module), reader), progress))

    def encoder(self, defense: Protection, module: nn.Module) -> Callable[[Tensor], Tensor]:
        """What turns images [batch, 3, side, side] into what an entity with this defense and module publishes."""
        run, featurize = partial(self.protect, module), self.released.featurizer
        if isinstance(defense, ImageDefense):
            return lambda images: self.features(as_published(run(images)))
        return run if defense.encodes else lambda images: run(featurize(images))

    def publish(self, progress: Progress) -> Report:
        """Writes poisoned features and labels to the store, in an order that says nothing about the own images.

        The order stays in the private folder, for whoever scores an attack.
        """
        module = self.fitted_module()
        feed = self.feed([self.own_features(self.private)], EVAL_BATCH)
        images, device = self.images, self.compute.device

        stream, order = self.stream("publish"), list[Tensor]()
        altering = stream.torch("altered")

        def poisoned() -> Iterator[tuple[Tensor, Tensor]]:
            for features, labels, rows in feed.batches(stream.torch("order")):
                order.append(rows.clone())
                is_image = self.defense.encodes or self.publishes_images
                given = images.take(rows.numpy(), device) if is_image else features
                changed, told = self.published(self.protect(module, given), labels, altering)
                yield as_published(changed) * LEVELS if self.publishes_images else changed, told

        record = self.layout.store.publish(self.name, poisoned(), self.spec_of(self.name), run=self.layout.run.name)
        np.save(self.private / "published.npy", torch.cat(order).numpy())
        sent = [_shard_crossing("publish", self.name, EVERYONE, record)]
        if self.releases_module:
            folder, state = self.layout.modules / self.name, module.state_dict()
            digest = write_release(folder, "defense", state, {})
            sent.append(net_crossing("publish", self.name, "module", digest, folder / "defense.safetensors", state))
        told = Measure("rows_published", record.rows), Measure("bytes_published", record.bytes)
        return Report((*told, jpeg_bytes(self.images.images)), tuple(sent))

    def withdraw(self, progress: Progress) -> Report:
        """Marks what it has published as withdrawn; who has read it has read it."""
        gone = self.layout.store.withdraw(self.name)
        return Report((Measure("shards_withdrawn", len(gone)),))

    # ---- step 3: every entity refines -------------------------------------------------------------------------------
    def refine(self, row: Refinement, most_rows: int, progress: Progress) -> Report:
        """Plays one row of the table: from scratch on own images, or the released C on own and pooled features."""
        stream = self.stream("refine")
        if row.own == "images":
            return self.train_from_scratch(row, self.images, stream, progress)
        if row.own == "published":
            return self._train_on_published(row, stream, progress)
        own = self.shards_of(self.name) if row.own == "poisoned" else [self.own_features(self.private)]
        offered = [offer(self, sender) for sender in sorted(row.pool)]
        pool, told = self.choose([peer for peer in offered if peer.shards], row, progress), list[Measure]()
        told += [Measure(f"refused[{peer.sender}]", len(peer.refused)) for peer in offered if peer.refused]
        if (row.vet or self.scenario.refine.vet) == "holdout":
            found = harm(self, pool, row, progress)
            pool = [peer for peer in pool if not hurts(found[peer.sender])]
            told += found.values()
        taken = {peer.sender: peer.rows for peer in pool}
        told += [Measure(f"rows_from[{peer.sender}]", taken.get(peer.sender, 0)) for peer in offered]
        shards = [*own, *(shard for peer in pool for shard in peer.shards)]
        decider, report = self.refined(shards, most_rows, row, stream, progress)
        name = f"decider_{hashlib.sha256(str(row.row).encode()).hexdigest()[:16]}"  # rows may have long names
        write_release(self.private, name, decider.state_dict(), {"row": str(row.row)})
        shutil.rmtree(self.scratch, ignore_errors=True)
        read = (_shard_crossing("refine", peer.sender, self.name, each) for peer in offered for each in peer.records)
        why = {f"refused[{peer.sender}]": " ".join(peer.refused)[:1000] for peer in offered if peer.refused}
        return Report((*report.measures, *told), tuple(read), why)

    def _train_on_published(self, row: Refinement, stream: Stream, progress: Progress) -> Report:
        """A new network trained on images as they were published, own and pooled, as VisualMixer's paper does.

        Scored on raw held-out images, and (`..._published`) on held-out ones that went through the own defense.
        """
        readers = [reader for name in (self.name, *sorted(row.pool)) for reader in self.read(name)]
        network = self.network_from_scratch(row, image_set(self.scratch, readers), stream, progress)
        module = self.fitted_module()
        shown = self.score_images(network, lambda images: as_published(self.protect(module, images)), "_published")
        shutil.rmtree(self.scratch, ignore_errors=True)
        rows = Measure("rows", sum(reader.rows for reader in readers))
        read = (
            _shard_crossing("refine", sender, self.name, record)
            for sender in sorted(row.pool)
            for record in self.layout.store.records(sender)
        )
        return Report((*self.score_images(network), *shown, rows), tuple(read))

    # ---- the same with weights in place of features -----------------------------------------------------------------
    def federate(self, federation: Federation, number: int, progress: Progress) -> Report:
        """Trains C on own features for a round of federated averaging, and publishes its weights."""
        return local_round(self, federation, number, progress)

    def average(self, federation: Federation, progress: Progress) -> Report:
        """Scores what federated averaging has come to."""
        return outcome(self, federation)

    # ---- what a curious entity does ---------------------------------------------------------------------------------
    def rehearse(
        self, attack: Attack, stated: AttackOptions, victim: str, recipe: Protection, progress: Progress
    ) -> Report:
        """Lets an attack learn what it can before it sees a shard, for all victims whose `recipe` is this one."""
        who = f"the attack {stated.label!r} of entity {self.name!r}, rehearsing,"
        had = self._had() | {"recipe": recipe}
        nothing = torch.zeros(0, *self.spec.shape), torch.zeros(0, dtype=torch.int64)
        needs = attack.asks_for - {"images", "pairs", "candidates", "victim_module", "victim_encoder", "victim_weights"}
        known = Knowledge(who, *nothing, needs, **had)
        stream = self.stream(f"rehearse {stated.label} {victim}")
        kept = attack.rehearse(known, stream, self.compute, progress)
        write_release(self.private, guess_name(f"rehearsal {stated.label}", victim), kept, {"victim": victim})
        return Report()

    def attack(
        self,
        attack: Attack,
        stated: AttackOptions,
        victim: str,
        recipe: Protection,
        progress: Progress,
        *,
        is_open: bool = False,
        rehearsed_on: str | None = None,
    ) -> Report:
        """Tries an attack on the first rows of what `victim` published, with what it asks for and nothing else.

        `recipe` is how the victim makes its module, `is_open` that it has released it; `rehearsed_on` names the victim
        that a rehearsal of this attack was for. The answer stays in the private folder, where the oracle, which alone
        may see the truth, scores it.
        """
        shards = [shard.load() for shard in self.shards_of(victim)]
        features, labels = (torch.cat(parts) for parts in zip(*shards, strict=True))
        who, needs = f"the attack {stated.label!r} of entity {self.name!r}", attack.asks_for
        had = self._had() | {"recipe": recipe}
        if is_open:
            had |= self._opened(recipe, read_release(self.layout.modules / victim, "defense")[0])
        rows, _ = dealt(len(labels), stated)
        if self.spec_of(victim).shows_images:
            had["images"] = torch.cat([images for images, _ in read_images(self.read(victim))])[:rows]
        if stated.hand_out is not None:
            given, _ = read_release(self.layout.handed(self.name), guess_name(stated.label, victim))
            if state := {name[len(STOLEN) :]: value for name, value in given.items() if name.startswith(STOLEN)}:
                had |= self._opened(recipe, state)
            if "candidates" in given:
                had["candidates"] = given["candidates"].float() / 255
            if "pairs" in given:
                first = len(labels) - len(given["pairs"])
                had["pairs"] = Pairs(features[first:].float(), given["pairs"].float() / 255, labels[first:])
        known = Knowledge(who, features[:rows].float(), labels[:rows], needs, **had)
        if rehearsed_on is not None:
            known.rehearsed, _ = read_release(self.private, guess_name(f"rehearsal {stated.label}", rehearsed_on))
        found = attack.rebuild(known, self.stream(f"attack {stated.label} {victim}"), self.compute, progress)
        side = self.scenario.data.image_size
        wanted: dict[Answers, tuple[int, ...]] = {"images": (rows, 3, side, side), "attributes": (rows, 4)}
        if "candidates" in had:
            count = len(had["candidates"])
            wanted |= {"matches": (rows, count), "members": (count,)}
        if found.shape != wanted.get(stated.answers) or not bool(found.isfinite().all()):
            raise EntityError(
                f"{who} answered {tuple(found.shape)}, or values that are not finite. It must answer finite "
                f"{stated.answers} of shape {wanted.get(stated.answers)}."
            )
        answer = torch.from_numpy(to_uint8(found)) if stated.answers == "images" else found.float()
        write_release(self.private, guess_name(stated.label, victim), {stated.answers: answer}, {"victim": victim})
        read = [_shard_crossing("attack", victim, self.name, each) for each in self.layout.store.records(victim)]
        known_as = {"knowledge": ", ".join(sorted(needs)), "adversary": adversary(needs)}
        return Report((Measure("rows_attacked", rows),), tuple(read), known_as)

    def _opened(self, recipe: Protection, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """A victim's module, as a service and with its weights."""
        module = self.fitted_module(recipe, state)
        found: dict[str, Any] = {"victim_encoder": self.encoder(recipe, module)}
        if not recipe.encodes and not isinstance(recipe, ImageDefense):
            found |= {"victim_module": partial(self.protect, module)}
            found |= {"victim_weights": freeze(self.compute.place(module))}
        return found

    def _had(self) -> dict[str, Any]:
        """What a collaborator has beside what a victim published."""
        had: dict[str, Any] = {
            "task": self.task,
            "featurizer": self.released.featurizer,
            "decider": self.released.decider,
            "reconstructor": self.reconstructor,
            "public_data": load_images(self.layout.public),
            "own_data": self.images,
        }
        if self.options.publishes and not self.defense.encodes and not self.publishes_images:
            had["own_module"] = partial(self.protect, self.fitted_module())
        return had

    # ---- what a plugin may want to call ------------------------------------------------------------------------------
    def trained_reconstructor(
        self, kind: str, stream: Stream, progress: Progress
    ) -> tuple[nn.Module, tuple[float, ...]]:
        """A reconstructor of `kind` that has learned to invert F on the public set, and its loss in each epoch."""
        public, wanted = load_images(self.layout.public), self.scenario.reconstructor
        with stream.initialization():
            net = self.new_reconstructor(kind)
        feed = self.feed([self.own_features(self.layout.public)], wanted.batch_size)
        losses = train_reconstructor(
            net, feed, public, Recipe.of(wanted), stream=stream, compute=self.compute, progress=progress
        )
        return net, losses

    def new_module(self, defense: Protection | None = None) -> nn.Module:
        """The module of a defense (its own unless given), untrained."""
        model, wanted = self.scenario.model, defense or self.defense
        if isinstance(wanted, ImageDefense):
            return wanted.build(3, rectified=False)
        if wanted.encodes:
            return Encoder.beginning_as(self.released)
        return wanted.build(self.spec.shape[0], rectified=is_rectified(model.backbone, model.hook))

    def fitted_module(self, defense: Protection | None = None, state: Mapping[str, Tensor] | None = None) -> nn.Module:
        """The module of a defense with its `state`; the own one as it was fitted unless given."""
        module = self.new_module(defense)
        module.load_state_dict(read_release(self.private, "defense")[0] if state is None else state)
        return module

    def protect(self, module: nn.Module, features: Tensor) -> Tensor:
        """P(f), E(x), or M(x), in eval mode, so that no row depends on its batch mates; fp32, on the device."""
        self.compute.place(module).eval()
        with torch.no_grad(), self.compute.autocast():
            changed: Tensor = module(features.to(self.compute.device).float())
        return changed.float()

    def _identifier(self, progress: Progress) -> tuple[nn.Module, int]:
        """A network that names who is on the own images, from F(x); kept, since the oracle asks it what is left."""
        features, _ = self.own_features(self.private).load()
        network, question = identifier_of(self, self.name, features, kept_numbers(self, "identities"), progress)
        write_release(self.private, IDENTIFIER, network.state_dict(), {})
        return network, question.task.outputs

    def cost_and_disclosure(self, module: nn.Module) -> tuple[tuple[Measure, ...], Crossing]:
        """Tables 1 and 2 on held-out images, from features as they would be stored; and the pictures kept of them."""
        features, labels = self.heldout_features
        seed, compute = self.scenario.seed, self.compute
        rows = torch.arange(len(features)).numpy()
        poisoned = torch.cat(
            [self.heldout_as_published(module, part.numpy()) for part in batched(torch.from_numpy(rows))]
        )
        reader = module.decider if isinstance(module, Encoder) else self.released.decider
        found = distances(
            self.reconstructor,
            features,
            poisoned,
            lambda start, stop: self.heldout.take(rows[start:stop], self.compute.device),
            compute=compute,
        )
        if isinstance(self.defense, ImageDefense):
            found |= discernibility(self.defense, module, self.heldout.take(rows, compute.device))
        scores = equivalence(
            self.released.decider,
            features,
            poisoned,
            labels,
            reader=reader,
            task=self.task,
            seed=seed,
            compute=compute,
        )
        return (*scores, *means(found, seed)), self._keep_pictures(module, features, poisoned, found)

    def heldout_as_published(self, module: nn.Module, rows: np.ndarray) -> Tensor:
        """What peers would have of held-out images, as stored: P(F(x)), E(x), or F(M(x)) of published images."""
        features, _ = self.heldout_features
        if self.publishes_images:
            encode = self.encoder(self.defense, module)
            return as_stored(encode(self.heldout.take(rows, self.compute.device)), self.spec.dtype)
        given = self.heldout.take(rows, self.compute.device) if self.defense.encodes else features[rows]
        return as_stored(self.protect(module, given), self.spec.dtype)

    def _keep_pictures(
        self, module: nn.Module, features: Tensor, poisoned: Tensor, found: Mapping[str, Tensor]
    ) -> Crossing:
        """Keeps what R makes of some held-out images, the most alike first, for whoever looks at the report.

        Of a defense that publishes images, those as published.

        Held-out images belong to no entity, so that none of its own leaves it here.
        """
        window = ssim_window(self.scenario.data.image_size)[0]
        seen = "published" if self.publishes_images else "poisoned"
        before, after = (found[f"ssim[{window}]_{what}"].numpy() for what in ("original", seen))
        worst, median = worst_and_median(after)
        rows = np.concatenate([worst, median])
        rebuilt = [outputs_of(self.reconstructor, batched(x[rows]), self.compute) for x in (features, poisoned)]
        if self.publishes_images:  # nothing has to be rebuilt: they are what others see
            rebuilt[1] = as_published(self.protect(module, self.heldout.take(rows, self.compute.device)))
        pictures = Pictures(
            metric=f"ssim[{window}]",
            heldout=len(after),
            rows=rows,
            labels=np.asarray(self.heldout.classes)[rows],
            is_worst=np.arange(len(rows)) < len(worst),
            ssim_original=before[rows],
            ssim_poisoned=after[rows],
            original=np.asarray(self.heldout.images[rows]),
            from_original=to_uint8(rebuilt[0]),
            from_poisoned=to_uint8(rebuilt[1]),
        )
        placed = write_pictures(self.layout.pictures / self.name, pictures)
        return _picture_crossing("poison", self.name, placed, pictures.original.shape)

    def _release(self, name: str, net: nn.Module, card: Mapping[str, object]) -> Crossing:
        state, model = net.state_dict(), self.scenario.model
        about = {"backbone": model.backbone, "hook": model.hook, "classes": self.task.outputs, "trained_by": self.name}
        digest = write_release(self.layout.release, name, state, {**about, **card})
        return net_crossing("release", self.name, name, digest, self.layout.release / f"{name}.safetensors", state)


def _picture_crossing(stage: str, sender: str, placed: Placed, shape: tuple[int, ...]) -> Crossing:
    return Crossing(stage, sender, "report", "pictures", placed.sha256, placed.bytes, "uint8", (3, *shape))


STOLEN = "module."
"""What the tensors of a module begin with among those that the oracle hands out."""


def dealt(published: int, attack: AttackOptions) -> tuple[int, int]:
    """How many of a victim's `published` rows an attack is tried on, and how many it has as pairs.

    The attacked ones are the first, the pairs the last, at most half of all: no row is both.
    """
    pairs = min(attack.hand_out.pairs if attack.hand_out else 0, published // 2)
    return min(attack.rows, published - pairs), pairs


def guess_name(attack: str, victim: str) -> str:
    """Under which name an adversary keeps the images that it rebuilt."""
    return f"guess_{hashlib.sha256(f'{attack} {victim}'.encode()).hexdigest()[:16]}"


def _shard_crossing(stage: str, sender: str, receiver: str, record: Record) -> Crossing:
    shape = (record.rows, *record.shape)
    return Crossing(stage, sender, receiver, "shard", record.sha256, record.bytes, record.dtype, shape)


def _tensor(numbers: np.ndarray | None) -> Tensor | None:
    return None if numbers is None else torch.from_numpy(numbers)
