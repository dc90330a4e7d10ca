"""Visual feature entropy against closed forms, an independent loop, and what was measured on photographs."""

import numpy as np
import pytest
import torch
from torch import Tensor

from collab.errors import ScenarioError
from collab.metrics.vfe import vfe_window, visual_feature_entropy


def by_loops(image: np.ndarray, window: int, *, is_zero: bool) -> float:
    """(V1) pixel by pixel, as it is written."""
    channels, height, width = image.shape
    found = []
    for channel in range(channels):
        for top in range(0, height - window + 1, window):
            for left in range(0, width - window + 1, window):
                tile, energy = image[channel, top : top + window, left : left + window], 0.0
                for i in range(window):
                    for j in range(window):
                        outside = 0.0 if is_zero else tile[i, j]
                        right = tile[i, j + 1] if j + 1 < window else outside
                        below = tile[i + 1, j] if i + 1 < window else outside
                        energy += (right - tile[i, j]) ** 2 + (below - tile[i, j]) ** 2
                found.append(energy)
    return float(np.mean(found))


@pytest.mark.parametrize("border", ["zero", "replicate"])
@pytest.mark.parametrize(("side", "window"), [(16, 8), (20, 8), (14, 7), (32, None)])
def test_it_is_v1(border: str, side: int, window: int | None) -> None:
    images = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    found = visual_feature_entropy(images, window=window, border=border)  # type: ignore[arg-type]
    wanted = [by_loops(each.double().numpy(), window or 8, is_zero=border == "zero") for each in images]
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float32), rtol=1e-5, atol=0)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_has_the_energy_of_its_border_alone(value: float) -> None:
    images = torch.full((2, 3, 32, 32), value)
    torch.testing.assert_close(visual_feature_entropy(images), torch.full((2,), 2 * 8 * value**2))
    assert not visual_feature_entropy(images, border="replicate").any()


def test_a_checkerboard_has_the_largest_energy_inside() -> None:
    board = (torch.arange(16).view(-1, 1) + torch.arange(16)) % 2
    images = board.float().expand(1, 3, 16, 16)
    assert visual_feature_entropy(images, border="replicate").item() == 2 * 8 * 7


def test_noise_adds_four_variances_for_each_inner_pixel() -> None:
    noise = 0.1 * torch.randn(400, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    found = visual_feature_entropy(noise, border="replicate").mean().item()
    assert found == pytest.approx(2 * 8 * 7 * 2 * 0.01, rel=0.01)  # pairs of a window times 2 sigma^2


def test_windows_are_those_of_the_sides() -> None:
    assert [vfe_window(side) for side in (16, 32, 64, 112, 224)] == [8, 8, 8, 14, 14]
    with pytest.raises(ScenarioError, match="no window of 8 pixels"):
        visual_feature_entropy(Tensor(1, 3, 4, 4))
