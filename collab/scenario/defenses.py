"""Options of the built-in defenses, apart from the code that honors them, which needs torch."""

from typing import Literal

from pydantic import Field

from collab.scenario.base import DefenseOptions, Schedule


class Dpm(Schedule, DefenseOptions):
    """Deep Poisoning Module: residual blocks that keep the shape of the features; private to its entity."""

    kind: Literal["dpm"] = Field(description="`defense: dpm` is short for all defaults.")
    blocks: int = Field(4, ge=1, le=32, description="Bottleneck blocks; training cost grows with them.")
    width: int | None = Field(None, ge=1, le=4096, description="Channels inside a block; a quarter unless given.")
    norm: Literal["batch", "none"] = Field("batch", description="Normalization inside the blocks.")
    ssim_weight: float = Field(1.0, ge=0, alias="lambda", description="Lambda of (DP-6); 0 trains for accuracy alone.")
    equivalence: Literal["labels", "logits"] = Field("labels", description="(DP-4), or KL to C's own output (DPF-5).")
    ssim_loss: Literal["abs", "clamp", "square", "abs_map", "signed"] = Field(
        "abs", description="How SSIM enters (DP-5); signed has the photographic negative as its optimum."
    )
    epochs: int = Field(
        30, ge=1, le=10_000, description="Passes over the entity's own rows; the longest stage of most scenarios."
    )
    batch_size: int = Field(64, ge=2, le=65_536, description="Rows of a step; memory grows with them.")
    optimizer: Literal["sgd", "adam", "adamw"] = Field("adamw", description="sgd has Nesterov momentum 0.9.")
    learning_rate: float = Field(2e-3, gt=0, description="Its largest value; a loss that is not finite ends the run.")
    schedule: Literal["cosine", "one_cycle", "constant"] = Field(
        "one_cycle", description="Course of the learning rate."
    )


class NoDefense(DefenseOptions):
    """Plain features, for comparison."""

    kind: Literal["none"] = Field(description="`defense: none` is short for it.")
