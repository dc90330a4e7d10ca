"""Random streams: each is derived from (seed, entity, stage) and a purpose, never from order or process."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class Stream:
    """The randomness of one stage of one entity; equal streams give equal draws in any process and order."""

    seed: int
    entity: str
    stage: str

    def integer(self, purpose: str) -> int:
        """A number in [0, 2**63) that depends on all four names and on nothing else."""
        key = json.dumps([self.seed, self.entity, self.stage, purpose]).encode()
        return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") >> 1

    def numpy(self, purpose: str) -> "np.random.Generator":
        """A fresh numpy generator for `purpose`."""
        import numpy as np

        return np.random.default_rng(self.integer(purpose))

    def torch(self, purpose: str) -> "torch.Generator":
        """A fresh torch generator on the CPU for `purpose`."""
        import torch

        return torch.Generator().manual_seed(self.integer(purpose))

    @contextmanager
    def initialization(self, purpose: str = "weights") -> Iterator[None]:
        """Seeds torch's global generators, which layer constructors draw from, and puts their old state back afterward.

        Those of the CPU and of the GPU that is in use, if one is.
        """
        import torch

        in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        # Without a GPU `torch.manual_seed` would keep each seed, and the stack, for when there is one.
        seed = torch.manual_seed if in_use or torch.cuda.is_available() else torch.default_generator.manual_seed
        with torch.random.fork_rng([torch.cuda.current_device()] if in_use else []):
            seed(self.integer(purpose))
            yield
