"""Modules of the victim's recipe that an adversary trains itself, on images that it has (ATTACKS A2)."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from collab.attacks.base import Compute, Knowledge, Map, Progress, Stream
from collab.attacks.inversion import invert
from collab.defenses.base import PrivateView
from collab.errors import EntityError
from collab.models.freeze import freeze
from collab.models.reconstructors import build_reconstructor
from collab.training.feeds import FeatureFeed, ImageSet, InMemory
from collab.training.loop import Recipe
from collab.training.recipes import features_of, outputs_of
from collab.training.tasks import Classification, Task


def fit_shadow(
    known: Knowledge, number: int, images: ImageSet, epochs: int | None,
    *, another: Callable[[str], nn.Module], stream: Stream, compute: Compute, progress: Progress,
) -> nn.Module:  # fmt: skip
    """Module `number` of the victim's recipe, fitted on `images` of Q, with labels drawn from C's answers.

    A victim's module has to change what C answers wherever C is wrong. Q has other classes, so C cannot be wrong there;
    labels that are drawn differ from its answer as often as it expects to be wrong (`draw_labels`). `another` gives the
    further reconstructors that the recipe asks for.

    Frozen, in eval mode; the same arguments give the same module. Raises EntityError for a recipe whose module encodes
    images: it is released, so that nobody needs a shadow of it.
    """
    if known.victim_defense.form.is_released:
        raise EntityError(
            "shadow_modules: the victim's defense changes the featurizer itself and is released. Attack it with "
            "leaked_module."
        )
    stream = replace(stream, stage=f"{stream.stage} {number}")
    defense = known.victim_defense.vary(number, epochs)
    features = torch.cat([part.cpu() for part, _ in features_of(known.featurizer, images, compute)])
    answers = draw_labels(known.task, outputs_of(known.decider, features, compute), stream.torch("labels"))
    shape = (features.shape[1], features.shape[2], features.shape[3])
    feed = FeatureFeed([InMemory(features.half(), answers)], shape, defense.batch_size, compute.device, torch.float16)
    with stream.initialization():
        module = defense.build(shape[0], rectified=bool((features >= 0).all()))
    view = PrivateView(
        features=feed, images=images, public=known.public_data, task=known.task, decider=known.decider,
        reconstructor=known.reconstructor, featurizer=known.featurizer, stream=stream,
        compute=compute, progress=progress, another=another, identifier=_nobody,
        like_decider=lambda outputs: copy.deepcopy(known.decider),
    )  # fmt: skip
    defense.fit(module, view)
    return freeze(compute.place(module))


def draw_labels(task: Task, outputs: Tensor, generator: torch.Generator) -> Tensor:
    """Labels for `outputs` [rows, outputs] of C: of classes one drawn with the chances that C gives them.

    So label and answer differ in a share of mean 1 - max p of the rows, as many as C expects to be wrong about. Of
    another task it is what C answers.
    """
    if isinstance(task, Classification):
        return torch.multinomial(outputs.softmax(1), 1, generator=generator)[:, 0]
    return task.targets_of(outputs)


def further_reconstructors(
    known: Knowledge, recipe: Recipe, *, stream: Stream, compute: Compute, progress: Progress
) -> Callable[[str], nn.Module]:
    """Gives reconstructors of F of any kind, for recipes that ask for some; each kind is trained on Q once."""

    @cache
    def another(kind: str) -> nn.Module:
        own = replace(stream, stage=f"{stream.stage} {kind}")
        _, channels, height, width = known.features.shape
        with own.initialization():
            learner = build_reconstructor(kind, (channels, height, width), known.public_data.images.shape[-1])
        invert(learner, known.featurizer, (known.public_data,), recipe, stream=own, compute=compute, progress=progress)
        return freeze(learner)

    return another


def divide_public(public: ImageSet, most: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Rows of public images that an inverse never sees, evenly spread, half at most; and all others."""
    shown = np.linspace(0, len(public) - 1, min(most, len(public) // 2)).astype(int)
    return shown, np.delete(np.arange(len(public)), shown)


def _nobody() -> tuple[nn.Module, int]:
    raise EntityError(
        "shadow_modules: the victim's recipe hides people, and nobody knows whom public images show. Leave it out."
    )


def deal_rows(featurizer: nn.Module, encoders: Sequence[Map]) -> Map:
    """An encoder in which the rows of each batch of images are dealt to all `encoders`, so that none is left out."""

    def encode(images: Tensor) -> Tensor:
        features = featurizer(images)
        poisoned = torch.empty_like(features)
        for number, encoder in enumerate(encoders):
            own = features[number :: len(encoders)]
            if len(own):
                poisoned[number :: len(encoders)] = encoder(own).to(features.dtype)
        return poisoned

    return encode
