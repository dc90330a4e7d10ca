"""Encoders in the place of F: what they begin as, what their training touches, and what it is asked to use."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from collab.defenses import options as stated
from collab.defenses.adversarial import Adversarial
from collab.defenses.base import EncodingDefense, PrivateView
from collab.defenses.obfuscator import Obfuscator
from collab.errors import CollabError, EntityError
from collab.models.backbones import Encoder, Split, build_split
from collab.models.freeze import freeze
from collab.models.reconstructors import build_reconstructor
from collab.seeding import Stream
from collab.training.feeds import FeatureFeed, ImageSet, InMemory
from collab.training.precision import resolve_compute
from collab.training.progress import Progress
from collab.training.tasks import Attributes
from tests.digests import state_digest

COMPUTE = resolve_compute("fp32", "cpu")
STREAM = Stream(0, "a1", "poison")
SIDE = 32
OBFUSCATOR = {"kind": "obfuscator", "epochs": 1, "initial_epochs": 1, "batch_size": 4}
ADVERSARIAL = {"kind": "adversarial", "epochs": 1, "batch_size": 8, "perceptual_epochs": 1}


def image_set(seed: int, count: int) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, 3)) < 0.5).astype(np.float32)
    return ImageSet(
        rng.integers(0, 255, (count, 3, SIDE, SIDE), dtype=np.uint8), labels, groups=rng.integers(0, 4, count)
    )


@pytest.fixture(scope="module")
def split() -> Split:
    with STREAM.initialization("split"):
        made = build_split("vgg16_small", "pool2", classes=3, width=4)
    return Split(freeze(made.featurizer), freeze(made.decider))


@pytest.fixture
def view(split: Split) -> PrivateView:
    images = image_set(0, 24)
    return PrivateView(
        features=FeatureFeed([InMemory(torch.zeros(24, 8, 8, 8), torch.zeros(24))], (8, 8, 8), 8, COMPUTE.device),
        images=images, public=image_set(1, 16), task=Attributes(("hat", "smile", "horns")), decider=split.decider,
        reconstructor=build_reconstructor("px2s2", (8, 8, 8), SIDE), stream=STREAM, compute=COMPUTE,
        progress=Progress(), featurizer=split.featurizer, another=lambda kind: nn.Identity(),
        identifier=lambda: (split.decider, 3),
        like_decider=lambda outputs: build_split("vgg16_small", "pool2", classes=outputs, width=4).decider,
        private=torch.from_numpy(images.labels[:, :2]),
    )  # fmt: skip


def obfuscator(**options: object) -> EncodingDefense:
    return Obfuscator.from_options(stated.Obfuscator(**{**OBFUSCATOR, **options}))


def adversarial(**options: object) -> EncodingDefense:
    return Adversarial.from_options(stated.Adversarial(**{**ADVERSARIAL, **options}))


def fitted(defense: EncodingDefense, view: PrivateView, split: Split) -> Encoder:
    module = Encoder.begin_as(split)
    with STREAM.initialization():
        defense.fit(module, view)
    return module.eval()


def test_an_encoder_begins_as_the_released_networks_and_is_free_of_them(split: Split) -> None:
    module, images = Encoder.begin_as(split), torch.rand(2, 3, SIDE, SIDE)
    features = module.eval()(images)
    assert torch.equal(features, split.featurizer(images))
    assert torch.equal(module.decider(features), split.decider(split.featurizer(images)))
    assert all(value.requires_grad for value in module.parameters())
    assert not any(value.requires_grad for part in (split.featurizer, split.decider) for value in part.parameters())


@pytest.mark.parametrize(
    "defense", [obfuscator(), adversarial(gan_weight=0.1, perceptual_weight=1.0)], ids=["obfuscator", "adversarial"]
)
def test_training_changes_the_encoder_alone_and_the_same_stream_gives_the_same_bits(
    defense: EncodingDefense, view: PrivateView, split: Split
) -> None:
    released = [split.featurizer, split.decider, view.reconstructor]
    before = [state_digest(part) for part in released]
    module = fitted(defense, view, split)
    assert [state_digest(part) for part in released] == before
    assert state_digest(module.featurizer) != before[0]
    assert state_digest(module.decider) != before[1]
    assert not any(value.requires_grad for value in module.parameters())
    assert state_digest(fitted(defense, view, split)) == state_digest(module)
    other = replace(view, stream=replace(STREAM, entity="a2"))
    assert state_digest(fitted(defense, other, split)) != state_digest(module)


def test_an_obfuscator_learns_without_private_attributes_too_and_to_another_end(
    view: PrivateView, split: Split
) -> None:
    without = fitted(obfuscator(), replace(view, private=None), split)
    assert state_digest(without) != state_digest(fitted(obfuscator(), view, split))


def test_without_weights_the_adversarys_images_play_no_part(view: PrivateView, split: Split) -> None:
    """Utility alone is left: the papers' baseline is plain training."""
    others = replace(view, public=image_set(2, 9))
    digests = {state_digest(fitted(adversarial(pixel_weight=0.0), each, split)) for each in (view, others)}
    assert len(digests) == 1
    digests = {state_digest(fitted(adversarial(pixel_weight=1.0), each, split)) for each in (view, others)}
    assert len(digests) == 2


def test_from_scratch_nothing_of_the_released_networks_is_left(view: PrivateView, split: Split) -> None:
    with STREAM.initialization("elsewhere"):
        another = build_split("vgg16_small", "pool2", classes=3, width=4)
    made = {state_digest(fitted(adversarial(begins="scratch"), view, each)) for each in (split, another)}
    assert len(made) == 1
    assert state_digest(fitted(adversarial(), view, split)) not in made


def test_chosen_attributes_are_all_that_it_is_trained_for(view: PrivateView, split: Split) -> None:
    """Labels of the others may be anything."""
    labels = view.images.labels.copy()
    labels[:, [0, 2]] = 1 - labels[:, [0, 2]]
    other = replace(view, images=replace(view.images, labels=labels))
    chosen = adversarial(attributes=("smile",), pixel_weight=0.0)
    assert len({state_digest(fitted(chosen, each, split)) for each in (view, other)}) == 1
    assert len({state_digest(fitted(adversarial(pixel_weight=0.0), each, split)) for each in (view, other)}) == 2


def test_unknown_attributes_and_building_for_features_are_refused(view: PrivateView, split: Split) -> None:
    with pytest.raises(EntityError, match=r"'tail'.* is no attribute of the task; hat, smile, horns"):
        fitted(adversarial(attributes=("tail",)), view, split)
    with pytest.raises(CollabError, match="obfuscator encodes images"):
        obfuscator().build(8, rectified=True)
