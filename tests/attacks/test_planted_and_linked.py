"""Planted images are found again and undo a rotation; rows of one image are linked over two releases (ATTACKS A5)."""

import torch

from collab.attacks.base import classify_adversary
from collab.attacks.linkage import Linkage
from collab.attacks.planted_images import PlantedImages
from collab.metrics.priors import class_mean_prior
from collab.metrics.visual import ssim
from tests.attacks.test_suite import (
    COMPUTE,
    DEFENSES,
    FEATURES,
    IMAGES,
    LABELS,
    ROWS,
    STREAM,
    Progress,
    known_to,
)

VIEWS = ("logits", "penultimate", "blocks", "frame_free")
PLANTED = PlantedImages(40, VIEWS, (1, 3), 3)


def rebuilt(defense: str) -> float:
    """SSIM of the attacked rows, less that of a guess by class; forty other images of the shard are planted."""
    published = DEFENSES[defense](FEATURES)
    known = known_to(PLANTED, published, planted=IMAGES[ROWS : ROWS + 40])
    known.shard = lambda: iter([(published, LABELS)])
    known.published = len(published)
    prior = ssim(class_mean_prior(IMAGES[:ROWS], LABELS[:ROWS]), IMAGES[:ROWS])
    shown = ssim(PLANTED.rebuild(known, STREAM, COMPUTE, Progress()), IMAGES[:ROWS])
    return float((shown - prior).mean())


def test_planted_images_are_found_and_undo_what_hides_the_others() -> None:
    assert rebuilt("D0") > 0.3
    assert rebuilt("D3") > 0.3  # a rotation, of which nobody has a pair
    assert rebuilt("D6") < 0  # noise of equal moments
    assert classify_adversary(PLANTED.asks_for) == "insider"


def linked(first: str, second: str, views: tuple[str, ...] = VIEWS) -> float:
    """The share of attacked rows whose likest row of another release, in another order, is that of the same image."""
    order = torch.randperm(len(FEATURES), generator=torch.Generator().manual_seed(7))
    attack = Linkage("again", 200, views)  # type: ignore[arg-type]  # as the options check
    known = known_to(attack, DEFENSES[first](FEATURES), second=DEFENSES[second](FEATURES)[order])
    found = attack.rebuild(known, STREAM, COMPUTE, Progress()).argmax(1)
    return float((order[found] == torch.arange(ROWS)).double().mean())


def test_two_releases_of_an_image_are_linked_and_noise_is_not() -> None:
    assert linked("D0", "D0") == 1.0
    assert linked("D0", "D3", ("frame_free",)) > 0.9
    assert linked("D3", "D0", ("frame_free",)) > 0.9
    assert linked("D6", "D0") < 5 / 200
    assert linked("D0", "D5") < 5 / 200  # rows that were dealt to other images of their class
    assert classify_adversary(Linkage("again", 200, VIEWS).asks_for) == "outsider"
