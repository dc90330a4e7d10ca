"""Steps replayed as CUDA graphs: the kernels of one step are recorded once and then started by one call."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from collab.errors import CollabError
from collab.models.filters import Keyed
from collab.plugins.discovery import is_ours

Work = Callable[[], list[Tensor]]
Recorder = Callable[[Work], tuple[Callable[[], None], list[Tensor]]]
"""Records work without doing it; answers what does it, and the tensors that its results are then written to."""

WARM_STEPS = 3
"""Steps of each shape before one is recorded: libraries choose kernels, optimizers make their state, caches fill."""


def can_replay(*networks: nn.Module | None) -> bool:
    """Whether a step through `networks` is the same kernels for every batch of a shape.

    Not so where the host decides, as by a hash of each row, nor where somebody else wrote the layers: they might.
    """
    layers = [layer for network in networks if network is not None for layer in network.modules()]
    return all(
        not isinstance(layer, Keyed)
        and (type(layer).__module__.startswith(("torch.", "torchvision.")) or is_ours(type(layer).__module__))
        for layer in layers
    )


class Replayed:
    """A function of a batch, a tuple of tensors of the device; from the fourth batch of a shape on, a graph of it.

    The function's results are scalars and vectors, which are copied. It may change what lies outside of it, such as
    weights, in place; whatever else Python does in it happens while it is recorded and never again.
    """

    def __init__(self, function: Callable[[Any], Iterable[Tensor]], record: Recorder | None = None) -> None:
        self._function, self._record = function, record or CudaRecorder()
        self._steps: dict[tuple[Any, ...], int] = {}
        self._recorded: dict[tuple[Any, ...], tuple[list[Tensor], Callable[[], None], list[Tensor]]] = {}

    def __call__(self, batch: Any) -> list[Tensor]:
        """What the function answers to `batch`."""
        kind = tuple((part.shape, part.stride(), part.dtype) for part in batch)
        self._steps[kind] = self._steps.get(kind, 0) + 1
        if self._steps[kind] <= WARM_STEPS:
            return list(self._function(batch))
        if kind not in self._recorded:
            inputs = [part.clone(memory_format=torch.preserve_format) for part in batch]
            replay, outputs = self._record(lambda: list(self._function(tuple(inputs))))
            self._recorded[kind] = inputs, replay, outputs
        inputs, replay, outputs = self._recorded[kind]
        for kept, part in zip(inputs, batch, strict=True):
            kept.copy_(part)
        replay()
        return [output.clone() for output in outputs]


class CudaRecorder:
    """Records on the current stream, which must not be the default one; all its graphs share their memory.

    They may: a replay needs nothing that the one before left in it, and no two run side by side.
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> tuple[Callable[[], None], list[Tensor]]:
        """Raises CollabError for work that cannot be recorded."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=torch.cuda.current_stream()):
                outputs = work()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as cause:
            raise CollabError(
                f"a step could not be recorded as a CUDA graph: {str(cause).splitlines()[0]}. "
                "State `compute: {graphs: off}`, which changes no result."
            ) from cause
        return graph.replay, outputs
