"""Adversarial representations (Xiao et al., AAAI 2020): an encoder trained against a decoder (SCIENCE 1.5)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.defenses.base import EncodingDefense, PrivateView
from collab.defenses.options import Adversarial as AdversarialOptions
from collab.errors import EntityError
from collab.models.backbones import Encoder
from collab.models.decoders import build_decoder, build_discriminator
from collab.models.freeze import freeze
from collab.models.recognizer import Recognizer
from collab.training.adversarial import Game, train_encoder
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.recipes import train_classifier


@dataclass(frozen=True)
class Adversarial(EncodingDefense):
    """Publishes Enc(x), Enc and its head begun as F and C and trained by (9) against a decoder that answers back.

    The adversary's images are the public ones. With both weights 0 this is training by utility alone, the papers'
    baseline. g is our own classifier of the public split, since no pre-trained VGG is at hand.
    """

    Options = AdversarialOptions

    options: AdversarialOptions

    @override
    @classmethod
    def from_options(cls, options: AdversarialOptions) -> Self:
        return cls(options)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        assert isinstance(module, Encoder)
        if self.options.begins == "scratch":
            with view.stream.initialization("scratch"):
                for layer in module.modules():
                    if isinstance(layer, nn.Conv2d | nn.Linear | nn.modules.batchnorm._BatchNorm):
                        layer.reset_parameters()
        options, side = self.options, view.images.images.shape[-1]
        channels, height, width = view.features.shape
        public = view.public.first(options.adversary_share)
        perceive = None
        if options.perceptual_weight or options.decoder_perceptual_weight:
            perceive = self._train_perceiver(view).activations
        game = Game(
            encoder=module.featurizer,
            head=module.decider,
            decoder=build_decoder((channels, height, width), side),
            discriminator=build_discriminator(side) if options.gan_weight else None,
            perceive=perceive,
            pixel_weight=options.pixel_weight,
            perceptual_weight=options.perceptual_weight,
            decoder_perceptual_weight=options.decoder_perceptual_weight,
            gan_weight=options.gan_weight,
        )
        return train_encoder(
            game, view.images, torch.from_numpy(view.images.labels), public, Recipe.of(options),
            head_start=options.head_start, task_loss=self._task_loss(view), stream=view.stream, compute=view.compute,
            progress=view.progress,
        )  # fmt: skip

    def _task_loss(self, view: PrivateView) -> Callable[[Tensor, Tensor], Tensor]:
        """The loss of the task, on the chosen attributes alone where some are."""
        chosen, task = self.options.attributes, view.task
        if not chosen:
            return task.loss
        if unknown := sorted(set(chosen) - set(task.names)) or task.kind != "attributes":
            raise EntityError(
                f"adversarial: {unknown or task.kind} is no attribute of the task; {', '.join(task.names)}."
            )
        columns = [task.names.index(name) for name in chosen]
        return lambda outputs, targets: task.loss(outputs[:, columns], targets[:, columns])

    def _train_perceiver(self, view: PrivateView) -> Recognizer:
        """g, trained on the classes of the public images."""
        shown = ImageSet(view.public.images, view.public.classes)
        stream = replace(view.stream, stage=f"{view.stream.stage} perceptual")
        with stream.initialization():
            network = Recognizer(int(shown.labels.max()) + 1, shown.images.shape[-1])
        recipe = Recipe(self.options.perceptual_epochs, 64, "adamw", 2e-3, schedule="one_cycle")
        train_classifier(network, shown, recipe, stream=stream, compute=view.compute, progress=view.progress)
        return freeze(network)
