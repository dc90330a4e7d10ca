"""k leaked pairs (ATTACKS A3): who has some of a victim's images and their rows maps all other rows back."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Map, Need, Progress, Stream
from collab.attacks.inversion import train_inverse
from collab.attacks.linear import PENALTIES, Grams, Ridge, deal_folds
from collab.metrics.visual import ssim
from collab.models.layers import Residual, convolution
from collab.training.feeds import even_batches
from collab.training.loop import Recipe
from collab.training.losses import likeness_loss
from collab.training.recipes import outputs_of


class Repaired(nn.Module):
    """R after a linear map of f* to f and two residual blocks that mend it; at first it is R after the map alone."""

    def __init__(self, ridge: Ridge, reconstructor: nn.Module, channels: int) -> None:
        super().__init__()
        middle = max(channels // 2, 16)
        self.ridge = nn.Conv2d(channels, channels, ridge.side, padding=ridge.side // 2)
        kernel = ridge.weights[:-1].T.reshape(channels, channels, ridge.side, ridge.side)
        self.ridge.weight.data.copy_(kernel)
        self.ridge.bias.data.copy_(ridge.weights[-1])  # type: ignore[union-attr]
        last = nn.Conv2d(middle, channels, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        blocks = [Residual(nn.Sequential(*convolution(middle, middle, 3))) for _ in range(2)]
        self.mend = nn.Sequential(nn.Conv2d(channels, middle, 1), *blocks, last)
        self.reconstructor = reconstructor

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor], reconstructor: nn.Module) -> "Repaired":
        """The trained one whose weights these are; `reconstructor`, of R's kind, becomes part of it."""
        _, channels, side, _ = state["ridge.weight"].shape
        repaired = cls(Ridge(torch.zeros(side * side * channels + 1, channels), side), reconstructor, channels)
        repaired.load_state_dict(state)
        return repaired

    @override
    def forward(self, features: Tensor) -> Tensor:
        mapped: Tensor = self.ridge(features) + self.mend(features)
        return self.reconstructor(mapped)


@dataclass(frozen=True)
class LeakedPairs(Attack):
    """Maps published features back to F's by what the pairs show, then applies R.

    By ridge regression over 1×1 or 3×3 places, and by residual blocks that mend the better of them; penalty, size and
    whether the blocks help are chosen by images left out of the pairs. With no pairs it applies R as it is.
    """

    Options = options.LeakedPairs
    needs = frozenset({"featurizer", "reconstructor", "pairs"})

    pairs: int
    sides: tuple[int, ...]
    epochs: int

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs if self.pairs else frozenset({"reconstructor"})

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        rebuild = partial(outputs_of, known.reconstructor, compute=compute)
        if not self.pairs:
            return rebuild(known.features)
        published, images = known.pairs.features, known.pairs.images
        plain = outputs_of(known.featurizer, images, compute)
        ridge = best_ridge(published, plain, images, self.sides, rebuild)
        recipe = Recipe(self.epochs, 16, "adamw", 1e-3, weight_decay=0.05, schedule="one_cycle")

        def mend(ridge: Ridge, features: Tensor, images: Tensor) -> nn.Module:
            """Ridge, blocks and R, trained on some of the pairs."""
            with stream.initialization():
                learner = Repaired(ridge, copy.deepcopy(known.reconstructor), features.shape[1])

            def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
                for index in even_batches(len(images), recipe.batch_size, generator):
                    yield features[index].to(compute.device), images[index].to(compute.device)

            return train_inverse(
                learner, batches, len(images), recipe, likeness_loss,
                stream=stream, compute=compute, progress=progress,
            )  # fmt: skip

        if self.epochs and self.pairs >= 16:
            # Taken only if a quarter of the pairs, which is left out at first, shows more by them than by R alone.
            held = torch.arange(len(images)) % 4 == 0
            partly = best_ridge(published[~held], plain[~held], images[~held], (ridge.side,), rebuild)
            before = rebuild(partly(published[held]))
            after = outputs_of(mend(partly, published[~held], images[~held]), published[held], compute)
            if ssim(after, images[held]).mean() > ssim(before, images[held]).mean():
                return outputs_of(mend(ridge, published, images), known.features, compute)
        return rebuild(ridge(known.features))


def best_ridge(published: Tensor, plain: Tensor, images: Tensor, sides: tuple[int, ...], rebuild: Map) -> Ridge:
    """The ridge map from `published` to `plain` of the size and penalty under which images left out are most alike.

    Each of at most 8 parts of the pairs is left out in turn; `rebuild` is what R makes of features.
    """
    parts = deal_folds(len(published))
    tried: list[tuple[float, int, float]] = []
    whole: dict[int, Grams] = {}
    for side in sides:
        grams = [Grams.of(published[part], plain[part], side) for part in parts]
        whole[side] = reduce(add, grams)
        if len(parts) == 1:  # one pair: nothing can be left out
            tried.append((0.0, side, PENALTIES[-1]))
            continue
        for penalty in PENALTIES:
            likeness = []
            for number, part in enumerate(parts):
                ridge = reduce(add, grams[:number] + grams[number + 1 :]).solve(penalty, side)
                likeness.append(ssim(rebuild(ridge(published[part])), images[part]))
            tried.append((float(torch.cat(likeness).mean()), side, penalty))
    _, side, penalty = max(tried, key=lambda choice: choice[0])
    return whole[side].solve(penalty, side)
