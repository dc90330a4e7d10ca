"""An attack that trusts the released reconstructor in part."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from collab.api import Attack, AttackOptions, Compute, Knowledge, Need, Progress, Stream, outputs_of


@dataclass(frozen=True)
class AKind(Attack):
    """Mixes what the released reconstructor shows with the mean of public images."""

    class Options(AttackOptions):
        """What may stand beside `kind: a_kind`."""

        trust: float = Field(0.8, ge=0, le=1, description="Share of the reconstruction in the answer.")

    kind: ClassVar[str] = "a_kind"
    needs: ClassVar[frozenset[Need]] = frozenset({"reconstructor", "public_data"})

    trust: float

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        """An image [3, side, side] in [0, 1] for each row of `known.features`; `known` holds what `needs` names."""
        rebuilt = outputs_of(known.reconstructor, known.features, compute)
        mean = known.public_data.take(np.arange(min(len(known.public_data), 256)), rebuilt.device).mean(0)
        return self.trust * rebuilt + (1 - self.trust) * mean
