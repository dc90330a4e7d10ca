"""The secondary attack (DPF Fig. 5; ATTACKS A1): the module is known, and a fresh reconstructor is trained on it."""

from collections.abc import Callable
from typing import ClassVar

from pydantic import Field
from torch import Tensor
from typing_extensions import override

from collab.attacks.base import Knowledge, Need
from collab.attacks.inversion import ByReconstructor, FreshReconstructor
from collab.scenario.base import HandOut


class LeakedModule(FreshReconstructor):
    """Inverts the victim's own module on public images: an upper bound on what rests on its secrecy alone."""

    class Options(ByReconstructor):
        """Which reconstructor, how it is trained, and where the module is from."""

        is_stolen: bool = Field(False, description="The module is handed to the adversary, whoever keeps it private.")

        @property
        @override
        def hand_out(self) -> HandOut | None:
            return HandOut(module=True) if self.is_stolen else None

    kind: ClassVar[str] = "leaked_module"
    needs: ClassVar[frozenset[Need]] = frozenset({"public_data", "victim_encoder"})

    @override
    def encoder(self, known: Knowledge) -> Callable[[Tensor], Tensor]:
        return known.victim_encoder
