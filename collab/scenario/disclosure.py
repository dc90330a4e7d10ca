"""What is measured of reconstructions beyond Tables 1 and 2."""

from typing import Literal

from pydantic import Field

from collab.scenario.base import ABOUT_OPTIMIZERS, Part
from collab.scenario.parts import ImageSchedule
from collab.types import OptimizerName


class Recognizer(ImageSchedule):
    """A classifier of another architecture than C, trained on all images that the entities hold together."""

    width: int = Field(16, ge=4, le=256, description="Channels of its first stage; time grows with its square.")
    epochs: int = Field(8, ge=1, le=10_000, description="Passes over the images; time grows with them.")
    optimizer: OptimizerName = Field("adamw", description=ABOUT_OPTIMIZERS)
    learning_rate: float = Field(3e-3, gt=0, description="Its largest value; a loss that is not finite ends the run.")
    weight_decay: float = Field(0.05, ge=0, description="L2 penalty (adamw: decoupled).")
    batch_size: int = Field(64, ge=2, le=65_536, description="Rows of a step; memory grows with them.")
    schedule: Literal["cosine", "one_cycle", "constant"] = Field(
        "one_cycle", description="Course of the learning rate."
    )


class Disclosure(Part):
    """How near reconstructions come, for the worst images too, and whether they are told apart and recognized."""

    queries: int = Field(
        500, ge=16, le=65_536, description="Reconstructions that are looked up in the gallery; time grows with them."
    )
    gallery: int = Field(
        2000, ge=1000, le=65_536, description="Most images among which a true one is looked up; at least 1,000 exist."
    )
    recognizer: Recognizer | None = Field(
        Recognizer(), description="The independent network behind recognition, embedding and pdist; null: none."
    )
    lpips: Literal["alex", "vgg", "squeeze"] | None = Field(
        None, description="Trunk of LPIPS, for which the extra `lpips` and its published weights must be there."
    )
