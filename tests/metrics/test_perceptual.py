import importlib.util
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from collab.errors import CollabError, ResourceError, ScenarioError
from collab.metrics import perceptual
from collab.metrics.perceptual import LPIPS_TRUNKS, lpips_distance, lpips_network, pdist


def activations(seed: int) -> list[Tensor]:
    """Two feature maps and an embedding of three images."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(3, *shape, generator=generator) for shape in ((8, 5, 4), (16, 2, 2), (10,))]


def test_pdist_agrees_with_its_definition() -> None:
    rebuilt, true = activations(0), activations(1)
    expected = []
    for image in range(3):
        layers = []
        for a, b in zip(rebuilt, true, strict=True):
            one, other = (x[image].double().numpy().reshape(x.shape[1], -1) for x in (a, b))
            positions = range(one.shape[1])
            layers.append(np.mean([np.linalg.norm(unit(one[:, p]) - unit(other[:, p])) for p in positions]))
        expected.append(np.mean(layers))
    np.testing.assert_allclose(pdist(rebuilt, true).numpy(), expected, rtol=1e-5)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 2, math.pi])
def test_pdist_of_an_angle_has_a_closed_form(angle: float) -> None:
    true = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3)
    turned = torch.tensor([math.cos(angle), math.sin(angle)]).view(1, 2, 1, 1).expand(1, 2, 3, 3)
    assert pdist([5 * turned], [0.1 * true]).item() == pytest.approx(2 * math.sin(angle / 2), abs=1e-6)


def test_a_layer_counts_once_whatever_its_size() -> None:
    a, b = activations(0), activations(1)
    each = torch.stack([pdist([x], [y]) for x, y in zip(a, b, strict=True)])
    assert each.std(0).min() > 0.01
    torch.testing.assert_close(pdist(a, b), each.mean(0))


def test_dead_positions_are_equal_to_each_other_and_at_1_from_the_rest() -> None:
    dead, alive = torch.zeros(1, 4, 2, 2), torch.rand(1, 4, 2, 2)
    assert pdist([dead], [dead]).item() == 0
    assert pdist([dead], [alive]).item() == pytest.approx(1)
    mixed = dead.requires_grad_()
    pdist([mixed], [dead.detach()]).sum().backward()
    assert mixed.grad is not None
    assert mixed.grad.isfinite().all()


def test_mixed_precision_changes_nothing() -> None:
    a, b = activations(0), activations(1)
    plain = pdist(a, b)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(pdist(a, b), plain)
    rounded = [x.bfloat16() for x in a]  # as a network hands it out
    assert torch.equal(pdist(rounded, b), pdist([x.float() for x in rounded], b))


def test_other_layers_are_refused() -> None:
    a = activations(0)
    for rebuilt, true in (([], []), (a, a[:2]), (a, [a[0], a[1], a[2][:, :9]])):
        with pytest.raises(CollabError, match="same layers"):
            pdist(rebuilt, true)


class FakeLpips(nn.Module):
    """Mean absolute difference of images in [-1, 1], with the call and the shape of LPIPS."""

    def __init__(self, net: str, verbose: bool) -> None:
        super().__init__()
        self.net, self.weight = net, nn.Parameter(torch.ones(1))
        assert not verbose

    def forward(self, a: Tensor, b: Tensor, normalize: bool = False) -> Tensor:
        assert len(a) <= 64
        assert normalize  # or images in [0, 1] would be read as half as bright and half as rich
        return self.weight * 2 * (a - b).abs().mean((1, 2, 3), keepdim=True)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A package lpips that is installed, and an empty folder where torch looks for weights."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(name=name))
    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=FakeLpips))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def test_lpips_scores_each_image_and_trains_nothing(package: Path) -> None:
    (package / LPIPS_TRUNKS["vgg"]).touch()
    network = lpips_network("vgg")
    assert network.net == "vgg"
    assert not network.training
    assert not any(each.requires_grad for each in network.parameters())
    images = torch.rand(130, 3, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = lpips_distance(images * 0.5, images, network)
    torch.testing.assert_close(found, images.mean((1, 2, 3)))


def test_lpips_without_weights_says_where_they_go(package: Path) -> None:
    (package / LPIPS_TRUNKS["vgg"]).touch()
    with pytest.raises(ResourceError, match=r"alexnet-owt-7be5be79\.pth") as found:
        lpips_network("alex")
    assert str(package) in str(found.value)


def test_lpips_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"collab\[lpips\]"):
        lpips_network()
    with pytest.raises(ScenarioError, match="alex, vgg, squeeze"):
        lpips_network("vgg19")


def test_trunks_are_the_files_that_torchvision_would_download() -> None:
    urls = (models.AlexNet_Weights, models.VGG16_Weights, models.SqueezeNet1_1_Weights)
    expected = [weights.IMAGENET1K_V1.url.rsplit("/", 1)[1] for weights in urls]
    assert list(perceptual.LPIPS_TRUNKS.values()) == expected


def test_the_real_package_reads_its_trunk_from_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With random weights under the published name: enough to see what is read, and that nothing is downloaded."""
    pytest.importorskip("lpips", reason="optional extra `lpips`")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(torch.hub, "download_url_to_file", None)
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    trunk = models.alexnet(weights=None)
    torch.save(trunk.state_dict(), checkpoints / LPIPS_TRUNKS["alex"])
    network = lpips_network()
    images = torch.rand(2, 3, 64, 64)
    distance = lpips_distance(1 - images, images, network)
    assert distance.shape == (2,)
    assert (distance > 0).all()
    assert torch.equal(lpips_distance(images, images, network), torch.zeros(2))
    torch.testing.assert_close(network.net.slice1[0].weight, trunk.features[0].weight)
    with torch.no_grad():
        torch.testing.assert_close(distance, network(1 - 2 * images, 2 * images - 1).flatten())
