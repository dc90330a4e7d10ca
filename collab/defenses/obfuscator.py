"""DeepObfuscator (Li et al. 2019): an encoder that hides private attributes and the look of an image (SCIENCE 1.6)."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import EncodingDefense, PrivateView
from collab.defenses.obfuscation import Obfuscation, train_obfuscator
from collab.models.backbones import Encoder
from collab.models.decoders import build_obfuscator_reconstructor
from collab.training.loop import Recipe


@dataclass(frozen=True)
class Obfuscator(EncodingDefense):
    """Publishes E(x), E begun as F and trained against a reconstructor R and, given private attributes, their reader A.

    E is public with its decider C, as whoever is to use its features must encode alike: what rests on secrecy, a DPM
    has, this has not. R has the form of the paper where features have half of the side at each of two enlargings.
    """

    Options = options.Obfuscator

    initial: Recipe
    recipe: Recipe

    @override
    @classmethod
    def from_options(cls, options: options.Obfuscator) -> Self:
        recipe = Recipe.of(options)
        initial = Recipe(options.initial_epochs, options.batch_size, options.optimizer, options.initial_learning_rate)
        return cls(initial, recipe)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        assert isinstance(module, Encoder)
        channels, height, width = view.features.shape
        rows, columns = view.images.images.shape[2:]
        networks = Obfuscation(
            obfuscator=module.featurizer,
            task=module.decider,
            reconstructor=build_obfuscator_reconstructor((channels, height, width), (rows, columns)),
            privacy=None if view.private is None else view.like_decider(view.private.shape[1]),
        )
        return train_obfuscator(
            networks, view.images, torch.from_numpy(view.images.labels), view.private, self.initial, self.recipe,
            task_loss=view.task.loss, stream=view.stream, compute=view.compute, progress=view.progress,
        )  # fmt: skip
