"""What every holder of images in a run has: files, shards, its own and those of others, networks as released."""

import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from collab.errors import ShardMissing
from collab.metrics.perceptual import lpips_network
from collab.models.backbones import Split, build_split, feature_shape
from collab.models.freeze import Network, freeze
from collab.models.recognizer import Individuals, Recognizer
from collab.models.reconstructors import build_reconstructor
from collab.participants.conversions import Conversion, Reading, conversion_of
from collab.participants.disclosure import Eye
from collab.participants.layout import Layout, load_images
from collab.results.metric import Metric
from collab.scenario.model import EntityPart, Scenario
from collab.seeding import Stream
from collab.store.manifest import Record
from collab.store.private import private_folder
from collab.store.release import read_release
from collab.store.shards import Batches, ShardReader, ShardSpec, Verified, Written, open_shard, write_shard
from collab.store.store import PUBLISHED
from collab.training.feeds import ImageSet
from collab.training.precision import Compute
from collab.training.recipes import features_of
from collab.training.tasks import Classification, Task


class Holder:
    """A holder of images of the private classes, and where it finds what it works with.

    `class_names` are those of the private classes, in the order of their labels; `task` is what C is for, to tell these
    classes unless given; `seeds` are secrets by name, of which an entity has its own, or none if its randomness follows
    from the scenario's seed.
    Stages communicate through files only, so that any stage can be played again, in any process.
    """

    class_names: tuple[str, ...]

    def __init__(
        self, name: str, scenario: Scenario, run: Path, *, classes: int, compute: Compute, task: Task | None = None
    ) -> None:
        self.seeds: Mapping[str, int] = {}
        self.metrics: tuple[Metric, ...] = ()  # those of the scenario that are plugins
        self._verified: Verified = set()
        self.name = name
        self.scenario = scenario
        signing = next((each.signing_key_path for each in scenario.entities if each.name == name), None)
        self.layout = Layout(run, name, scenario.store.uri, signing)
        self.task = task or Classification(tuple(map(str, range(classes))))
        self.classes = classes
        self.compute = compute

    @cached_property
    def private(self) -> Path:
        """The folder that nobody else may read."""
        return private_folder(self.layout.run, self.name)

    @property
    def scratch(self) -> Path:
        """Shards that only the stage under way needs."""
        return self.private / "scratch"

    def scratch_shard(self, name: str, batches: Batches, spec: ShardSpec | None = None) -> ShardReader:
        """A shard of this holder's own making, under its scratch; of plain features unless `spec` says otherwise."""
        spec = spec or self.spec
        written = write_shard(self.scratch / name, batches, entity=self.name, spec=spec)
        return open_shard(written.path, written, spec)

    @cached_property
    def images(self) -> ImageSet:
        """This holder's own images."""
        return load_images(self.private)

    @cached_property
    def heldout(self) -> ImageSet:
        """The images that everything is scored on."""
        return load_images(self.layout.heldout)

    @cached_property
    def released(self) -> Split:
        """F and C as released, frozen; shared by this object's stages, so nobody may change them."""
        split = self.new_split()
        self._load("featurizer", split.featurizer)
        self._load("decider", split.decider)
        return split

    @cached_property
    def reconstructor(self) -> nn.Module:
        """R as released, frozen."""
        return self._load("reconstructor", self.new_reconstructor())

    @cached_property
    def eye(self) -> Eye:
        """Networks that neither defenses nor attacks know, as far as the scenario asks for them, frozen."""
        options = self.scenario.disclosure
        if options is None:
            return Eye()
        recognizer = None
        if options.recognizer is not None:
            untrained = self.new_recognizer(options.recognizer.width)
            recognizer = self._load("recognizer", untrained, self.layout.heldout)
        lpips = None if options.lpips is None else lpips_network(options.lpips).to(self.compute.device)
        return Eye(recognizer, lpips, options.lpips or "")

    @cached_property
    def embedding(self) -> Individuals | None:
        """Our own embedding of individuals, frozen; it learned on those of the public images. None unless asked for."""
        if self.scenario.exposure is None or self.scenario.exposure.embedding is None:
            return None
        state, _ = read_release(self.layout.heldout, "embedding")
        network = Individuals(len(state["head.bias"]), self.scenario.data.image_size)
        network.load_state_dict(state)
        return freeze(self.compute.place(network))

    def new_recognizer(self, width: int) -> Recognizer:
        """An untrained independent classifier of the private classes."""
        return Recognizer(self.classes, self.scenario.data.image_size, width=width)

    def features(self, images: Tensor) -> Tensor:
        """F of images [batch, 3, side, side] in [0, 1], fp32, on the device."""
        with torch.no_grad(), self.compute.autocast():
            x = images.to(self.compute.device).contiguous(memory_format=torch.channels_last)
            return self.released.featurizer(x).float()

    def reconstruction(self, features: Tensor) -> Tensor:
        """What the released R makes of features [batch, channels, height, width], fp32."""
        with torch.no_grad(), self.compute.autocast():
            return self.reconstructor(features.to(self.compute.device).float()).float()

    @cached_property
    def spec(self) -> ShardSpec:
        """What shards of this run look like."""
        _, card = read_release(self.layout.release, "featurizer")
        channels, height, width = card["feature"]
        shape, task = (channels, height, width), self.task
        return ShardSpec(shape, self.scenario.store.codec, task.outputs, card["sha256"], task.stored)

    def spec_of(self, sender: str) -> ShardSpec:
        """What shards of `sender` look like: features; or images or answers, in an exact codec, where it so says."""
        public = partial(Written.read, self.layout.public / "features")
        mixes = self._part_of(sender).defenses[0].public_mixes
        return self.conversion_of(sender).shard_spec(self.spec, self.scenario.data.image_size, public, mixes)

    @property
    def stated(self) -> EntityPart:
        """This holder as the scenario states it; the oracle is none of its entities."""
        return self._part_of(self.name)

    def conversion_of(self, sender: str) -> Conversion:
        """How the form of the defense of `sender` is played."""
        return conversion_of(self._part_of(sender).form)

    def _part_of(self, name: str) -> EntityPart:
        return next(entity for entity in self.scenario.entities if entity.name == name)

    def stream(self, stage: str) -> Stream:
        """This holder's randomness in `stage`."""
        return self.stream_of(self.name, stage)

    def stream_of(self, name: str, stage: str) -> Stream:
        """The randomness of `name` in `stage`; of others only the simulator knows it where it is secret."""
        return Stream(self.seeds.get(name, self.scenario.seed), name, stage)

    def new_split(self, outputs: int | None = None) -> Split:
        """An untrained F and C of the scenario's architecture, with other `outputs` than those of the task if given."""
        model = self.scenario.model
        return build_split(model.architecture, model.hook, classes=outputs or self.task.outputs, width=model.width)

    def new_reconstructor(self, kind: str | None = None) -> nn.Module:
        """An untrained R of `kind`, the scenario's unless given."""
        options, side = self.scenario.reconstructor, self.scenario.data.image_size
        shape = feature_shape(self.released.featurizer, side)
        return build_reconstructor(
            kind or options.kind, shape, side, tail_blocks=options.tail_blocks, upscale=options.upscale
        )

    def own_features(self, folder: Path) -> ShardReader:
        """The shard of unpoisoned features in a folder of this holder; verified when it is first read."""
        written = Written.read(folder / "features")
        return open_shard(written.path, written, self.spec, self._verified)

    def shards_of(self, sender: str) -> list[ShardReader]:
        """Features that `sender` published, F of its images, or of public ones with its answers; or ShardMissing."""
        return self.as_features(sender, self.read(sender))

    def as_features(self, sender: str, readers: Sequence[ShardReader]) -> list[ShardReader]:
        """Shards of `sender` as they are, or where their rows are no features, one of such in the scratch."""
        keep = partial(self.scratch_shard, f"features_of_{sender}")
        reading = Reading(self.features, partial(self.own_features, self.layout.public), keep)
        return self.conversion_of(sender).as_features(readers, reading)

    def read(self, sender: str, stage: str = PUBLISHED) -> list[ShardReader]:
        """What `sender` published, verified; ShardMissing if that is nothing."""
        return [self.layout.store.open(record, self.spec_of(sender)) for record in self.records_of(sender, stage)]

    def records_of(self, sender: str, stage: str = PUBLISHED) -> Sequence[Record]:
        """What the manifest says of the shards of `sender`, in a `stage`; ShardMissing if it has none."""
        store = self.layout.store
        records = store.records(sender, stage)
        if not records:
            published = ", ".join(sorted({record.entity for record in store.records_or_less()})) or "nothing"
            raise ShardMissing(
                f"entity {self.name!r} wants to read {sender!r}, which has published nothing or withdrawn it. "
                f"There is: {published}. Take {sender!r} out of `pool`, or look above for its failed publish stage."
            )
        return records

    def write_features(self, folder: Path, images: ImageSet) -> Written:
        """Computes F of `images` once, as the only shard under `folder`."""
        target = folder / "features"
        shutil.rmtree(target, ignore_errors=True)
        batches = features_of(self.released.featurizer, images, self.compute)
        written = write_shard(target, batches, entity=self.name, spec=self.spec)
        written.save()
        return written

    @cached_property
    def heldout_features(self) -> tuple[Tensor, Tensor]:
        """F of the held-out images as stored, and their labels."""
        return self.own_features(self.layout.heldout).load()

    def _load(self, name: str, net: Network, folder: Path | None = None) -> Network:
        state, _ = read_release(folder or self.layout.release, name)
        net.load_state_dict(state)
        return freeze(self.compute.place(net))
