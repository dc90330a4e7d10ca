"""Federated averaging (McMahan et al., AISTATS 2017, Algorithm 1): weights of several copies of a network as one."""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor


def with_momentum(
    before: Mapping[str, Tensor],
    average: Mapping[str, Tensor],
    velocity: Mapping[str, Tensor],
    momentum: float,
    learned: Collection[str],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    r"""The next weights and velocity of a server with momentum (FedAvgM of Hsu, Qi and Brown, 2019).

    $$ v \leftarrow \beta v + (\bar w - w), \qquad w \leftarrow w + v $$

    `before` $= w$, `average` $= \bar w$, `velocity` $= v$, empty in the beginning, `momentum` $= \beta$. What is not
    `learned`, such as statistics of BatchNorm, becomes the average.
    """
    weights, next_velocity = dict(average), dict[str, Tensor]()
    for name in learned:
        step = average[name] - before[name]
        next_velocity[name] = step + momentum * velocity[name] if velocity else step
        weights[name] = before[name] + next_velocity[name]
    return weights, next_velocity


def federated_average(states: Sequence[Mapping[str, Tensor]], rows: Sequence[int]) -> dict[str, Tensor]:
    r"""The mean of each tensor over the copies, by how many rows each was trained on.

    $$ w = \sum_k \frac{n_k}{n} w_k, \qquad n = \sum_k n_k $$

    `states` hold tensors of the same names and shapes, `rows` $= n_k > 0$. Summed in fp64 in the order given, and
    rounded once. So are running statistics of BatchNorm, which the paper's networks do not have; of whole numbers, its
    counts of batches, the largest stands for all.
    """
    total = sum(rows)
    averaged = {}
    for name, first in states[0].items():
        values = [state[name] for state in states]
        if not first.is_floating_point():
            averaged[name] = torch.stack(values).amax(dim=0)
            continue
        mean = sum((count / total) * value.double() for value, count in zip(values, rows, strict=True))
        assert isinstance(mean, Tensor)
        averaged[name] = mean.to(first.dtype)
    return averaged
