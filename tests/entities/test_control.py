"""Controls: plain features as they are, or noise that has their moments and nothing else."""

from types import SimpleNamespace
from typing import Any, cast

import torch
from collab_entities.control import Control

FEATURES = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 4.0, 9.0]).view(
    -1, 1, 1
)


def published(shows: str) -> torch.Tensor:
    control = cast(Any, SimpleNamespace(options=SimpleNamespace(shows=shows)))
    features, labels = Control.published(control, FEATURES, torch.arange(64), torch.Generator().manual_seed(1))
    assert labels.tolist() == list(range(64))
    return features


def test_plain_features_are_published_as_they_are() -> None:
    assert torch.equal(published("plain"), FEATURES)


def test_noise_has_the_moments_of_each_channel_and_nothing_of_a_row() -> None:
    noise = published("noise")
    for moment in (torch.mean, torch.std):
        torch.testing.assert_close(moment(noise, (0, 2, 3)), moment(FEATURES, (0, 2, 3)), rtol=0.1, atol=0.05)
    alike = torch.corrcoef(torch.stack([noise.flatten(), FEATURES.flatten()]))
    per_row = [
        float(torch.corrcoef(torch.stack([n[0].flatten(), f[0].flatten()]))[0, 1])
        for n, f in zip(noise, FEATURES, strict=True)
    ]
    assert alike[0, 1] > 0.3  # channels differ, in both
    assert abs(sum(per_row) / 64) < 0.05
