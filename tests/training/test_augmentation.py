"""What training does to images, against a slow loop."""

import torch

from collab.training.augmentation import shift_and_flip


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
