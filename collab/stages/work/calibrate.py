"""The inverse of F, trained as `leaked_module` would: what anybody can make of features that nothing hides."""

import numpy as np

from collab.attacks.base import Knowledge
from collab.attacks.leaked_module import LeakedModule
from collab.participants.layout import load_images
from collab.participants.oracle import Oracle
from collab.stages.base import Job, Playing
from collab.store.release import write_release
from collab.training.progress import Progress
from collab.types import Report

INVERSE = "inverse"
"""Under which name the oracle keeps it."""


def play(oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
    """Trains it on public images, which no victim's are among, and keeps it for whoever judges."""
    attack, public, released = LeakedModule.from_options(job.order), load_images(oracle.layout.public), oracle.released
    some = oracle.features(public.take(np.arange(1), oracle.compute.device)).cpu()
    known = Knowledge(
        "the oracle", some, some[:, 0, 0, 0], attack.asks_for, featurizer=released.featurizer,
        reconstructor=oracle.reconstructor, public_data=public, victim_encoder=oracle.features,
    )  # fmt: skip
    inverse = attack.fit_released(known, oracle.stream("calibrate"), oracle.compute, progress)
    write_release(oracle.private, INVERSE, inverse.state_dict(), {})
    return Report(())
