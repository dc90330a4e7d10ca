"""Federated averaging (McMahan et al., AISTATS 2017, Algorithm 1): weights of several copies of a network as one."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


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
