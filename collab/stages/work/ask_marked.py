"""The share of marked held-out images for which a decider answers what a backdoored shard has taught."""

import numpy as np
import torch

from collab.metrics.scores import mean_measure
from collab.models.freeze import freeze
from collab.participants.backdoor import stamp
from collab.participants.layout import name_decider
from collab.participants.oracle import Oracle
from collab.stages.ask_marked import Marked
from collab.stages.base import Job, Playing
from collab.store.private import private_folder
from collab.store.release import read_release
from collab.training.feeds import ImageSet
from collab.training.progress import Progress
from collab.training.recipes import EVAL_BATCH, outputs_of
from collab.types import Report


def play(oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
    """Asks about all held-out images of other classes than the one that is claimed."""
    marked: Marked = job.order
    row, heldout = marked.refined.order.row, oracle.heldout
    folder = private_folder(oracle.layout.run, marked.refined.participant)
    decider = oracle.new_split().decider
    decider.load_state_dict(read_release(folder, name_decider(row))[0])
    freeze(oracle.compute.place(decider))
    shown = ImageSet(stamp(np.asarray(heldout.images)), heldout.labels)
    parts = np.split(np.arange(len(shown)), range(EVAL_BATCH, len(shown), EVAL_BATCH))
    rows = (oracle.features(shown.take(part, oracle.compute.device)) for part in parts)
    answers = outputs_of(decider, rows, oracle.compute).argmax(1).numpy()
    measures = []
    for name, target in marked.targets:
        is_other = heldout.labels != target
        taken = torch.from_numpy(answers[is_other] == target)
        measures.append(mean_measure(f"backdoor[{name}]", taken, oracle.scenario.seed))
    return Report(tuple(measures))
