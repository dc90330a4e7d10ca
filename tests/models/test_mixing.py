"""Shuffling of regions: what it keeps, what it changes, and that it does as much as is wanted and no more."""

import math

import pytest
import torch
from torch import Tensor

from collab.defenses.attention import PixelAttention
from collab.defenses.mixing import AT_A_TIME, Mixer, cuts, merges, region_variance, shuffle
from collab.errors import EntityError
from collab.metrics.vfe import visual_feature_entropy


def images(count: int = 6, side: int = 32, seed: int = 0) -> Tensor:
    """Smooth fields with detail in some regions, 8 bits a value."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    detail = (
        0.2
        * torch.rand(count, 3, side, side, generator=generator)
        * (coarse > 0.5).repeat_interleave(side // 4, 2).repeat_interleave(side // 4, 3)
    )
    return (smooth * 0.8 + detail).mul(255).round() / 255


def mixer(wanted: float, key: int = 7, grid: int | None = None) -> Mixer:
    made = Mixer(grid, visual_feature_entropy)
    made.fit(wanted, key)
    return made


def by_loops(image: Tensor, order: Tensor) -> Tensor:
    """Shuffling block by block."""
    channels, side, _ = image.shape
    grid, cut = math.isqrt(order.shape[1]), math.isqrt(order.shape[2])
    region, block = side // grid, side // grid // cut
    found = torch.empty_like(image)
    for channel in range(channels):
        for r in range(grid**2):
            for place in range(cut**2):
                source = int(order[channel, r, place])
                corner = [r // grid * region, r % grid * region]
                at = [corner[0] + place // cut * block, corner[1] + place % cut * block]
                of = [corner[0] + source // cut * block, corner[1] + source % cut * block]
                found[channel, at[0] : at[0] + block, at[1] : at[1] + block] = image[
                    channel, of[0] : of[0] + block, of[1] : of[1] + block
                ]
    return found


@pytest.mark.parametrize(("grid", "cut"), [(4, 2), (4, 4), (4, 8), (2, 16), (1, 32), (2, 2)])
def test_blocks_go_where_their_order_says(grid: int, cut: int) -> None:
    some = images(2)
    order = torch.rand(2, 3, grid**2, cut**2, generator=torch.Generator().manual_seed(1)).argsort(-1)
    found = shuffle(some, order)
    assert torch.equal(found, torch.stack([by_loops(image, each) for image, each in zip(some, order, strict=True)]))


def test_the_order_that_changes_nothing_changes_nothing() -> None:
    some = images(2)
    assert torch.equal(shuffle(some, torch.arange(16).expand(2, 3, 16, 16)), some)


@pytest.mark.parametrize("wanted", [0.0, 8.0, 1e9])
def test_every_value_stays_in_its_channel(wanted: float) -> None:
    some = images()
    found = mixer(wanted).mix(some).images
    assert not torch.equal(found, some)
    assert torch.equal(found.flatten(2).sort(-1).values, some.flatten(2).sort(-1).values)
    assert not torch.equal(found[:, 0].flatten(1).argsort(), found[:, 1].flatten(1).argsort())


def test_until_regions_are_merged_each_keeps_its_values() -> None:
    some = images(1)
    least = float(mixer(0.0).mix(some).reached)
    for wanted in (0.0, 1.1 * least):
        found = mixer(wanted).mix(some)
        assert wanted <= float(found.reached) < 1.2 * least
        ours, theirs = (x.unfold(2, 8, 8).unfold(3, 8, 8).flatten(-2).sort(-1).values for x in (found.images, some))
        assert torch.equal(ours, theirs)


def test_it_reaches_what_is_wanted_and_says_where_it_cannot() -> None:
    some = images(12)
    raw = visual_feature_entropy(some)
    least, most = mixer(0.0).mix(some), mixer(1e9).mix(some)
    assert most.is_saturated.all()
    assert (most.reached > least.reached).all()
    assert (least.reached > raw).all()
    middle = float((least.reached.mean() + most.reached.mean()) / 2)
    found = mixer(middle).mix(some)
    torch.testing.assert_close(visual_feature_entropy(found.images), found.reached)
    assert ((found.reached >= middle) != found.is_saturated).all()
    assert torch.equal(found.images[found.is_saturated], most.images[found.is_saturated])
    for image, start in zip(some, least.reached, strict=True):
        wanted = 1.1 * float(start)
        assert wanted <= float(mixer(wanted).mix(image[None]).reached) < 1.05 * wanted  # by a step of one region


def test_more_is_not_less() -> None:
    some = images(8)
    reached = torch.stack([mixer(wanted).mix(some).reached for wanted in (0.0, 5.0, 7.0, 9.0, 1e9)])
    assert (reached.diff(dim=0) >= 0).all()


def test_where_there_is_most_to_see_is_shuffled_first() -> None:
    flat = torch.full((1, 3, 32, 32), 0.5)
    flat[:, :, :8, 8:16] = images(1)[:, :, :8, 8:16]
    flat[:, :, :8, 8] = 1.0
    score = region_variance(flat, 4)
    assert (score.argmax(-1) == 1).all()
    least = mixer(0.0).mix(flat)
    found = mixer(float(least.reached) + 1e-4).mix(flat).images
    changed = (found != least.images).any(1)[0]
    assert changed[:8, 8:16].any()
    assert not changed[8:].any()


def test_where_attention_lies_is_shuffled_first() -> None:
    torch.manual_seed(0)
    attention = PixelAttention()
    some = images(3)
    weights = attention.weights(some)
    assert ((weights > 0) & (weights < 1)).all()
    torch.testing.assert_close(attention(some), some * weights)
    blocks = weights.detach().view(3, 3, 4, 8, 4, 8).mean((3, 5)).flatten(2)
    torch.testing.assert_close(attention.score(some, 4), blocks)
    made = Mixer(None, visual_feature_entropy, attention)
    made.fit(0.0, 7)
    least = made.mix(some[:1])
    made.fit(float(least.reached) + 1e-4, 7)
    changed = (made.mix(some[:1]).images != least.images)[0].view(3, 4, 8, 4, 8).any(4).any(2).flatten()
    order = attention.score(some[:1], 4).flatten().argsort(descending=True)
    last = int(changed[order].nonzero().max())
    assert 0 <= last < 47
    assert changed[order[0]]


def test_a_row_is_shuffled_alike_in_any_batch_and_unlike_any_other() -> None:
    some = images(AT_A_TIME + 3)
    together = mixer(7.0).mix(some).images
    alone = torch.cat([mixer(7.0).mix(each[None]).images for each in some[-4:]])
    assert torch.equal(together[-4:], alone)
    assert not torch.equal(mixer(7.0, key=8).mix(some).images, together)
    ramp = torch.arange(3 * 32 * 32).view(1, 3, 32, 32) / 3072
    moved = [mixer(0.0).mix(each).images - each for each in (ramp, ramp + 1)]
    assert not torch.allclose(moved[0], moved[1])  # other images, other draws


def test_orders_are_uniform() -> None:
    flat = torch.arange(600.0).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    (order,) = mixer(0.0)._orders(flat, [(1, 2)])
    counts = torch.bincount((order.flatten(1) * torch.tensor([64, 16, 4, 1])).sum(1))
    counts = counts[counts > 0]
    assert len(counts) == 24  # every permutation of four blocks
    assert ((counts - 25) ** 2 / 25).sum() < 49.7  # chi square, 23 degrees of freedom, 0.999


def test_the_steps_are_those_of_the_paper_at_its_size() -> None:
    assert list(merges(14, 224)) == [7, 4, 2, 1]
    assert list(merges(4, 32)) == [2, 1]
    assert cuts(16) == (2, 4, 8, 16)
    assert cuts(8) == (2, 4, 8)
    assert cuts(6) == (2, 6)
    assert mixer(0.0).grid_of(224) == 14
    assert mixer(0.0).grid_of(64) == 4
    with pytest.raises(EntityError, match="State `regions` as a divisor of 30 below 16"):
        mixer(0.0).grid_of(30)
