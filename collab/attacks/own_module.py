"""A collaborator's first idea (ATTACKS A2 with no shadow): invert the own DPM, and hope that others are like it."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from collab.attacks.base import Attack, Knowledge, Need
from collab.scenario.base import AttackOptions, Schedule
from collab.seeding import Stream
from collab.training.feeds import even_batches, steps_in
from collab.training.loop import Recipe, minimize
from collab.training.losses import inversion_loss
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class OwnModule(Attack):
    """Trains R further to invert the own module on own and public images, then applies it to the victim's rows."""

    class Options(AttackOptions, Schedule):
        """How it trains R."""

        epochs: int = Field(3, ge=1, le=10_000, description="Passes over own and public images.")
        batch_size: int = Field(32, ge=2, le=65_536, description="Rows of a step; memory grows with them.")
        optimizer: Literal["sgd", "adam", "adamw"] = Field("adamw", description="sgd has Nesterov momentum 0.9.")
        learning_rate: float = Field(2e-3, gt=0, description="Its largest value.")
        schedule: Literal["cosine", "one_cycle", "constant"] = Field("one_cycle", description="Its course.")

    kind: ClassVar[str] = "own_module"
    needs: ClassVar[frozenset[Need]] = frozenset(
        {"featurizer", "reconstructor", "public_data", "own_module", "own_data"}
    )

    recipe: Recipe

    @override
    @classmethod
    def from_options(cls, options: Options) -> Self:
        return cls(Recipe.of(options))

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        sets, recipe = (known.own_data, known.public_data), self.recipe
        featurizer, own_module = known.featurizer, known.own_module
        learner = copy.deepcopy(known.reconstructor).requires_grad_(True).train()
        count = sum(map(len, sets))

        def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
            for index in even_batches(count, recipe.batch_size, generator):
                is_own = index < len(sets[0])
                own, public = index[is_own].numpy(), (index[~is_own] - len(sets[0])).numpy()
                images = torch.cat([sets[0].take(own, compute.device), sets[1].take(public, compute.device)])
                with torch.no_grad(), compute.autocast():
                    features = featurizer(images)
                yield own_module(features), images

        minimize(
            lambda batch: inversion_loss(learner(batch[0]), batch[1]),
            learner,
            batches,
            recipe,
            steps=steps_in(count, recipe.batch_size),
            stream=stream,
            compute=compute,
            progress=progress,
        )
        return outputs_of(learner, torch.split(known.features, 256), compute)
