"""What an entity finds of R before it trains anything against it: whoever pre-trained may have shipped a poor one.

A module that fools an R which shows nothing is trained against nothing, and looks perfect (ATTACKS 3.4).
"""

import numpy as np
import torch

from collab.errors import EntityError
from collab.metrics.priors import class_mean_prior
from collab.metrics.scores import mean_measure
from collab.metrics.visual import l1, ssim, ssim_window
from collab.participants.defended import Defended
from collab.results.trust import Tried
from collab.store.release import read_release
from collab.types import Measure

TRIED = 256
"""Own images, at most, evenly from all."""

CHANGE = 0.5
"""Noise that is added to features, in deviations of their channel: an R that knows nothing else is brittle."""


def try_reconstructor(entity: Defended) -> tuple[Measure, ...]:
    """What R shows of own plain features, and of the same slightly changed.

    Raises EntityError for an R that is no opponent, where the scenario says that it is refused.
    """
    measures, options = _measure(entity), entity.scenario.reconstructor
    tried = Tried.of(measures)
    faults = list(tried.list_faults(options.least_ssim)) if tried else []
    if faults and options.poor == "refuse":
        leader = entity.scenario.model.pretrain.leader
        raise EntityError(
            f"entity {entity.name!r} refuses the reconstructor that {leader!r} released: {'; '.join(faults)}. A module "
            "that is trained against it may hide from nobody else. Train R longer (`reconstructor.epochs`), let each "
            "entity train its own (`reconstructor.by: own`), or have it told and not refused "
            "(`reconstructor.poor: warn`)."
        )
    return measures


def _measure(entity: Defended) -> tuple[Measure, ...]:
    """How much more R shows of own plain features than a guess by class, and its L1.

    `reconstructor_shows` is the mean difference in SSIM with its interval over images, `reconstructor_shows_changed`
    that of features with noise of `CHANGE` deviations. The guess is the mean of the other own images of the class.
    """
    images = entity.images
    rows = np.unique(np.linspace(0, len(images) - 1, min(TRIED, len(images))).round().astype(np.int64))
    truth, labels = images.take(rows, entity.compute.device), torch.from_numpy(images.classes[rows])
    features = entity.own_features(entity.private).take(rows).float()
    spread = features.std((0, 2, 3), keepdim=True)
    noise = torch.randn(features.shape, generator=entity.stream("try_reconstructor").torch("noise"))
    rebuilt = entity.reconstruction(features)
    guessed = ssim(class_mean_prior(truth, labels.to(truth.device)), truth) if len(rows) > 1 else torch.zeros(1)
    seed, window = entity.scenario.seed, ssim_window(truth.shape[-1])[0]
    stated = read_release(entity.layout.release, "reconstructor")[1].get("l1_public")
    scores = {
        f"reconstructor_ssim[{window}]": ssim(rebuilt, truth),
        f"reconstructor_shows[{window}]": ssim(rebuilt, truth) - guessed,
        f"reconstructor_shows_changed[{window}]": ssim(
            entity.reconstruction(features + CHANGE * spread * noise), truth
        ) - guessed,
        "reconstructor_l1": l1(rebuilt, truth),
    }  # fmt: skip
    measures = tuple(mean_measure(name, values.cpu(), seed) for name, values in scores.items())
    return (*measures, *([Measure("reconstructor_l1_stated", float(stated))] if stated is not None else []))
