"""An entity whose images were taken at dusk: a plugin as a file beside the scenarios that use it."""

from typing import ClassVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions
from collab.training.feeds import ImageSet


class Dusk(Entity):
    """Plays the paper's entity with darkened images, so that its features are distributed unlike its peers'."""

    class Options(EntityOptions):
        """How dark it is."""

        light: float = Field(0.4, gt=0, le=1, description="Share of the light that is left; 1 is day.")

    kind: ClassVar[str] = "dusk"
    options: Options

    @override
    def prepare(self, images: ImageSet) -> ImageSet:
        return ImageSet((images.images * np.float32(self.options.light)).round().astype(np.uint8), images.labels)
