"""The secondary attack (DPF Fig. 5; ATTACKS A1): the module is known, and a reconstructor learns to invert it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from collab.attacks.base import Knowledge, Need
from collab.attacks.inversion import ByReconstructor, FreshReconstructor, invert
from collab.attacks.leaked_pairs import Repaired, best_ridge
from collab.scenario.base import HandOut
from collab.seeding import Stream
from collab.training.losses import likeness_loss
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.recipes import outputs_of

Start = Literal["fresh", "released"]
"""As the papers have it; or R behind a linear map that undoes the module, which is further after one pass than that."""

PAIRS = 256
"""Public images that the linear map is fitted on."""


@dataclass(frozen=True)
class LeakedModule(FreshReconstructor):
    """Inverts the victim's own module on public images: an upper bound on what rests on its secrecy alone."""

    class Options(ByReconstructor):
        """Which reconstructor, how it is trained, and where the module is from."""

        is_stolen: bool = Field(False, description="The module is handed to the adversary, whoever keeps it private.")
        start: Start = Field(
            "fresh", description="A new `reconstructor`, or R behind a linear map fitted on public images."
        )

        @property
        @override
        def hand_out(self) -> HandOut | None:
            return HandOut(module=True) if self.is_stolen else None

    kind: ClassVar[str] = "leaked_module"
    needs: ClassVar[frozenset[Need]] = frozenset({"public_data", "victim_encoder"})

    start: Start = "fresh"

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs if self.start == "fresh" else self.needs | {"featurizer", "reconstructor"}

    @override
    def encoder(self, known: Knowledge) -> Callable[[Tensor], Tensor]:
        return known.victim_encoder

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        if self.start == "fresh":
            return super().rebuild(known, stream, compute, progress)
        public = known.public_data
        rows = np.linspace(0, len(public) - 1, min(PAIRS, len(public))).astype(int)
        images = public.take(rows, compute.device).cpu()
        parts = torch.split(images, 64)
        with torch.no_grad():
            published = torch.cat([known.victim_encoder(part.to(compute.device)).float().cpu() for part in parts])
        plain = outputs_of(known.featurizer, parts, compute)

        def shown(features: Tensor) -> Tensor:
            return outputs_of(known.reconstructor, torch.split(features, 256), compute)

        ridge = best_ridge(published, plain, images, (1, 3), shown)
        with stream.initialization():
            learner = Repaired(ridge, copy.deepcopy(known.reconstructor), published.shape[1])
        invert(
            learner, known.victim_encoder, (public,), self.recipe,
            stream=stream, compute=compute, progress=progress, loss=likeness_loss,
        )  # fmt: skip
        return outputs_of(learner, torch.split(known.features, 256), compute)
