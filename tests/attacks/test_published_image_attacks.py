"""Attacks on shuffled images: blocks find their places again, and a U-Net keeps an image's size and range."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from collab.attacks.jigsaw import fit_edges, reassemble, roughness
from collab.defenses.mixing import shuffle
from collab.models.unet import UNet

REGIONS = 2


def smooth(count: int, side: int) -> Tensor:
    """A few random values, enlarged: neighbors differ by little, and no two edges are alike."""
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    return functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True).clamp(0, 1)


def shuffled(images: Tensor, cut: int, seed: int = 1) -> Tensor:
    batch, channels = images.shape[:2]
    draws = torch.rand(batch, channels, REGIONS**2, cut * cut, generator=torch.Generator().manual_seed(seed))
    return shuffle(images, draws.argsort(3))


def test_blocks_of_a_smooth_image_find_their_places() -> None:
    images = smooth(10, 32)
    mixed = shuffled(images, 2)
    errors = (reassemble(mixed, REGIONS) - images).abs().unflatten(3, (REGIONS, -1)).unflatten(2, (REGIONS, -1))
    assert (errors.amax((3, 5)) < 1e-6).double().mean() > 0.95  # of the fields of each channel
    assert torch.equal(reassemble(images, REGIONS), images)  # nothing is smoother than the image itself


def test_of_small_blocks_many_find_their_places() -> None:
    images = smooth(10, 32)
    mixed = shuffled(images, 4)
    assert (reassemble(mixed, REGIONS) - images).abs().mean() < 0.75 * (mixed - images).abs().mean()


def test_pixels_keep_their_field_and_their_channel() -> None:
    mixed = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    made = reassemble(mixed, REGIONS)
    for part in (slice(8), slice(8, 16)):
        before, after = (images[:, :, part, :8].flatten(2).sort(2).values for images in (mixed, made))
        assert torch.equal(before, after)
    assert (roughness(made, REGIONS) <= roughness(mixed, REGIONS)).all()


def test_an_order_names_every_block_once_and_pixels_are_no_pieces() -> None:
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    order = fit_edges(images, REGIONS, 2)
    assert order.shape == (2, 3, REGIONS**2, 4)
    assert torch.equal(order.sort(3).values, torch.arange(4).expand(2, 3, REGIONS**2, 4))
    single = shuffled(smooth(2, 8), 4)  # blocks of one pixel
    assert torch.equal(reassemble(single, 4), single)  # a field of 2 x 2 pixels has no larger ones


def test_roughness_is_that_of_a_slow_loop() -> None:
    images = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(4)).double()
    expected = torch.zeros(REGIONS, REGIONS).double()
    for row in range(REGIONS):
        for column in range(REGIONS):
            field = images[0, 0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            expected[row, column] = sum((field[i + 1, j] - field[i, j]) ** 2 for i in range(3) for j in range(4))
            expected[row, column] += sum((field[i, j + 1] - field[i, j]) ** 2 for i in range(4) for j in range(3))
    torch.testing.assert_close(roughness(images, REGIONS)[0, 0], expected)


@pytest.mark.parametrize("side", [16, 20, 32])
def test_a_unet_answers_images_of_the_size_that_it_is_given(side: int) -> None:
    network = UNet(4).eval()
    with torch.no_grad():
        found = network(torch.rand(2, 3, side, side))
    assert found.shape == (2, 3, side, side)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_a_unet_sees_each_pixel_through_its_uppermost_level() -> None:
    network = UNet(4).eval()
    images = torch.rand(1, 3, 16, 16, requires_grad=True)
    (slope,) = torch.autograd.grad(network(images)[0, 0, 5, 9], images)
    assert slope[0, :, 5, 9].abs().min() > 0
