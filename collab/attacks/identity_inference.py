"""Which rows are of one individual (ATTACKS A7): by an embedding of people that the adversary has never seen."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Compute, Knowledge, Need, Progress, Stream
from collab.attacks.readers import Asked, ReadingAttack, nearest_hits
from collab.training.losses import classification_loss


@dataclass(frozen=True)
class IdentityInference(ReadingAttack):
    """Learns to tell individuals on public images apart, and embeds a victim's rows so that those of one lie near.

    Nobody on public images is among the victim's, so no row gets a name: what it finds is which rows belong together.
    With `of: classes` it does the same for classes, of a victim whose rows do not tell them.
    """

    Options = options.IdentityInference

    of: Literal["identities", "classes"] = "identities"

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return super().asks_for | frozenset({"public_identities"} if self.of == "identities" else ())

    @override
    def ask(self, known: Knowledge, compute: Compute) -> Asked:
        whose = np.asarray(known.public_data.classes if self.of == "classes" else known.public_identities)
        names, numbers = np.unique(whose, return_inverse=True)
        targets = torch.from_numpy(numbers.astype(np.int64))
        return Asked(targets, len(names), classification_loss, nearest_hits, whose, reads_embedding=True)

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        return self.read(known, compute, self.ask(known, compute))
