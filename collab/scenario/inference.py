"""What classifiers are to read from published features."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from collab.scenario.base import ABOUT_OPTIMIZERS, Schedule
from collab.types import OptimizerName

Inferred = Literal["attributes", "identities"]


def _distinct(asked: tuple[Inferred, ...]) -> tuple[Inferred, ...]:
    if not asked or len(set(asked)) < len(asked):
        raise ValueError("must name attributes, identities or both, each once")
    return asked


class Inference(Schedule):
    """Classifiers of what is private, built like C, of features as they are and of published ones, for each entity."""

    of: Annotated[tuple[Inferred, ...], AfterValidator(_distinct)] = Field(
        ("attributes",), description="What they are to read: the private attributes, or whom an image shows."
    )
    epochs: int = Field(20, ge=1, le=10_000, description="Passes over three quarters of an entity's rows.")
    batch_size: int = Field(64, ge=2, le=65_536, description="Rows of a step; memory grows with them.")
    optimizer: OptimizerName = Field("adamw", description=ABOUT_OPTIMIZERS)
    learning_rate: float = Field(2e-3, gt=0, description="Its largest value; a loss that is not finite ends the run.")
    weight_decay: float = Field(0.05, ge=0, description="L2 penalty (adamw: decoupled).")
    schedule: Literal["cosine", "one_cycle", "constant"] = Field(
        "one_cycle", description="Course of the learning rate."
    )
