"""The secondary attack (DPF Fig. 5; ATTACKS A1): the module is known, and a fresh reconstructor is trained on it."""

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from collab.attacks.base import Knowledge, Need
from collab.attacks.inversion import ByReconstructor, FreshReconstructor
from collab.scenario.base import AttackOptions


class LeakedModule(FreshReconstructor):
    """Inverts the victim's own module on public images: an upper bound on what rests on its secrecy alone."""

    kind: ClassVar[str] = "leaked_module"
    Options: ClassVar[type[AttackOptions]] = ByReconstructor
    needs: ClassVar[frozenset[Need]] = frozenset({"public_data", "victim_encoder"})

    @override
    def encoder(self, known: Knowledge) -> Callable[[Tensor], Tensor]:
        return known.victim_encoder
