"""Shadow modules: whose labels they learn, how moments undo them, and what is left out for their control."""

import numpy as np
import torch

from collab.attacks.distribution_matching import Moments
from collab.attacks.shadow_modules import match_moments
from collab.attacks.shadows import divide_public, draw_labels
from collab.training.feeds import ImageSet
from collab.training.tasks import Classification, Pose

POSE = Pose(("roll", "yaw"))
CHANCES = torch.tensor([[0.7, 0.2, 0.1], [0.05, 0.05, 0.9]])


def test_labels_differ_from_answers_as_often_as_c_expects_to_be_wrong() -> None:
    outputs = CHANCES.log().repeat(20_000, 1)
    drawn = draw_labels(Classification(("a", "b", "c")), outputs, torch.Generator().manual_seed(0)).view(-1, 2)
    for column, chances in enumerate(CHANCES):
        told = torch.bincount(drawn[:, column], minlength=3) / len(drawn)
        torch.testing.assert_close(told, chances, rtol=0, atol=0.015)


def test_of_another_task_they_are_what_c_answers() -> None:
    outputs = torch.randn(4, 2)
    assert torch.equal(draw_labels(POSE, outputs, torch.Generator()), POSE.targets_of(outputs))


def test_moments_undo_gains_and_offsets_of_channels_that_vary_by_themselves() -> None:
    plain, others = torch.randn(2, 400, 5, 4, 4, generator=torch.Generator().manual_seed(0)).exp()
    published = others * torch.linspace(0.5, 2, 5).view(-1, 1, 1) - torch.arange(5.0).view(-1, 1, 1)
    matched = match_moments(Moments.of(published), Moments.of(plain))(published)
    assert (published - others).abs().mean() > 1
    assert (matched - others).square().mean() < 0.02 * others.var()


def test_a_direction_in_which_nothing_varies_stays_small() -> None:
    plain = torch.randn(300, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    flat = torch.cat([plain[:, :2], plain[:, :1] + 1e-4 * plain[:, 2:]], 1)  # the third channel is the first again
    matched = match_moments(Moments.of(flat), Moments.of(plain))(flat)
    assert matched.abs().max() < 3 * plain.abs().max()


def test_what_is_shown_is_never_learned() -> None:
    public = ImageSet(np.zeros((10, 3, 1, 1), np.uint8), np.arange(10))
    for most, count in ((3, 3), (256, 5)):
        shown, learned = divide_public(public, most)
        assert len(shown) == count
        assert sorted([*shown, *learned]) == list(range(10))
