"""What a run computes on, and what it takes of the machine."""

from typing import Literal

from pydantic import Field

from collab.scenario.base import MEMORY, Part, bytes_of


class ComputeOptions(Part):
    """How a GPU computes; a CPU does the same whatever is stated here."""

    determinism: Literal["strict", "fast"] = Field(
        "strict",
        description="fast: fp32 products are rounded to TF32 and kernels are chosen by their speed, so that figures "
        "differ in their last digits, from run to run too. A stage that was played fast is never taken for a strict "
        "one.",
    )
    graphs: Literal["auto", "off"] = Field(
        "auto",
        description="auto: steps that are the same work for every batch are recorded and replayed as CUDA graphs. No "
        "result depends on it.",
    )


class EntityResources(Part):
    """What each host of an entity takes."""

    cpus: int = Field(1, ge=1, le=1024, description="Threads of a stage; results depend on it in their last bits.")
    gpus: float = Field(0.0, ge=0, le=64, description="GPUs, a fraction below 1; a machine without one uses the CPU.")
    gpu_memory: str | None = Field(None, pattern=MEMORY, description="Cap of a process, e.g. 8GiB.")

    @property
    def gpu_bytes(self) -> int | None:
        """`gpu_memory` in bytes."""
        return None if self.gpu_memory is None else bytes_of(self.gpu_memory)


class Resources(Part):
    """What the run takes."""

    workers: int | None = Field(
        None, ge=1, le=4096, description="Processes that entities share; one each unless given."
    )
    entity: EntityResources = Field(EntityResources(), description="What each of these processes takes.")
    restarts: int = Field(2, ge=0, le=100, description="How often each process may die; its stage goes on from there.")
