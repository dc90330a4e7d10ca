"""Whether two networks, or one before and after, have the same state to the last bit."""

import hashlib
import json

import torch
from torch import nn


def state_digest(net: nn.Module) -> str:
    """sha256 over names, types, shapes and bytes of parameters and buffers; device and memory format do not count."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        plain = value.detach().cpu().contiguous(memory_format=torch.contiguous_format)
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
