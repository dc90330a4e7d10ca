"""torchvision's classifiers, untrained, cut into pieces at every hook; the modules are torchvision's own."""

from importlib.metadata import PackageNotFoundError, version

import torch
from torch import nn

from collab.architectures import ARCHITECTURES
from collab.errors import ResourceError
from collab.models.layers import Grow
from collab.models.pretrained import note_names
from collab.models.small import pooled_pieces

IMAGENET_CLASSES = 1000
"""Values of torchvision's own last layer, which Xiao et al. keep and take as the feature."""


def resnet(backbone: str, classes: int, width: None = None) -> dict[str, nn.Module]:
    """The pieces of a ResNet or ResNeXt, and of what Xiao et al. make of one; errors as in `untrained`."""
    has_mlp = bool(ARCHITECTURES[backbone].tail)
    network = untrained(backbone.removesuffix("_mlp"), IMAGENET_CLASSES if has_mlp else classes)
    parts = dict(network.named_children())
    pieces: dict[str, nn.Module] = {
        "stem": nn.Sequential(*(parts[name] for name in ("conv1", "bn1", "relu", "maxpool")))
    }
    for stage in range(2, 6):
        for block, layer in enumerate(parts[f"layer{stage - 1}"].children(), start=1):
            pieces[f"conv{stage}_{block}"] = layer
    if has_mlp:
        fc = parts["fc"]
        assert isinstance(fc, nn.Linear)
        return pieces | pooled_pieces(fc, classes)
    return pieces | {"head": nn.Sequential(parts["avgpool"], nn.Flatten(), parts["fc"])}


def densenet(backbone: str, classes: int, width: None = None) -> dict[str, nn.Module]:
    """The pieces of a DenseNet; errors as in `untrained`."""
    network = untrained(backbone, classes)
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


def vgg(backbone: str, classes: int, width: None = None) -> dict[str, nn.Module]:
    """The pieces of a VGG with BatchNorm; errors as in `untrained`."""
    network = untrained(backbone, classes)
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


def untrained(name: str, classes: int) -> nn.Module:
    """torchvision's network, initialized by it; nothing is downloaded.

    Raises ResourceError where torchvision is missing or was built for another torch.
    """
    try:
        from torchvision.models import get_model
    except (ImportError, RuntimeError, OSError) as cause:  # a mismatched build fails while registering its operators
        try:
            other = version("torchvision")
        except PackageNotFoundError:
            other = "missing"
        raise ResourceError(
            f"backbone {name!r} is torchvision's, which cannot be imported: {cause}. Here are torch "
            f"{torch.__version__} and torchvision {other}; install a pair that was built together, or take one of the "
            f"small ResNets, which need torch alone."
        ) from cause
    network: nn.Module = get_model(name, weights=None, num_classes=classes)
    note_names(network)
    for layer in network.modules():
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # no piece may overwrite what it is given: a decider, the features
    return network
