"""What is measured of published features themselves: what others read from them beside the task."""

from typing import Literal

from pydantic import Field

from collab.scenario.base import ABOUT_OPTIMIZERS, Name, Part, Schedule
from collab.types import OptimizerName


class Learner(Schedule):
    """How a network is trained that looks at features."""

    epochs: int = Field(5, ge=1, le=10_000, description="Passes over its images; time grows with them.")
    batch_size: int = Field(64, ge=2, le=65_536, description="Rows of a step; memory grows with them.")
    optimizer: OptimizerName = Field("adamw", description=ABOUT_OPTIMIZERS)
    learning_rate: float = Field(2e-3, gt=0, description="Its largest value; a loss that is not finite ends the run.")
    schedule: Literal["cosine", "one_cycle", "constant"] = Field(
        "one_cycle", description="Course of the learning rate."
    )


class Decoder(Learner):
    """A fresh decoder, trained on public images as the entity encodes them: the attack of Xiao et al."""

    name: Name = Field("plain", description="What results call it, in brackets.")
    gan_weight: float = Field(0.0, ge=0, description="Mu_g of (5); above 0 a discriminator learns beside it.")
    share: float = Field(1.0, gt=0, le=1, description="Share of the public images that it learns on.")


class Exposure(Part):
    """What held-out images give away through the features that an entity would publish of them."""

    decoders: tuple[Decoder, ...] = Field((), description="Fresh decoders, each with a name of its own.")
    embedding: Learner | None = Field(
        None, description="Of individuals, on public images: face and feature similarity, variances; null: none."
    )
    attributes: tuple[str, ...] = Field(
        (), description="Attributes of the task told one by one: MCC, and what the 15 nearest features say of each."
    )
