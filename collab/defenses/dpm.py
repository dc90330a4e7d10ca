"""The Deep Poisoning Module as a defense (DP 3.3): learned by each entity, never released."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from torch import nn
from typing_extensions import override

from collab.defenses.base import Defense, PrivateView
from collab.defenses.dpm_network import Rotating, build_dpm
from collab.defenses.options import Dpm
from collab.training.loop import Recipe
from collab.training.recipes import Poisoning, train_dpm

MORE_BLOCKS = (0, 1, -1, 0, 2, -2)
"""Blocks more or fewer than stated, in turn, in shadows: a victim may be larger or smaller than its options say."""


@dataclass(frozen=True)
class DpmDefense(Defense):
    """Publishes P(F(x)); P stays with its entity, which denies others the pairs to invert it."""

    kind = "dpm"
    Options = Dpm
    is_private = True

    blocks: int
    width: int | None
    norm: Literal["batch", "none"]
    aim: Poisoning
    recipe: Recipe
    against: tuple[str, ...] = ()
    rotate: int = 1

    @property
    @override
    def batch_size(self) -> int:
        return self.recipe.batch_size

    @override
    @classmethod
    def from_options(cls, options: Dpm) -> Self:
        target = options.target if options.hides_people else None
        aim = Poisoning(options.equivalence, options.ssim_loss, options.ssim_weight, target, options.adapt)
        recipe = Recipe.of(options)
        return cls(options.blocks, options.width, options.norm, aim, recipe, options.against, options.rotate)

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        modules = [
            build_dpm(channels, blocks=self.blocks, width=self.width, norm=self.norm, rectify=rectified)
            for _ in range(self.rotate)
        ]
        return Rotating(modules) if self.rotate > 1 else modules[0]

    @override
    def vary(self, number: int, epochs: int | None) -> Defense:
        """Differs in blocks from shadow to shadow."""
        blocks = max(1, self.blocks + MORE_BLOCKS[number % len(MORE_BLOCKS)])
        return replace(self, blocks=blocks, recipe=replace(self.recipe, epochs=epochs or self.recipe.epochs))

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        if isinstance(module, Rotating):
            module.key.fill_(view.stream.integer("rotate"))
        return train_dpm(
            module,
            replace(view.features, through=None),
            view.images,
            view.decider,
            view.reconstructor,
            self.aim,
            self.recipe,
            stream=view.stream,
            compute=view.compute,
            progress=view.progress,
            others=[view.another(kind) for kind in self.against],
            before=view.features.through,
            after=view.after,
            task=view.task,
            identifier=None if self.aim.target is None else view.identifier(),
        )
