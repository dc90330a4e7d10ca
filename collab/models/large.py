"""torchvision's classifiers, untrained, cut into pieces at every hook; the modules are torchvision's own."""

from importlib.metadata import PackageNotFoundError, version

import torch
from torch import nn

from collab.errors import ResourceError
from collab.models.layers import Grow
from collab.models.small import pooled_pieces

IMAGENET_CLASSES = 1000
"""Values of torchvision's own last layer, which Xiao et al. keep and take as the feature."""


def large_pieces(backbone: str, classes: int) -> dict[str, nn.Module]:
    """The network in order, one entry for each hook, and a head; initialized by torchvision, nothing is downloaded.

    Raises ResourceError where torchvision is missing or was built for another torch.
    """
    has_mlp = backbone.endswith("_mlp")
    network = _untrained(backbone.removesuffix("_mlp"), IMAGENET_CLASSES if has_mlp else classes)
    for layer in network.modules():
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # no piece may overwrite what it is given: a decider, the features
    if backbone.startswith("densenet"):
        return _densenet(network)
    if backbone.startswith("vgg"):
        return _vgg(network)
    pieces = _resnet(network)
    if has_mlp:
        fc = network.get_submodule("fc")
        assert isinstance(fc, nn.Linear)
        pieces |= pooled_pieces(fc, classes)
        pieces["head"] = pieces.pop("head")  # after what comes before it
    return pieces


def _untrained(backbone: str, classes: int) -> nn.Module:
    try:
        from torchvision.models import get_model
    except (ImportError, RuntimeError, OSError) as cause:  # a mismatched build fails while registering its operators
        try:
            found = version("torchvision")
        except PackageNotFoundError:
            found = "missing"
        raise ResourceError(
            f"backbone {backbone!r} is torchvision's, which cannot be imported: {cause}. Here are torch "
            f"{torch.__version__} and torchvision {found}; install a pair that was built together, or take one of the "
            f"small ResNets, which need torch alone."
        ) from cause
    network: nn.Module = get_model(backbone, weights=None, num_classes=classes)
    return network


def _resnet(network: nn.Module) -> dict[str, nn.Module]:
    parts = dict(network.named_children())
    pieces: dict[str, nn.Module] = {
        "stem": nn.Sequential(*(parts[name] for name in ("conv1", "bn1", "relu", "maxpool")))
    }
    for stage in range(2, 6):
        for block, layer in enumerate(parts[f"layer{stage - 1}"].children(), start=1):
            pieces[f"conv{stage}_{block}"] = layer
    return pieces | {"head": nn.Sequential(parts["avgpool"], nn.Flatten(), parts["fc"])}


def _densenet(network: nn.Module) -> dict[str, nn.Module]:
    parts = dict(network.get_submodule("features").named_children())
    stem = nn.Sequential(*(parts[name] for name in ("conv0", "norm0", "relu0", "pool0")))
    pieces: dict[str, nn.Module] = {"conv2_0": stem}
    for stage in range(2, 6):
        if stage > 2:
            pieces[f"conv{stage}_0"] = parts[f"transition{stage - 2}"]
        for number, layer in enumerate(parts[f"denseblock{stage - 1}"].children(), start=1):
            pieces[f"conv{stage}_{number}"] = Grow(nn.Sequential(*layer.children()))
    classifier = network.get_submodule("classifier")
    return pieces | {
        "head": nn.Sequential(parts["norm5"], nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier)
    }


def _vgg(network: nn.Module) -> dict[str, nn.Module]:
    layers = list(network.get_submodule("features").children())
    pieces: dict[str, nn.Module] = {}
    stage, block = 1, 0
    for start, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            block += 1
            pieces[f"conv{stage}_{block}"] = nn.Sequential(*layers[start : start + 3])  # with its BatchNorm and ReLU
        elif isinstance(layer, nn.MaxPool2d):
            pieces[f"pool{stage}"] = layer
            stage, block = stage + 1, 0
    tail = network.get_submodule("avgpool"), nn.Flatten(), *network.get_submodule("classifier").children()
    return pieces | {"head": nn.Sequential(*tail)}
