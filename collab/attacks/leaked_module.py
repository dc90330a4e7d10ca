"""The secondary attack (DPF Fig. 5; ATTACKS A1): the module is known, and a reconstructor learns to invert it."""

import copy
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Compute, Knowledge, Map, Need, Progress, Stream
from collab.attacks.inversion import FreshReconstructor, invert
from collab.attacks.leaked_pairs import Repaired, best_ridge
from collab.training.losses import likeness_loss
from collab.training.recipes import outputs_of

PAIRS = 256
"""Public images that the linear map is fitted on."""


@dataclass(frozen=True)
class LeakedModule(FreshReconstructor):
    """Inverts the victim's own module on public images: an upper bound on what rests on its secrecy alone."""

    Options = options.LeakedModule
    needs = frozenset({"public_data", "victim_encoder"})

    start: options.Start = "fresh"

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return super().asks_for | (frozenset() if self.start == "fresh" else {"featurizer", "reconstructor"})

    @override
    def encoder(self, known: Knowledge) -> Map:
        return known.victim_encoder

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        if self.start == "fresh":
            return super().rebuild(known, stream, compute, progress)
        return outputs_of(self.fit_released(known, stream, compute, progress), known.features, compute)

    def fit_released(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Repaired:
        """R behind a linear map that undoes the encoder, both trained further on public images."""
        public = known.public_data
        rows = np.linspace(0, len(public) - 1, min(PAIRS, len(public))).astype(int)
        images = public.take(rows, compute.device).cpu()
        parts = torch.split(images, 64)
        with torch.no_grad():
            published = torch.cat([known.victim_encoder(part.to(compute.device)).float().cpu() for part in parts])
        plain = outputs_of(known.featurizer, parts, compute)
        ridge = best_ridge(published, plain, images, (1, 3), partial(outputs_of, known.reconstructor, compute=compute))
        with stream.initialization():
            learner = Repaired(ridge, copy.deepcopy(known.reconstructor), published.shape[1])
        invert(
            learner, known.victim_encoder, (public,), self.recipe,
            stream=stream, compute=compute, progress=progress, loss=self.loss(likeness_loss, known, compute),
        )  # fmt: skip
        return learner
