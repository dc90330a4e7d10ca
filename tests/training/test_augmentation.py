"""What training does to images, against a slow loop."""

import torch
from torchvision import transforms
from torchvision.transforms import functional

from collab.training.augmentation import cropped, draw_crops, draw_mirrors, shift_and_flip, shifted


def test_shifts_and_mirrors_are_those_of_a_slow_loop() -> None:
    images = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(5)
    top, left = (torch.randint(0, 5, (6, 1), generator=generator) for _ in range(2))
    mirrored = torch.rand(6, 1, generator=generator) < 0.5
    expected = []
    for number, image in enumerate(images):
        padded = torch.zeros(3, 20, 20)
        padded[:, 2:18, 2:18] = image
        cut = padded[:, int(top[number]) : int(top[number]) + 16, int(left[number]) : int(left[number]) + 16]
        expected.append(cut.flip(2) if mirrored[number] else cut)
    assert mirrored.any()
    assert torch.equal(shift_and_flip(images, torch.Generator().manual_seed(5))[0], torch.stack(expected))


def test_mirrors_leave_images_where_they_are() -> None:
    images = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    drawn = draw_mirrors(40, 16, torch.Generator().manual_seed(2))
    is_mirrored = drawn[:, 2] > 0
    assert 5 < int(is_mirrored.sum()) < 35
    expected = torch.where(is_mirrored[:, None, None, None], images.flip(3), images)
    assert torch.equal(shifted(images, drawn), expected)


def test_crops_are_those_of_torchvision() -> None:
    images = torch.rand(64, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    crops = draw_crops(64, 24, torch.Generator().manual_seed(1))
    found = cropped(images.contiguous(memory_format=torch.channels_last), crops)
    assert found.is_contiguous(memory_format=torch.channels_last)
    for image, crop, shown in zip(images, crops.tolist(), found, strict=True):
        expected = functional.resized_crop(image, *crop[:4], [24, 24], antialias=False)
        torch.testing.assert_close(shown, functional.hflip(expected) if crop[4] else expected, rtol=0, atol=1e-5)
    whole = torch.tensor([[0, 0, 24, 24, 0]]).expand(64, -1)
    torch.testing.assert_close(cropped(images, whole), images, rtol=0, atol=1e-6)


def test_crops_are_spread_as_torchvisions() -> None:
    """Heights, places and ratios of both by their means and deviations: torchvision draws one image at a time."""
    count, side = 4000, 224
    top, left, height, width, mirrored = draw_crops(count, side, torch.Generator().manual_seed(0)).double().unbind(1)
    assert ((top >= 0) & (left >= 0) & (top + height <= side) & (left + width <= side)).all()
    assert (height * width).min() / side**2 > 0.08 * 0.97
    assert (height * width).max() <= side**2
    assert abs(mirrored.mean() - 0.5) < 0.03
    with torch.random.fork_rng():
        torch.manual_seed(0)
        image = torch.empty(3, side, side)
        drawn = [transforms.RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(count)]
    theirs = torch.tensor(drawn, dtype=torch.float64).unbind(1)
    for mine, other in zip((top, left, height, width), theirs, strict=True):
        assert abs(mine.mean() - other.mean()) < 4 * (mine.var() / count + other.var() / count).sqrt()
        assert abs(mine.std() / other.std() - 1) < 0.06
