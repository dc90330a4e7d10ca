"""A reconstructor that no DPM has seen (DP Fig. 5; ATTACKS A0): of the same family, trained on unpoisoned features."""

from collections.abc import Callable
from typing import ClassVar

from pydantic import Field
from torch import Tensor
from typing_extensions import override

from collab.architectures import RECONSTRUCTOR
from collab.attacks.base import Knowledge, Need
from collab.attacks.inversion import ByReconstructor, FreshReconstructor


class UnseenReconstructor(FreshReconstructor):
    """Inverts F on public images with a network of its own; that it fails is necessary for a defense, and no more."""

    class Options(ByReconstructor):
        """Which reconstructor, and how it is trained; results are called after it."""

        reconstructor: str = Field("rx2s2", pattern=RECONSTRUCTOR, description="Kind of the reconstructor.")

        @property
        @override
        def setting(self) -> str:
            return self.reconstructor

    kind: ClassVar[str] = "unseen_reconstructor"
    needs: ClassVar[frozenset[Need]] = frozenset({"featurizer", "public_data"})

    @override
    def encoder(self, known: Knowledge) -> Callable[[Tensor], Tensor]:
        return known.featurizer
