"""Distances between activations of a network (SCIENCE 5.1): `pdist` of any network, LPIPS of the published one only."""

import importlib
import importlib.util
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from collab.errors import CollabError, ResourceError, ScenarioError

LPIPS_TRUNKS = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
"""Files of torchvision's ImageNet weights, which the package `lpips` does not bring along."""

IMAGES_AT_ONCE = 64
"""Images that LPIPS compares at a time: at 224 px VGG's first maps of both sides take 1.6 GB."""


def pdist(
    rebuilt: Sequence[Float[Tensor, "batch _ ..."]], true: Sequence[Float[Tensor, "batch _ ..."]]
) -> Float[Tensor, " batch"]:
    r"""Mean L2 between activations of unit length, in [0, 2], or to $\sqrt 2$ after a ReLU; differentiable.

    $$ \frac{1}{|\ell|} \sum_\ell \frac{1}{|p|} \sum_p \left\Vert \frac{\hat a_{\ell p}}{\Vert \hat a_{\ell p} \Vert} -
    \frac{a_{\ell p}}{\Vert a_{\ell p} \Vert} \right\Vert_2 $$

    One tensor for each layer $\ell$ of our own classifier of the public split, given the rebuilt and the true images;
    $a_{\ell p}$ are the channels at a position $p$, if the layer has positions. Activations that are all 0 stay 0: at
    distance 1 from any others, 0 from each other. This is not LPIPS, which needs its published weights.

    Raises CollabError for no layers, or layers of other shapes.
    """
    shapes = [[tuple(layer.shape) for layer in layers] for layers in (rebuilt, true)]
    if not shapes[0] or shapes[0] != shapes[1]:
        raise CollabError(
            f"activations of rebuilt images have shapes {shapes[0]}, of true ones {shapes[1]}; "
            "pdist compares the same layers of one network, at least one."
        )
    distances = []
    for a, b in zip(rebuilt, true, strict=True):
        apart = functional.normalize(a.float(), dim=1) - functional.normalize(b.float(), dim=1)
        distances.append(apart.norm(dim=1).flatten(1).mean(1) if apart.ndim > 2 else apart.norm(dim=1))
    return torch.stack(distances).mean(0)


def lpips_network(trunk: str = "alex") -> nn.Module:
    """LPIPS 0.1 with its published weights, `alex`, `vgg` or `squeeze`, in eval mode, from files on this machine.

    Nothing is downloaded. Raises ResourceError where the package or the weights of the trunk are missing, and says
    where to put them; ScenarioError for another trunk.
    """
    if trunk not in LPIPS_TRUNKS:
        raise ScenarioError(f"LPIPS has no trunk {trunk!r}. Take one of {', '.join(LPIPS_TRUNKS)}.")
    if importlib.util.find_spec("lpips") is None:
        raise ResourceError("LPIPS needs the package lpips, which is not installed: pip install 'collab[lpips]'")
    weights = Path(torch.hub.get_dir()) / "checkpoints" / LPIPS_TRUNKS[trunk]
    if not weights.is_file():
        raise ResourceError(
            f"LPIPS finds no weights of its trunk {trunk!r} at {weights}, and nothing is downloaded. Put there "
            f"https://download.pytorch.org/models/{weights.name}, set TORCH_HOME so that it is found, or use pdist."
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The parameter 'pretrained' is deprecated")  # lpips 0.1.4 asks the old way
        warnings.filterwarnings("ignore", "Arguments other than a weight enum")
        network: nn.Module = importlib.import_module("lpips").LPIPS(net=trunk, verbose=False)
    return network.eval().requires_grad_(False)


def lpips_distance(
    rebuilt: Float[Tensor, "batch 3 height width"], images: Float[Tensor, "batch 3 height width"], network: nn.Module
) -> Float[Tensor, " batch"]:
    """LPIPS between images in [0, 1], 0 or above; `network` is that of `lpips_network`, on the device of the images."""
    pieces = (torch.split(side.float(), IMAGES_AT_ONCE) for side in (rebuilt, images))
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        return torch.cat([network(a, b, normalize=True).flatten() for a, b in zip(*pieces, strict=True)])
