"""The Deep Poisoning Module as a defense (DP 3.3): learned by each entity, never released."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import torch
from torch import nn
from typing_extensions import override

from collab.defenses.base import Defense, PrivateView
from collab.defenses.dpm_network import Rotating, build_dpm
from collab.defenses.options import Dpm, UntilGap
from collab.errors import EntityError
from collab.models.freeze import freeze
from collab.training.loop import Recipe
from collab.training.poisoning import Poisoning, train_dpm

LEAST = 2
"""Rows that a module needs to learn: BatchNorm learns nothing from a batch of one."""

MORE_BLOCKS = (0, 1, -1, 0, 2, -2)
WIDER = (1.0, 0.5, 2.0, 1.0)
MORE_SSIM = (1.0, 0.3, 3.0)
"""Blocks more or fewer than stated, parts of the width and of lambda, in turn, in shadows.

A victim may differ from what its options say. The first shadow is as stated.
"""


@dataclass(frozen=True)
class DpmDefense(Defense):
    """Publishes P(F(x)); P stays with its entity, which denies others the pairs to invert it."""

    Options = Dpm
    is_private = True

    blocks: int
    width: int | None
    norm: Literal["batch", "none"]
    aim: Poisoning
    recipe: Recipe
    against: tuple[str, ...] = ()
    rotate: int = 1
    cross_fit: int = 1
    until: UntilGap | None = None
    wider: float = 1.0
    """By how much the middle of a block is wider than stated, in a shadow."""

    @property
    @override
    def batch_size(self) -> int:
        return self.recipe.batch_size

    @override
    @classmethod
    def from_options(cls, options: Dpm) -> Self:
        target = options.target if options.hides_people else None
        aim = Poisoning(options.equivalence, options.ssim_loss, options.ssim_weight, target, options.adapt)
        same = ("blocks", "width", "norm", "against", "rotate", "cross_fit", "until")
        return cls(aim=aim, recipe=Recipe.of(options), **{name: getattr(options, name) for name in same})

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        width = self.width
        if self.wider != 1.0:
            width = max(1, round(self.wider * (channels // 4 if width is None else width)))
        modules = [
            build_dpm(channels, blocks=self.blocks, width=width, norm=self.norm, rectify=rectified)
            for _ in range(self.rotate * self.cross_fit)
        ]
        return Rotating(modules) if len(modules) > 1 else modules[0]

    @override
    def vary(self, number: int, epochs: int | None) -> Defense:
        """Differs from shadow to shadow in blocks, width and lambda; every fifth has the other equivalence."""
        blocks = max(1, self.blocks + MORE_BLOCKS[number % len(MORE_BLOCKS)])
        aim = replace(self.aim, ssim_weight=self.aim.ssim_weight * MORE_SSIM[number % len(MORE_SSIM)])
        if number % 5 == 4:
            aim = replace(aim, equivalence="logits" if aim.equivalence == "labels" else "labels")
        return replace(
            self, blocks=blocks, wider=WIDER[number % len(WIDER)], aim=aim,
            recipe=replace(self.recipe, epochs=epochs or self.recipe.epochs),
        )  # fmt: skip

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Returns the losses of all trainings, one after the other; with `cross_fit` there is one of each module."""
        if isinstance(module, Rotating):
            module.key.fill_(view.stream.integer("rotate"))
        others = [view.another(kind) for kind in self.against]
        if self.cross_fit == 1:
            return self._train(module, view, others)
        assert isinstance(module, Rotating)
        rows = replace(view.features, through=None).batches(None)
        poisoned_by = torch.cat([module.eval().pick(features) for features, _, _ in rows])
        losses: tuple[float, ...] = ()
        for number, part in enumerate(module.each):
            unseen_by_it = np.flatnonzero(poisoned_by.numpy() != number)
            if len(unseen_by_it) < LEAST:
                raise EntityError(
                    f"cross_fit: {self.cross_fit} leaves {len(unseen_by_it)} of {len(poisoned_by)} own rows for module "
                    f"{number + 1} to learn from; {LEAST} are needed. Give the entity more images."
                )
            stream = replace(view.stream, stage=f"{view.stream.stage} fold {number}")
            losses += self._train(part, replace(view.at(unseen_by_it), stream=stream), others)
        freeze(module)
        return losses

    def _train(self, module: nn.Module, view: PrivateView, others: Sequence[nn.Module]) -> tuple[float, ...]:
        """Trains one module on the rows of `view`, less those that are held out to see when it has to end."""
        feed, images, held = replace(view.features, through=None), view.images, None
        if self.until is not None:
            order = view.stream.numpy("held").permutation(feed.rows)
            count = max(1, round(self.until.share * feed.rows))
            held, kept = feed.at(np.sort(order[:count])), np.sort(order[count:])
            feed, images = feed.at(kept), images.at(kept)
        return train_dpm(
            module,
            feed,
            images,
            view.decider,
            view.reconstructor,
            self.aim,
            self.recipe,
            stream=view.stream,
            compute=view.compute,
            progress=view.progress,
            others=others,
            before=view.features.through,
            after=view.after,
            task=view.task,
            identifier=None if self.aim.target is None else view.identifier(),
            featurizer=view.featurizer,
            held=held,
            most_gap=math.inf if self.until is None else self.until.gap,
        )
