"""A defense that limits features."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field
from torch import nn
from typing_extensions import override

from collab.api import Defense, DefenseOptions, PrivateView


@dataclass(frozen=True)
class AKind(Defense):
    """Publishes features cut off at a limit."""

    class Options(DefenseOptions):
        """What may stand beside `kind: a_kind`."""

        limit: float = Field(1.0, gt=0, description="Largest magnitude of a published feature; less says less.")

    kind: ClassVar[str] = "a_kind"
    is_private: ClassVar[bool] = False
    keeps_values: ClassVar[bool] = True  # what is below the limit is published as it is: the audit is not to wonder

    limit: float

    @property
    @override
    def batch_size(self) -> int:
        return 256

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return nn.Hardtanh(-self.limit, self.limit)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Nothing is learned; what is must be trained here, on `view` alone, and left frozen."""
        return ()
