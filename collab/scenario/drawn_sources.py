"""Images that are drawn: no download, any number, and what they show is known."""

from typing import ClassVar, Literal

from pydantic import Field

from collab.scenario.source_parts import Data, list_parts


class Creatures(Data):
    """Drawn animal-like faces; no download, any number."""

    opens: ClassVar = {"creatures": "collab.data.creatures:Creatures"}
    tells = ("attributes", "pose", "identities")
    is_drawn = True
    source: Literal["creatures"] = Field(description="Drawn images.")
    classes: int = Field(20, ge=4, le=1000, description="Species.")
    train: int = Field(12_000, ge=8, description="Training images of all species; drawing them takes time.")
    test: int = Field(2_000, ge=4, description="Test images of all species.")
    images_of_each: int = Field(8, ge=1, le=10_000, description="Images of one individual, at most.")


DRAWN_SOURCES = list_parts(__name__)
