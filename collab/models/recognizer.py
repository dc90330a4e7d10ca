"""A plain classifier of no ResNet's form: an independent eye on what a reconstruction shows (SCIENCE 5.3)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from collab.models.layers import Normalize, convolution, initialize

SMALLEST_MAP = 4
"""Positions of a side after the last stage."""


class Recognizer(nn.Module):
    """Stages of two 3×3 convolutions and a max-pool, until 4 positions are left; then the mean and a linear layer.

    Stage s has width·2^s channels, 8·width at most. `images` are in [0, 1], [batch, 3, side, side].
    """

    def __init__(self, classes: int, side: int, *, width: int = 16) -> None:
        super().__init__()
        self.normalize = Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
        self.stages = nn.ModuleList()
        inputs, outputs = 3, width
        while side > SMALLEST_MAP:
            layers = (*convolution(inputs, outputs, 3), nn.ReLU(), *convolution(outputs, outputs, 3), nn.ReLU())
            self.stages.append(nn.Sequential(*layers, nn.MaxPool2d(2, ceil_mode=True)))
            side, inputs, outputs = (side + 1) // 2, outputs, min(2 * outputs, 8 * width)
        self.head = nn.Linear(inputs, classes)
        initialize(self)

    def activations(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """What each stage answers, first to last: the layers of `pdist`."""
        x, answers = self.normalize(images), []
        for stage in self.stages:
            x = stage(x)
            answers.append(x)
        return answers

    def embedding(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dimensions"]:
        """The mean over positions of the last stage, which the classes are read from."""
        return self.activations(images)[-1].mean((2, 3))

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        return self.head(self.embedding(images))


class Individuals(Recognizer):
    """An embedding of individuals, as seen from the mean of those it knows: unrelated ones are at right angles.

    `center` [dimensions] is 0 until it has learned; without it all embeddings, which are never negative, look alike.
    """

    center: Tensor

    def __init__(self, classes: int, side: int) -> None:
        super().__init__(classes, side)
        self.register_buffer("center", torch.zeros(self.head.in_features))

    @override
    def embedding(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dimensions"]:
        return super().embedding(images) - self.center
