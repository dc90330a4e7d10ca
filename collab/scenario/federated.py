"""Federated averaging, as a scenario states it."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from collab.scenario.base import Dp, Name, Part, RowName, Share


class Federation(Part):
    """Federated averaging, for comparison: entities refine C by exchanging its weights in place of features."""

    name: RowName = Field(alias="row", description="Its name in the results, as of a row of `refinements`.")
    entities: tuple[Name, ...] = Field(description="Who takes part; each counts by its number of images.")
    rounds: int = Field(5, ge=1, le=1000, description="How often weights are exchanged and averaged.")
    local_epochs: int = Field(1, ge=1, le=10_000, description="Passes over own features between two exchanges.")
    batch_size: int | None = Field(None, ge=2, le=65_536, description="Rows of a step; those of `refine` unless given.")
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Its largest value; that of `refine` unless given. With `dp` large steps of many rows do.",
    )
    clients: Share = Field(1.0, description="Share of the entities that are drawn for each round, one at least.")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Chance that the weights of one that was drawn do not arrive in that round."
    )
    proximal: float = Field(
        0.0, ge=0, le=1e6, description="Mu of FedProx: holds weights near those that the round began with."
    )
    momentum: float = Field(0.0, ge=0, lt=1, description="Of the averages, from round to round (FedAvgM).")
    schedule_over: Literal["round", "rounds"] = Field(
        "round", description="Course of the learning rate: anew in each round, or once over all of them."
    )
    dp: Dp | None = Field(
        None,
        description="Each trains by DP-SGD, to (epsilon, delta) over all rounds, with BatchNorm as released; else "
        "nothing is guaranteed.",
    )
    clip: float = Field(1.0, gt=0, le=1e6, description="With `dp`: largest length of the gradient of one image.")

    @property
    def extras(self) -> dict[str, Any]:
        """What of it differs from plain averaging, and so from what was played before there was such."""
        usual = {name: Federation.model_fields[name].default for name in _EXTRAS}
        stated = {
            name: value for name, value in self.model_dump(mode="json").items() if usual.get(name, value) != value
        }
        knows_rounds = self.dp is not None or self.schedule_over == "rounds"
        return stated | ({"rounds": self.rounds} if knows_rounds else {})

    @model_validator(mode="after")
    def _extras_go_together(self) -> Self:
        if self.dp is None and self.clip != 1.0:
            raise ValueError("`clip` has no effect without `dp`")
        if self.dp is not None and self.proximal:
            raise ValueError("`proximal` does not go with `dp`, whose steps know clipped gradients alone")
        return self


_EXTRAS = ("batch_size", "learning_rate", "clients", "dropout", "proximal", "momentum", "schedule_over", "dp", "clip")
