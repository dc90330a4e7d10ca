"""F of the held-out images, on which everything is scored; the released C as it is, and guesses."""

import numpy as np
import torch

from collab.participants.oracle import Oracle
from collab.participants.scoring import guesses, priors
from collab.stages.base import Job, Playing
from collab.training.progress import Progress
from collab.types import Report


def play(oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
    """F of the held-out images, once for all; scores the released C (control `c_public`), and guesses on 2,000."""
    oracle.write_features(oracle.layout.heldout, oracle.heldout)
    count = min(len(oracle.heldout), 2000)
    images = oracle.heldout.take(np.arange(count), oracle.compute.device)
    labels = torch.from_numpy(oracle.heldout.classes[:count]).to(oracle.compute.device)
    guessed = guesses(images, labels, oracle.stream("priors").torch("unrelated"))
    scored = priors(guessed, images, oracle.scenario.seed)
    chance = oracle.task.chance(oracle.heldout_features[1])
    return Report((*oracle.score_features(oracle.released.decider), *chance, *scored))
