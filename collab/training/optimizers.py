"""The optimizers of a recipe: which there are, and Muon for filters and matrices beside AdamW for the rest."""

import inspect
import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.types import OptimizerName

REST_RATE = 0.1
"""Rate of AdamW for what Muon does not train, as a share of Muon's: .01 beside the .1 that filters take."""

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic whose slope at 0 is large, so that five steps bring small singular values near 1."""


class _Eager(torch.optim.Optimizer):
    """torch's optimizers, without the wrappers that import its compiler at the first of them.

    That import takes 1.3 s of a core and 100 MB in each process that trains, and nothing here is compiled. Whatever a
    wrapper of these methods does besides is for the compiler; `step` itself wants no gradients.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)


class SGD(_Eager, torch.optim.SGD):
    """`torch.optim.SGD`, eager."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


class Adam(_Eager, torch.optim.Adam):
    """`torch.optim.Adam`, eager."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class AdamW(_Eager, torch.optim.AdamW):
    """`torch.optim.AdamW`, eager."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class Muon(_Eager):
    r"""Momentum whose matrices are orthogonalized (Jordan et al. 2024), by the rule of `torch.optim.Muon`.

    A filter [out, in, height, width] is the matrix [out, in · height · width]. With $\mu$ = .95 and rate $\gamma$:

    $$ B \leftarrow \mu B + (1 - \mu) G, \quad O = \mathrm{NS}_5((1 - \mu) G + \mu B), \quad
       W \leftarrow (1 - \gamma \lambda) W - \gamma \sqrt{\max(1, m/n)}\, O $$

    for $G$ of $m$ rows and $n$ columns. Departures from torch's: filters are taken too, Newton-Schulz runs in fp32 (in
    bf16 a CPU is slower), and matrices of one shape are orthogonalized together. The rate may be a tensor of the
    weights' device: then a CUDA graph of a step follows it.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": 0.95})

    @torch.no_grad()
    @override
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            momentum, of_shape = group["momentum"], dict[torch.Size, list[tuple[nn.Parameter, Tensor]]]()
            for weight in group["params"]:
                if weight.grad is not None:
                    state = self.state[weight]
                    if not state:
                        state["momentum_buffer"] = torch.zeros_like(weight.grad)
                    mean = state["momentum_buffer"]
                    mean.lerp_(weight.grad, 1 - momentum)
                    matrix = weight.grad.lerp(mean, momentum).flatten(1)
                    of_shape.setdefault(matrix.shape, []).append((weight, matrix))
            for (rows, columns), members in of_shape.items():
                orthogonal = orthogonalize(torch.stack([matrix for _, matrix in members]))
                rate = group["lr"] * math.sqrt(max(1, rows / columns))
                for (weight, _), update in zip(members, orthogonal, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    if isinstance(rate, Tensor):
                        weight.sub_(rate * update.view_as(weight))
                    else:
                        weight.add_(update.view_as(weight), alpha=-rate)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Each of `matrices` [many, rows, columns] with its singular values brought near 1, all but tiny ones to .7 to 1.2.

    Five Newton-Schulz steps on the matrix over its Frobenius norm; a matrix of zeros stays one.
    """
    a, b, c = NEWTON_SCHULZ
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x


def optimizers_of(
    name: OptimizerName, parameters: Sequence[nn.Parameter], *, rate: float, weight_decay: float
) -> tuple[torch.optim.Optimizer, ...]:
    """The optimizers of `parameters`, one or two; `rate` is the largest learning rate.

    Those of torch are fused: one pass over memory where they would take several. On a GPU all can be part of a CUDA
    graph, and their rates are tensors there: see `set_rate`.
    """
    on_gpu = bool(parameters) and parameters[0].device.type == "cuda"
    made = _made(name, parameters, rate, weight_decay, is_captured=on_gpu)
    for optimizer in made if on_gpu else ():
        keep_rate_on(optimizer, parameters[0].device)
    return made


def keep_rate_on(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Makes the learning rates of `optimizer` tensors of `device`."""
    for group in optimizer.param_groups:
        group["lr"] = torch.full((), float(group["lr"]), device=device)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate; where it is a tensor, in place and without waiting."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _made(
    name: OptimizerName, parameters: Sequence[nn.Parameter], rate: float, weight_decay: float, *, is_captured: bool
) -> tuple[torch.optim.Optimizer, ...]:
    match name:
        case "sgd":
            return (SGD(parameters, rate, momentum=0.9, nesterov=True, weight_decay=weight_decay, fused=True),)
        case "adam":
            return (Adam(parameters, rate, weight_decay=weight_decay, fused=True, capturable=is_captured),)
        case "adamw":
            return (AdamW(parameters, rate, weight_decay=weight_decay, fused=True, capturable=is_captured),)
        case "muon":
            matrices = [weight for weight in parameters if weight.ndim > 1]
            rest = [weight for weight in parameters if weight.ndim <= 1]
            return (
                *([Muon(matrices, rate, weight_decay)] if matrices else []),
                *(_made("adamw", rest, REST_RATE * rate, weight_decay, is_captured=is_captured) if rest else []),
            )
