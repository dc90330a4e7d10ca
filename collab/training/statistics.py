"""Running statistics of BatchNorm, taken again over rows that a network is going to be used on."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from collab.training.precision import Compute


class _Reached(Exception):
    """A pass came to the layer that it was made for."""


def settle_statistics(network: nn.Module, batches: Callable[[], Iterable[Tensor]], compute: Compute) -> None:
    """Gives each BatchNorm of `network` the mean and variance, over all rows, of what reaches it; no weight changes.

    `batches()` makes a pass over the inputs [batch, ...], two rows at least. Layers are settled in the order in which
    they are reached, each by a pass of its own with those before it settled and in eval mode. So the statistics are
    those of one batch of all rows, whatever the size and order of batches (up to rounding): in eval mode each layer's
    input, normalized, has mean 0 and variance 1. Leaves `network` in eval mode.
    """
    compute.place(network).eval()
    for layer in _norms_as_reached(network, batches, compute):
        layer.running_mean, layer.running_var = _moments(network, layer, batches, compute)


def _moments(
    network: nn.Module, layer: _BatchNorm, batches: Callable[[], Iterable[Tensor]], compute: Compute
) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance by channel, fp32, of what reaches `layer` in a pass."""
    sums = list[Tensor]()  # of values, and of their squares, in fp64

    def add(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].double().transpose(0, 1).flatten(1)
        sums.append(
            torch.stack([values.sum(1), values.square().sum(1), torch.full_like(values[:, 0], values.shape[1])])
        )
        raise _Reached

    _pass(network, {layer: add}, batches(), compute)
    total, squares, count = torch.stack(sums).sum(0)
    mean = total / count
    return mean.float(), ((squares - total * mean) / (count - 1)).clamp_min(0).float()


def _norms_as_reached(
    network: nn.Module, batches: Callable[[], Iterable[Tensor]], compute: Compute
) -> list[_BatchNorm]:
    """The BatchNorm layers in the order in which the first batch comes to them."""
    reached = list[_BatchNorm]()
    norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    if norms:
        first = next(iter(batches()))
        _pass(network, {layer: lambda layer, inputs: reached.append(layer) for layer in norms}, [first], compute)
    return reached


def _pass(
    network: nn.Module,
    hooks: dict[_BatchNorm, Callable[..., None]],
    batches: Iterable[Tensor],
    compute: Compute,
) -> None:
    handles = [layer.register_forward_pre_hook(hook) for layer, hook in hooks.items()]
    try:
        for batch in batches:
            with torch.no_grad(), compute.autocast():
                try:
                    network(batch)
                except _Reached:
                    continue
    finally:
        for handle in handles:
            handle.remove()
