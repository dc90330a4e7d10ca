import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from collab.metrics.visual import abs_ssim_map, ssim
from collab.training.losses import (
    classification_loss,
    inversion_loss,
    logit_equivalence,
    poison_loss,
    reconstruction_disparity,
)


def images(count: int = 3, side: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_cross_entropy_of_uniform_logits_is_the_log_of_the_classes() -> None:
    loss = classification_loss(torch.zeros(4, 10), torch.arange(4))
    torch.testing.assert_close(loss, torch.tensor(math.log(10)))


def test_label_smoothing_is_cross_entropy_with_a_mixture() -> None:
    logits, labels = torch.randn(5, 4, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 2, 3, 0])
    target = 0.9 * functional.one_hot(labels, 4) + 0.1 / 4
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(classification_loss(logits, labels, label_smoothing=0.1), expected)


def test_losses_are_fp32_whatever_the_networks_computed_in() -> None:
    assert (
        classification_loss(torch.zeros(2, 3, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.long)).dtype
        == torch.float32
    )


def test_inversion_of_a_constant_shift_is_the_shift() -> None:
    torch.testing.assert_close(inversion_loss(images() * 0.5 + 0.25, images() * 0.5), torch.tensor(0.25))


def test_logit_equivalence_against_numpy() -> None:
    generator = torch.Generator().manual_seed(2)
    poisoned, original = torch.randn(6, 5, generator=generator), torch.randn(6, 5, generator=generator)
    p, q = (np.exp(x.double().numpy()) for x in (original, poisoned))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    assert float(logit_equivalence(poisoned, original)) == pytest.approx((p * np.log(p / q)).sum(1).mean(), rel=1e-5)


def test_equal_logits_are_equivalent_up_to_a_constant() -> None:
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(3))
    assert float(logit_equivalence(logits + 3, logits)) == pytest.approx(0, abs=1e-6)


def test_the_photographic_negative_is_the_optimum_of_signed_ssim_only() -> None:
    truth = images()
    negative = 1 - truth
    assert float(reconstruction_disparity(negative, truth, ssim_loss="signed")) < -0.5
    assert float(reconstruction_disparity(negative, truth, ssim_loss="clamp")) == 0
    for kind in ("abs", "square", "abs_map"):
        assert float(reconstruction_disparity(negative, truth, ssim_loss=kind)) > 0.2


def test_absolute_value_is_taken_image_by_image() -> None:
    truth = images(2)
    rebuilt = torch.stack([truth[0], 1 - truth[1]])  # one positive, one negative: a mean of signs would cancel
    expected = ssim(rebuilt, truth).abs().mean()
    torch.testing.assert_close(reconstruction_disparity(rebuilt, truth, ssim_loss="abs"), expected)
    assert float(expected) > abs(float(ssim(rebuilt, truth).mean()))


def test_the_other_readings_are_what_they_say() -> None:
    truth, rebuilt = images(), images().flip(0)
    value = ssim(rebuilt, truth)
    torch.testing.assert_close(reconstruction_disparity(rebuilt, truth, ssim_loss="square"), (value**2).mean())
    local = abs_ssim_map(rebuilt, truth).mean()
    torch.testing.assert_close(reconstruction_disparity(rebuilt, truth, ssim_loss="abs_map"), local)


def test_lambda_weighs_the_disparity() -> None:
    torch.testing.assert_close(poison_loss(torch.tensor(2.0), torch.tensor(0.5), ssim_weight=3.0), torch.tensor(3.5))
    torch.testing.assert_close(poison_loss(torch.tensor(2.0), torch.tensor(0.5), ssim_weight=0.0), torch.tensor(2.0))
