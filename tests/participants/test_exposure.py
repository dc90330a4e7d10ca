"""What features give away, against planted leaks and features that hold nothing."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from collab.errors import EntityError
from collab.metrics.reidentification import embed
from collab.models.recognizer import Recognizer
from collab.participants.exposure import (
    Bench,
    Published,
    attribute_measures,
    decoder_attack,
    feature_similarity,
    identity_measures,
)
from collab.scenario.measuring import Decoder, Learner
from collab.seeding import Stream
from collab.training.feeds import ImageSet
from collab.training.precision import resolve_compute
from collab.training.progress import Progress
from collab.training.tasks import Attributes
from collab.types import Measure

BENCH = Bench(lambda purpose: Stream(0, "a1", f"expose {purpose}"), resolve_compute("fp32", "cpu"), Progress(), 0)
LEARNER = Learner(epochs=12, batch_size=16, learning_rate=1e-2)
ROWS = 96
GENERATOR = torch.Generator().manual_seed(0)
PRIVATE = (torch.rand(ROWS, 2, generator=GENERATOR) < 0.4).float()


def leaking(noise: float) -> Tensor:
    """Features [rows, 4, 2, 2] that hold the private attributes and noise."""
    planted = torch.cat([PRIVATE, torch.zeros(ROWS, 2)], 1)[:, :, None, None].expand(-1, -1, 2, 2)
    return planted + noise * torch.randn(ROWS, 4, 2, 2, generator=GENERATOR)


def exposing(shown: Tensor, reader: nn.Module) -> Published:
    return Published(shown, lambda images: images, reader)


def values(measures: tuple[Measure, ...]) -> dict[str, float]:
    return {each.metric: each.value for each in measures}


def test_attributes_are_told_one_by_one() -> None:
    names, labels = ("hat", "smile"), PRIVATE
    reader = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        reader[2].weight.copy_(torch.tensor([[9.0, 0, 0, 0], [0, 0, 0, 0]]))
        reader[2].bias.copy_(torch.tensor([-4.5, -1.0]))
    it = exposing(leaking(0.01), reader)
    found = values(attribute_measures(it, Attributes(names), labels, names, BENCH))
    assert found["mcc[hat]"] == pytest.approx(1)
    assert found["mcc[smile]"] == 0
    assert found["knn[hat]"] > 0.95
    rate = float(labels[:, 1].mean())
    assert found["knn_chance[smile]"] == pytest.approx(max(rate, 1 - rate))
    with pytest.raises(EntityError, match="asks for tail; the task asks hat, smile"):
        attribute_measures(it, Attributes(names), labels, ("tail",), BENCH)


def test_individuals_are_apart_where_features_are_theirs() -> None:
    ids = torch.arange(ROWS) // 4
    found = values(identity_measures(ids[:, None].float() + 0.01 * torch.rand(ROWS, 3), ids))
    assert found["lda"] == pytest.approx(found["between_variance"] / found["within_variance"])
    assert found["lda"] > 1000


def faces(count: int, seed: int) -> ImageSet:
    """A bright half on one of two sides, in colors: enough to be seen at 16 pixels."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 3, 16, 16), dtype=np.uint8)
    sides, colors = rng.integers(0, 2, count), rng.integers(60, 255, (count, 3))
    for row, (side, color) in enumerate(zip(sides, colors, strict=True)):
        images[row, :, :, side * 8 : side * 8 + 8] = color[:, None, None]
    return ImageSet(images, sides.astype(np.int64))


def small(images: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(images, 4)


@pytest.fixture(scope="module")
def embedding() -> Recognizer:
    with Stream(0, "a1", "test").initialization():
        return Recognizer(4, 16, width=4).eval()


def decoded(encode, embedding: Recognizer, **options: object) -> dict[str, float]:
    public, heldout = faces(64, 0), faces(32, 1)
    images = heldout.take(np.arange(32), BENCH.compute.device)
    stated = Decoder(name="plain", epochs=15, batch_size=16, learning_rate=1e-2, **options)
    return values(
        decoder_attack(BENCH, stated, Published(encode(images), encode, nn.Identity()), public, embedding, images)[1]
    )


def test_a_fresh_decoder_rebuilds_what_an_encoder_leaves_and_nothing_of_what_it_takes(embedding: Recognizer) -> None:
    open_, shut = (decoded(each, embedding) for each in (small, lambda images: 0 * small(images)))
    assert open_["decoded_l1[plain]"] < 0.5 * shut["decoded_l1[plain]"]
    assert open_["decoded_psnr[plain]"] > shut["decoded_psnr[plain]"] + 3
    assert open_["face_similarity[plain]"] > shut["face_similarity[plain]"]


def test_a_discriminator_plays_where_it_is_asked(embedding: Recognizer) -> None:
    assert decoded(small, embedding, gan_weight=0.01) != decoded(small, embedding)


def test_the_feature_level_attack_learns_the_embedding(embedding: Recognizer) -> None:
    public, heldout = faces(64, 0), faces(32, 1)
    images = heldout.take(np.arange(32), BENCH.compute.device)
    true = embed(embedding.embedding, images)
    found = [
        feature_similarity(
            BENCH, LEARNER, Published(encode(images), encode, nn.Identity()), public, embedding, true
        ).value
        for encode in (small, lambda images: 0 * small(images))
    ]
    assert found[0] > found[1]
    assert found[0] > 0.9
