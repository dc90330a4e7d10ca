"""Optimizers without torch's compiler: the same steps, and no import of it."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from collab.training import optimizers

SETTINGS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "fused": True},
    "Adam": {"lr": 0.1, "weight_decay": 0.01, "fused": True},
    "AdamW": {"lr": 0.1, "weight_decay": 0.01, "fused": True},
}


def train(kind: type[torch.optim.Optimizer], name: str) -> Tensor:
    """Weights after four steps, the state put back between them."""
    weights = [nn.Parameter(torch.linspace(-1, 1, 12).view(4, 3)), nn.Parameter(torch.ones(3))]
    optimizer = kind(weights, **SETTINGS[name])  # type: ignore[arg-type]
    for _ in range(4):
        optimizer.zero_grad()
        torch.stack([(weight * weight.sin()).sum() for weight in weights]).sum().backward()
        optimizer.step()
        optimizer.load_state_dict(optimizer.state_dict())
    return torch.cat([weight.detach().flatten() for weight in weights])


@pytest.mark.parametrize("name", SETTINGS)
def test_steps_are_those_of_torch_to_the_last_bit(name: str) -> None:
    assert torch.equal(train(getattr(optimizers, name), name), train(getattr(torch.optim, name), name))


@pytest.mark.long
def test_no_optimizer_imports_the_compiler() -> None:
    code = """
import sys, torch
from torch import nn
from collab.training.optimizers import optimizers_of
for name in ("sgd", "adam", "adamw", "muon"):
    weights = [nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(3))]
    for optimizer in optimizers_of(name, weights, rate=0.1, weight_decay=0.01):
        optimizer.zero_grad()
        torch.stack([(weight**2).sum() for weight in weights]).sum().backward()
        optimizer.step()
        optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert answer.strip() == "False"
