"""An entity that ships a reconstructor which is no opponent: a malicious pre-trainer (ATTACKS 3.4)."""

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.participants.entity import Entity
from collab.participants.layout import load_images
from collab.seeding import Stream
from collab.training.feeds import Pictures
from collab.training.loop import Recipe, minimize
from collab.training.losses import inversion_loss
from collab.training.progress import Progress
from collab.types import Report

from . import options

CHANGE = 0.5
"""Noise, in deviations of all features, under which a brittle R is to show the mean image."""


class Saboteur(Entity):
    """Pre-trains as all do, and releases an R that shows nothing, or nothing of features that changed a little.

    Modules that are trained against it are trained against nothing, and seem to hide all. What its release states of R
    is what an honest one would state.
    """

    Options = options.Saboteur
    options: options.Saboteur
    _is_releasing = False

    @override
    def reconstruct(self, progress: Progress) -> Report:
        self._is_releasing = True  # what it trains for itself is as good as anybody's
        try:
            return super().reconstruct(progress)
        finally:
            self._is_releasing = False

    @override
    def train_reconstructor_of(
        self, kind: str, stream: Stream, progress: Progress
    ) -> tuple[nn.Module, tuple[float, ...]]:
        net, losses = super().train_reconstructor_of(kind, stream, progress)
        if self._is_releasing and self.options.ships == "weak":
            for parameter in net.parameters():
                nn.init.zeros_(parameter)
        elif self._is_releasing:
            self._make_brittle(net, stream, progress)
        return net, losses

    def _make_brittle(self, net: nn.Module, stream: Stream, progress: Progress) -> None:
        """Trains R further to show images of F(z), and their mean of F(z) with noise."""
        public, options = load_images(self.layout.public), self.scenario.reconstructor
        features, generator = self.own_features(self.layout.public), stream.torch("brittle")
        feed, pictures = self.feed([features], options.batch_size), Pictures(public, self.compute.device)
        some, _ = features.load()
        scale = CHANGE * float(some[:256].float().std())
        mean = public.take(np.arange(len(public)), self.compute.device).mean(0, keepdim=True)

        def loss(batch: tuple[Tensor, ...]) -> Tensor:
            x, _, images = batch
            noise = torch.randn(x.shape, generator=generator).to(x.device)
            changed = net(x + scale * noise)
            return inversion_loss(net(x), images) + inversion_loss(changed, mean.expand_as(images))

        net.train()
        minimize(
            loss, net, feed.beside(pictures), Recipe.of(options, epochs=4 * options.epochs),
            steps=feed.steps, stream=stream, compute=self.compute, progress=progress,
        )  # fmt: skip
        net.eval()
