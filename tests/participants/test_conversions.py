"""Each form of a defense: what its module is built for, what shards hold, who reads them."""

from pathlib import Path

import pytest
import torch
from torch import nn

from collab.defenses.dpm import DpmDefense
from collab.defenses.obfuscator import Obfuscator
from collab.defenses.options import Dpm, PixelNoise, PublicAnswers
from collab.defenses.options import Obfuscator as ObfuscatorOptions
from collab.defenses.pixel_noise import PixelNoise as PixelNoiseDefense
from collab.defenses.public_answers import PublicAnswers as PublicAnswersDefense
from collab.models.answerer import Answerer
from collab.models.backbones import Encoder, Split, build_split
from collab.participants.conversions import conversion_of
from collab.scenario.base import (
    FEATURES_TO_ANSWERS,
    FEATURES_TO_FEATURES,
    IMAGES_TO_FEATURES,
    IMAGES_TO_IMAGES,
    Form,
)
from collab.store.shards import IMAGES, ShardSpec, Written

FORMS = (FEATURES_TO_FEATURES, IMAGES_TO_FEATURES, IMAGES_TO_IMAGES, FEATURES_TO_ANSWERS)
SPEC = ShardSpec((16, 4, 4), "int8", 4, "digest of F")
DEFENSES = {
    FEATURES_TO_FEATURES: DpmDefense.from_options(Dpm(kind="dpm")),
    IMAGES_TO_FEATURES: Obfuscator.from_options(ObfuscatorOptions(kind="obfuscator")),
    FEATURES_TO_ANSWERS: PublicAnswersDefense.from_options(PublicAnswers(kind="public_answers", temperature=2.0)),
    IMAGES_TO_IMAGES: PixelNoiseDefense.from_options(PixelNoise(kind="pixel_noise")),
}


@pytest.fixture(scope="module")
def released() -> Split:
    return build_split("resnet8", "conv3_1", classes=4, width=4)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_played_by_its_own_conversion(form: Form) -> None:
    assert conversion_of(form).form == form
    assert DEFENSES[form].form == form


@pytest.mark.parametrize("form", FORMS)
def test_a_module_takes_what_its_form_says_and_answers_what_that_publishes(form: Form, released: Split) -> None:
    images = torch.rand(2, 3, 16, 16)
    features = released.featurizer(images)
    module = conversion_of(form).new_module(DEFENSES[form], lambda: released, features.shape[1], rectified=True)
    changed = module(images if form.takes_images else features)
    answers = torch.softmax(released.decider(features) / 2, 1)[:, :, None, None]
    expected = images if form.publishes_images else answers if form.publishes_answers else features
    assert changed.shape == expected.shape
    if form.publishes_answers:  # begun as C, at its temperature
        torch.testing.assert_close(changed, answers)


@pytest.mark.parametrize("form", [FEATURES_TO_FEATURES, IMAGES_TO_IMAGES])
def test_a_module_that_begins_as_nothing_released_is_drawn_alike_whether_that_was_loaded_or_not(form: Form) -> None:
    def load() -> Split:
        raise AssertionError("loading draws from the generator of the module, which a resumed stage has not done")

    conversion_of(form).new_module(DEFENSES[form], load, 16, rectified=True)


def test_an_encoder_is_read_by_the_decider_that_learned_beside_it_and_all_else_by_c(released: Split) -> None:
    encoder, answerer = Encoder.begin_as(released), Answerer.begin_as(released.decider)
    assert conversion_of(FEATURES_TO_ANSWERS).decider(answerer, released) is answerer.decider
    assert answerer.decider is not released.decider
    assert conversion_of(IMAGES_TO_FEATURES).decider(encoder, released) is encoder.decider
    for form in (FEATURES_TO_FEATURES, IMAGES_TO_IMAGES):
        assert conversion_of(form).decider(nn.Identity(), released) is released.decider


def test_shards_of_images_are_exact_and_peers_compute_features_of_what_eight_bits_leave() -> None:
    images, features = torch.tensor([[0.1, 0.5, 1.2]]), conversion_of(FEATURES_TO_FEATURES)
    conversion = conversion_of(IMAGES_TO_IMAGES)
    spec = conversion.shard_spec(SPEC, 16, there)
    assert (spec.shape, spec.dtype, spec.featurizer) == ((3, 16, 16), "float16", IMAGES)
    assert features.shard_spec(SPEC, 16, there) is SPEC
    assert conversion.stored_rows(images).tolist() == [[26.0, 128.0, 255.0]]
    assert conversion.features_for_peers(images, lambda shown: shown * 255).round().tolist() == [[26.0, 128.0, 255.0]]
    assert features.stored_rows(images) is images
    assert features.features_for_peers(images, lambda shown: shown * 255) is images


def there() -> Written:
    return Written(Path("f.arrow"), "a1", "a" * 64, 1000, 1, (1000,))


def test_shards_of_answers_name_the_public_images_and_what_f_made_of_them() -> None:
    spec = conversion_of(FEATURES_TO_ANSWERS).shard_spec(SPEC, 16, there)
    assert spec == ShardSpec((4, 1, 1), "float16", 1000, "a" * 64, "public_row")
