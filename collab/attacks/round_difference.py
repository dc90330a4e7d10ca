"""Whether an image is among those that a network has learned of between two rounds (ATTACKS A8)."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks import options
from collab.attacks.answer_membership import learn_student, losses_of
from collab.attacks.base import Attack, Compute, Heard, Knowledge, Progress, Stream
from collab.training.loop import Recipe
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class RoundDifference(Attack):
    r"""Asks how much less a network loses on each candidate after a round than what all began that round with.

    $\sum_r \ell(A_{r-1}(x), y) - \ell(C_r(x), y)$, $A_{r-1}$ being the average of the round before, or C: what others
    have taught is in both, so that the victim's own images are left. Of answers, students of them stand for both.
    Passive, as in Nasr, Shokri and Houmansadr (S&P 2019): it sees each round and changes none.
    """

    Options = options.RoundDifference
    needs = frozenset({"featurizer", "decider", "candidates", "candidate_labels", "moves"})

    recipe: Recipe

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        candidates = outputs_of(known.featurizer, known.candidates, compute)

        def lose(heard: Heard, name: str) -> Tensor:
            decider = known.decider if heard is None else heard
            if not isinstance(decider, nn.Module):
                own = replace(stream, stage=f"{stream.stage} {name}")
                decider = learn_student(known, decider, self.recipe, own, compute, progress)
            return losses_of(outputs_of(decider, candidates, compute), known.candidate_labels)

        gains = [
            lose(before, f"before {number}") - lose(after, f"after {number}")
            for number, (before, after) in enumerate(known.moves)
        ]
        return torch.stack([torch.zeros(len(candidates)), *gains]).sum(0)  # of who was never drawn nothing is told
