"""VisualMixer (Li et al., NDSS 2024): images whose pixels are shuffled, which a network can still be trained on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor, nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.attention import PixelAttention, attending_classifier
from collab.defenses.base import ImageDefense, PrivateView
from collab.defenses.mixing import Mixer
from collab.metrics.vfe import Border, visual_feature_entropy
from collab.models.freeze import freeze
from collab.training.feeds import even_batches
from collab.training.loop import Recipe
from collab.training.recipes import train_classifier

BATCH, RATE = 32, 2e-3
"""Batch size and learning rate of the attention's training: no source states either, these suit so small a network."""


@dataclass(frozen=True)
class VisualMixer(ImageDefense):
    r"""Publishes $M(x)$: pixels shuffled in regions, each color channel by itself, until VFE reaches $V^*$.

    $V^*$ = `gain` times the mean VFE of the own images. Source: SCIENCE 1.7, from the abstract and a description of the
    authors' procedure: which regions are shuffled finely first follows from their variance, or from a small attention
    that is trained with a classifier on the own images.
    The procedure is public and no key is needed to use what it leaves; the key that the draws come from stays private.
    """

    keeps_values = True
    Options = options.VisualMixer

    gain: float
    regions: int | None
    border: Border
    score: Literal["variance", "attention"] = "variance"
    epochs: int = 5

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        attention = PixelAttention() if self.score == "attention" else None
        return Mixer(self.regions, partial(visual_feature_entropy, border=self.border), attention)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Measures VFE over the own images, trains the attention, and takes the key from the private stream."""
        assert isinstance(module, Mixer)
        module.grid_of(view.images.images.shape[-1])
        target = self.gain * mean_entropy(view, lambda images: images, self.border)
        view.compute.place(module).fit(target, view.stream.integer("mixing"))
        if module.attention is None:
            return ()
        with view.stream.initialization("classifier"):
            network = attending_classifier(module.attention, view.task.outputs)
        recipe = Recipe(self.epochs, BATCH, "adamw", RATE, schedule="one_cycle")
        losses = train_classifier(
            network,
            view.images,
            recipe,
            stream=view.stream,
            compute=view.compute,
            progress=view.progress,
            task=view.task,
        )
        freeze(module.attention)
        return losses

    @override
    def shown(self, module: nn.Module, images: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Tells which images all shuffling could not make as hard to discern as was wanted."""
        assert isinstance(module, Mixer)
        mixed = module.mix(images)
        return mixed.images, {"is_saturated": mixed.is_saturated.double()}


def mean_entropy(
    view: PrivateView, changed: Callable[[Tensor], Tensor], border: Border, most: int | None = None
) -> float:
    """Mean VFE of the own images, or of the first `most`, after `changed`; in fp64."""
    rows = min(len(view.images), most or len(view.images))
    total = 0.0
    for index in even_batches(rows, 256, None):
        images = changed(view.images.take(index.numpy(), view.compute.device))
        total += float(visual_feature_entropy(images, border=border).double().sum())
    return total / rows
