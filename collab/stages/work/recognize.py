"""The independent recognizer: trained on all images, then asked about held-out images and guesses."""

import numpy as np
import torch

from collab.metrics.perceptual import lpips_network
from collab.metrics.reidentification import embed
from collab.metrics.scores import mean_measure
from collab.metrics.utility import topk_hits
from collab.participants.disclosure import by_row, compare
from collab.participants.oracle import Oracle
from collab.participants.scoring import guesses, means
from collab.stages.base import Job, Playing
from collab.store.release import write_release
from collab.training.augmentation import blur
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import train_classifier
from collab.types import Measure, Report


def play(oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
    """Trains the recognizer on all images that the oracle reads, and asks it about held-out images and guesses.

    Half of what it sees is blurred, so that it can tell what a coarse reconstruction shows.
    """
    options, seed = oracle.scenario.disclosure, oracle.scenario.seed
    assert options is not None  # else this stage is not played
    if options.lpips is not None:
        lpips_network(options.lpips)  # if it is not there, that is told before anything is trained
    if options.recognizer is not None:
        stream = oracle.stream("recognize")
        with stream.initialization():
            network = oracle.new_recognizer(options.recognizer.width)
        recipe = Recipe.of(options.recognizer)
        shown = ImageSet(oracle.images.images, oracle.images.classes)
        train_classifier(network, shown, recipe, stream=stream, compute=oracle.compute, progress=progress, spoil=blur)
        write_release(oracle.layout.heldout, "recognizer", network.state_dict(), {})
    count = min(len(oracle.heldout), 2000)
    images = oracle.heldout.take(np.arange(count), oracle.compute.device)
    labels = torch.from_numpy(oracle.heldout.classes[:count]).to(oracle.compute.device)
    measures = list[Measure]()
    for name, guess in guesses(images, labels, oracle.stream("priors").torch("unrelated")).items():
        scores = compare(by_row(guess), by_row(images), labels, oracle.eye)
        measures += means({f"{metric}_prior_{name}": values for metric, values in scores.items()}, seed)
    if oracle.eye.recognizer is not None:
        hits = topk_hits(embed(oracle.eye.recognizer, images), labels, 1)
        measures.append(mean_measure("recognized_true", hits, seed))
    return Report(tuple(measures))
