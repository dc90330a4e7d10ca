"""What a scenario may state of each tracker; its class takes it from here, and imports nothing of its library."""

from typing import Literal

from pydantic import Field

from collab.scenario.base import TrackerOptions


class TensorBoard(TrackerOptions):
    """Writes event files for TensorBoard, in `trackers/tensorboard` of the folder of runs."""

    kind: Literal["tensorboard"] = Field(description="Event files for TensorBoard.")


class Mlflow(TrackerOptions):
    """Writes a run of MLflow, to its server or into a database."""

    kind: Literal["mlflow"] = Field(description="A run of MLflow.")
    uri: str | None = Field(
        None,
        description="Its tracking URI; a database, `trackers/mlflow/mlflow.db` of the folder of runs, unless given.",
    )
    experiment: str | None = Field(None, description="Its experiment; the scenario's name unless given.")


class Wandb(TrackerOptions):
    """Writes a run of Weights & Biases, in `trackers/wandb` of the folder of runs; nothing is sent unless asked."""

    kind: Literal["wandb"] = Field(description="A run of Weights & Biases.")
    project: str = Field("collab", description="Its project.")
    mode: Literal["offline", "online"] = Field("offline", description="online: sends it, to whom you are logged in at.")
