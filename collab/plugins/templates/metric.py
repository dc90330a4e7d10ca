"""A metric of rebuilt images."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from collab.api import Metric, MetricOptions

if TYPE_CHECKING:
    from torch import Tensor


class AKind(Metric):
    """Share of pixels whose value comes near that of the true image."""

    class Options(MetricOptions):
        """What may stand beside `kind: a_kind`."""

        within: float = Field(0.1, gt=0, le=1, description="How near a value is to come, of a range of 1.")

    kind: ClassVar[str] = "a_kind"
    title: ClassVar[str] = "near pixels"
    unit: ClassVar[str] = "share"
    better: ClassVar[Literal["up", "down", ""]] = "down"  # fewer of them disclose less
    scale: ClassVar[float] = 100.0
    digits: ClassVar[int] = 1
    is_share: ClassVar[bool] = True

    options: Options

    @override
    def of_images(self, rebuilt: "Tensor", images: "Tensor") -> "Tensor":
        """A value for each image [batch]; both are [batch, 3, side, side] in [0, 1]."""
        is_near = (rebuilt - images).abs() <= self.options.within
        return is_near.float().mean((1, 2, 3))
