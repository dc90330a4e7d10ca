"""Images as what is published: what lies in the store, what peers make of it, what attacks find, who is told off."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from collab.attacks.base import Knowledge
from collab.attacks.histogram_matching import sorted_values
from collab.attacks.thumbnail import thumbnail
from collab.defenses.mixing import Mixer
from collab.errors import EntityError, ScenarioError
from collab.metrics.vfe import visual_feature_entropy
from collab.metrics.visual import ssim
from collab.participants.attacking import guess_name
from collab.participants.participant import Participant
from collab.participants.pool import offer
from collab.participants.published_images import LEVELS, as_published, read_images
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store.ledger import read_ledger
from collab.store.release import read_release
from collab.store.shard_schema import IMAGES
from collab.store.shards import ShardSpec
from collab.store.store import Store
from collab.training.precision import resolve_compute
from tests.playing import play_here

SHOWN = """
name: shown
data: {source: creatures, image_size: 16, classes: 4, train: 400, test: 40, public_images: 64}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.2, defense: none}
  - {name: mixed, share: 0.2, defense: {kind: visual_mixer, gain: 1.3}, release_module: true}
  - {name: open, share: 0.2, overlap: {with: mixed, fraction: 1.0}, defense: {kind: pixel_noise, gain: 1}}
  - {name: plain, share: 0.2, overlap: {with: mixed, fraction: 1.0}, defense: none}
  - {name: noisy, share: 0.2, overlap: {with: mixed, fraction: 1.0}, defense: {kind: pixel_noise, gain: 1.3}}
  - name: spy
    kind: curious
    share: 0.2
    overlap: {with: mixed, fraction: 1.0}
    defense: none
    options:
      victims: [mixed]
      attacks:
        - thumbnail
        - histogram_matching
        - straw_man
        - jigsaw
        - {kind: leaked_module, epochs: 1}
        - {kind: unshuffler, epochs: 2, width: 8}
      best_of: true
refine: {epochs: 1}
controls: false
refinements:
  - {row: 1, entity: a1, own: features, pool: [open]}
  - {row: 2, entity: a1, own: features, pool: [plain]}
  - {row: 3, entity: a1, own: features, pool: [mixed]}
  - {row: 4, entity: mixed, own: published, pool: [noisy]}
  - {row: 5, entity: open, own: published}
  - {row: 6, entity: mixed, own: poisoned}
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Scenario]:
    path = tmp_path_factory.mktemp("scenario") / "shown.yaml"
    path.write_text(SHOWN)
    return lambda *overrides: read_scenario(path, overrides).scenario


