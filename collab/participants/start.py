"""What pre-training begins from: a network as it is drawn, or one with the weights of a file."""

from typing import Any

from torch import nn

from collab.errors import ScenarioError
from collab.models.backbones import Split, build_network, build_split, cut
from collab.models.pretrained import load_weights
from collab.scenario.network import NOBODY, Network
from collab.store.weights_file import read_weights

SLACK = 1 << 30
"""Bytes that a file of weights may have beyond the network's own in fp64: a last layer of many more classes."""


class Start:
    """The network of a scenario before it is trained, and what a card says of where it comes from."""

    def __init__(self, model: Network, outputs: int) -> None:
        self._model, self._outputs = model, outputs
        self.card: dict[str, Any] = {}

    def split(self) -> Split:
        """F and C, drawn from torch's global generator where no weights are given; errors as in `load_weights`."""
        model, file = self._model, self._model.weights_file
        if file is None:
            return build_split(model.architecture, model.hook, classes=self._outputs, width=model.width)
        network = build_network(
            model.architecture, classes=self._outputs, width=model.width, mean=file.mean, std=file.std
        )
        most = SLACK + 8 * sum(value.numel() for value in network.state_dict().values())
        weights = read_weights(file.path, most_bytes=most, sha256=file.sha256)
        tensors = weights.tensors
        if model.mean is not None:
            tensors.pop("normalize.mean", None)
        if model.std is not None:
            tensors.pop("normalize.std", None)
        drawn = load_weights(network, tensors)
        split = cut(network, model.architecture, model.hook)
        if model.pretrain.by == NOBODY and (lacking := [name for name in drawn if name in _layers(split.featurizer)]):
            raise ScenarioError(
                f"model.pretrain: with `by: nobody` all of F comes from the weights, and they lack "
                f"{', '.join(lacking)}. Split the network at an earlier hook, or let an entity pre-train."
            )
        normalize = network.get_submodule("normalize")
        self.card = {
            "weights": {
                "sha256": weights.sha256,
                "license": file.license or weights.license or "not stated",
                **{name: getattr(normalize, name).flatten().tolist() for name in ("mean", "std")},
                "drawn": list(drawn),
            }
        }
        return split


def _layers(network: nn.Module) -> set[str]:
    return {name for name, _ in network.named_modules()}
