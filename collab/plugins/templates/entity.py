"""An entity that rounds what it publishes."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from collab.api import Entity, EntityOptions


class AKind(Entity):
    """Plays the paper's entity and rounds its poisoned features before it publishes them."""

    class Options(EntityOptions):
        """What may stand under `options` of an entity of this kind."""

        decimals: int = Field(2, ge=0, le=6, description="Decimals that published features keep; fewer say less.")

    kind: ClassVar[str] = "a_kind"
    options: Options

    @override
    def defend(self, module: nn.Module, features: Tensor) -> Tensor:
        """What is published of `features` [batch, channels, height, width], called batch by batch.

        `module` is the fitted defense. The same is called on held-out features, which tell what protection costs and
        hides. Other methods to override: `pretrain`, `reconstruct`, `featurize`, `poison`, `publish`, `refine`.
        """
        return super().defend(module, features).round(decimals=self.options.decimals)