@pytest.fixture(scope="module")
def once(shown: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_here(shown(), tmp_path_factory.mktemp("runs"))


def value(played: Played, row: str, entity: str, metric: str, attack: str | None = None) -> float:
    key = (row, entity, metric, attack)
    (found,) = [each for each in played.rows if (each.row, each.entity, each.metric, each.attack) == key]
    assert found.value is not None
    return found.value


def published(played: Played, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The images that an entity published, in [0, 1], and those they were made of."""
    store = Store(played.run / "store")
    (record,) = store.records(name)
    reader = store.open(record, ShardSpec((3, 16, 16), "float16", record_classes(record.histogram), IMAGES))
    images = torch.cat([images for images, _ in read_images([reader])])
    order = np.load(played.run / "private" / name / "published.npy")
    own = torch.from_numpy(np.load(played.run / "private" / name / "images.npy")[order]).float() / LEVELS
    return images, own


def record_classes(histogram: tuple[int, ...]) -> int:
    return len(histogram)


def test_what_is_published_has_eight_bits_and_every_value_of_the_image(once: Played) -> None:
    images, own = published(once, "mixed")
    assert len(images) == len(own) > 0
    assert torch.equal(images.mul(LEVELS), images.mul(LEVELS).round())
    assert not torch.equal(images, own)
    assert torch.equal(images.flatten(2).sort(-1).values, own.flatten(2).sort(-1).values)
    assert not any(each.problem for each in Store(once.run / "store").verify())


def test_images_stay_exact_in_a_store_that_quantizes_features(
    shown: Callable[..., Scenario], once: Played, tmp_path: Path
) -> None:
    found = play_here(shown("store.codec=int8"), tmp_path)
    for name in ("mixed", "open", "noisy"):
        assert torch.equal(published(found, name)[0], published(once, name)[0])
    codecs = {record.entity: record.dtype for record in Store(found.run / "store").records()}
    assert (codecs["mixed"], codecs["plain"]) == ("float16", "int8")
    assert value(found, "3", "a1", "rows") == value(once, "3", "a1", "rows")


def test_an_altered_image_shard_is_refused_and_takes_no_other_with_it(
    once: Played, shown: Callable[..., Scenario]
) -> None:
    """`offer` reads images as such: intact ones are features, and a spoiled one is named."""
    (record,) = Store(once.run / "store").records("mixed")
    classes, compute = record_classes(record.histogram), resolve_compute("fp32", "cpu")
    entity = Participant("a1", shown(), once.run, classes=classes, compute=compute)
    sound = offer(entity, "mixed")
    assert (sound.shards[0].spec, sound.refused) == (entity.spec, ())
    path = once.run / "store" / record.path
    content = path.read_bytes()
    try:
        path.unlink()  # a link to what the cache keeps
        path.write_bytes(content[:3000] + bytes([content[3000] ^ 1]) + content[3001:])
        spoiled = offer(Participant("a1", shown(), once.run, classes=classes, compute=compute), "mixed")
    finally:
        path.unlink()
        path.write_bytes(content)
    assert spoiled.shards == ()
    assert "sha256" in spoiled.refused[0]


def test_what_is_published_is_what_the_own_module_makes(once: Played) -> None:
    images, own = published(once, "mixed")
    module = Mixer(None, visual_feature_entropy)
    module.load_state_dict(read_release(once.run / "private" / "mixed", "defense")[0])
    assert torch.equal(module(own), images)
    ratio = visual_feature_entropy(images).mean() / visual_feature_entropy(own).mean()
    assert ratio > 1.25


def test_peers_compute_features_of_images_that_equal_those_of_who_publishes_features(once: Played) -> None:
    """Noise of no strength publishes the images; F of them is what `plain` publishes, but for the order of rows."""
    images, own = published(once, "open")
    assert torch.equal(images, own)
    assert value(once, "1", "a1", "rows_from[open]") == value(once, "2", "a1", "rows_from[plain]")
    assert value(once, "tables_1_2", "open", "agreement") == 1.0
    assert value(once, "tables_1_2", "open", "kl") == pytest.approx(0, abs=1e-6)
    assert value(once, "tables_1_2", "open", "top1_poisoned") == value(once, "tables_1_2", "open", "top1_original")
    assert value(once, "tables_1_2", "open", "vfe[8]_published") == value(once, "tables_1_2", "open", "vfe[8]_original")


def test_noise_finds_the_strength_that_the_wanted_entropy_takes(once: Played) -> None:
    images, own = published(once, "noisy")
    ratio = visual_feature_entropy(images).mean() / visual_feature_entropy(own).mean()
    assert float(ratio) == pytest.approx(1.3, rel=0.02)  # rounding to 8 bits comes after


def test_rows_on_published_images_are_scored_on_raw_and_on_published_ones(once: Played) -> None:
    assert value(once, "4", "mixed", "rows") == 2 * value(once, "5", "open", "rows")
    assert 0 <= value(once, "4", "mixed", "top1_published") <= 1
    assert value(once, "5", "open", "top1_published") == value(once, "5", "open", "top1")  # shown as they are
    told = [(each.stage, each.sender, each.receiver, each.kind) for each in read_ledger(once.run / "ledger.parquet")]
    assert ("refine", "noisy", "mixed", "shard") in told
    assert ("publish", "mixed", "*", "shard") in told


def test_the_thumbnail_needs_no_attack_and_histograms_name_the_image(once: Played) -> None:
    images, own = published(once, "mixed")
    kept = (thumbnail(images, 4) - thumbnail(own, 4)).abs().amax((1, 2, 3)) < 1e-6
    assert kept.double().mean() > 0.3  # in none of these a region was merged
    torch.testing.assert_close(thumbnail(images, 1), thumbnail(own, 1))  # whatever was merged
    assert torch.equal(sorted_values(images), sorted_values(own))
    assert value(once, "by spy", "mixed", "ssim[7]", "histogram_matching") == pytest.approx(1.0, abs=1e-3)
    prior = value(once, "by spy", "mixed", "ssim[7]_prior_class_mean", "thumbnail")
    assert value(once, "by spy", "mixed", "ssim[7]", "thumbnail") > prior


def test_who_takes_the_best_of_all_answers_to_each_image_is_no_worse_than_any(once: Played) -> None:
    found = {row.attack: row.value for row in once.rows if (row.row, row.metric) == ("by spy", "ssim_max[7]")}
    assert {"jigsaw", "unshuffler"} < set(found)
    assert found["best_of"] >= max(score for attack, score in found.items() if attack != "best_of")
    sheet = Image.open(once.run / "private" / "oracle" / "compared_spy_mixed.png")
    assert sheet.size == (2 + 8 * 18, 2 + 7 * 18)  # eight images of 16 pixels, the true ones above six answers
    assert np.asarray(sheet).std() > 20


def test_what_is_best_of_each_image_is_what_its_answers_say(once: Played) -> None:
    """From what the spy answered, without the stage."""
    _, own = published(once, "mixed")
    scores = []
    for attack in ("thumbnail", "histogram_matching", "straw_man", "jigsaw", "leaked_module", "unshuffler"):
        answer, _ = read_release(once.run / "private" / "spy", guess_name(attack, "mixed"))
        scores.append(
            [
                float(ssim(image[None].float() / 255, true[None]))
                for image, true in zip(answer["images"], own, strict=True)
            ]
        )
    expected = np.max(scores, axis=0).mean()
    assert value(once, "by spy", "mixed", "ssim[7]", "best_of") == pytest.approx(expected, abs=1e-4)


def test_thumbnails_are_means_of_fields() -> None:
    fields = torch.arange(4.0).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    images = fields.repeat_interleave(8, 2).repeat_interleave(8, 3)
    assert torch.equal(thumbnail(images, 2), fields)
    assert thumbnail(images, 1).flatten().tolist() == [1.5] * 3


def test_shuffling_keeps_the_histogram_of_each_channel() -> None:
    images = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    shuffled = images.flatten(2)[:, :, torch.randperm(64, generator=torch.Generator().manual_seed(1))].view_as(images)
    assert torch.equal(sorted_values(shuffled), sorted_values(images))
    assert not torch.equal(sorted_values(images.roll(1, 0)), sorted_values(images))


def test_images_are_not_had_of_who_publishes_features() -> None:
    nothing = torch.zeros(2, 4, 8, 8), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(EntityError, match="needs images, which this adversary does not have"):
        Knowledge("the attack", *nothing, frozenset({"images"}))


def test_rounding_keeps_what_has_eight_bits() -> None:
    levels = torch.arange(256) / 255
    assert torch.equal(as_published(levels), levels)
    assert as_published(torch.tensor([-1.0, 2.0, 0.5])).tolist() == [0.0, 1.0, pytest.approx(128 / 255)]


MISTAKES = {
    "a chain": (
        "entities.mixed.defense=[visual_mixer, dpm]",
        "visual_mixer changes images, not features; it stands alone",
    ),
    "own of features": (
        "refinements.4.entity=plain",
        "`own: published` trains on images, .* 'plain' publishes features",
    ),
    "pool of features": ("refinements.4.pool=[plain]", "refinements.3.pool.0: `own: published` trains on images"),
    "plain features": (
        "refinements.3={row: 4, entity: mixed, own: published, unpoisoned: [plain]}",
        "from scratch on pub",
    ),
    "less than none": ("entities.mixed.defense.gain=0.5", "greater than or equal to 1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told(shown: Callable[..., Scenario], mistake: str) -> None:
    override, told = MISTAKES[mistake]
    with pytest.raises(ScenarioError, match=told):
        shown(override)


@pytest.mark.ray
def test_ray_publishes_the_same_bits(shown: Callable[..., Scenario], once: Played, tmp_path: Path) -> None:
    rows = "refinements=[{row: 4, entity: mixed, own: published, pool: [noisy]}]"
    where = Where("ray", device="cpu", out=tmp_path)
    found = play(shown(rows, "entities.spy.options.attacks=[thumbnail]", "resources.workers=2"), where, lambda _: None)
    for name in ("mixed", "noisy"):
        first, second = ([r.sha256 for r in Store(each.run / "store").records(name)] for each in (once, found))
        assert first == second
    assert value(found, "4", "mixed", "top1_published") == value(once, "4", "mixed", "top1_published")
