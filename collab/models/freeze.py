"""Networks that no longer learn: frozen, folded for speed, and known by a digest."""

import copy
import hashlib
import json
from typing import TypeVar

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

Network = TypeVar("Network", bound=nn.Module)


def freeze(net: Network) -> Network:
    """`net` itself, in eval mode and without gradients of its parameters; gradients of its input still flow."""
    return net.eval().requires_grad_(False)


def folded(net: nn.Module) -> nn.Module:
    """A frozen copy in which each BatchNorm that follows a convolution is part of it; `net` is untouched.

    For networks that gradients flow through while something else learns: its values differ by rounding (1e-6 relative).
    Save and hash `net`, never this copy. Raises torch.fx's TraceError for a network that it cannot trace.
    """
    return freeze(fuse(freeze(copy.deepcopy(net)), inplace=True))


def state_digest(net: nn.Module) -> str:
    """sha256 over names, types, shapes and bytes of parameters and buffers; device and memory format do not count."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        plain = value.detach().cpu().contiguous(memory_format=torch.contiguous_format)
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
