"""The embedding of individuals: trained on those of the public images, then asked about held-out ones."""

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from collab.metrics.reidentification import embed
from collab.models.recognizer import Individuals
from collab.participants.layout import load_images, load_numbers
from collab.participants.oracle import Oracle
from collab.participants.scoring import means
from collab.stages.base import Job, Playing
from collab.store.release import write_release
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import train_classifier
from collab.types import Report


def play(oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
    """Trains the embedding of individuals on those of the public images, and tells what guesses score with it."""
    options = None if oracle.scenario.exposure is None else oracle.scenario.exposure.embedding
    individuals = load_numbers(oracle.layout.public, "identities")
    assert options is not None  # else this stage is not played
    assert individuals is not None
    stream, public = oracle.stream("embed"), load_images(oracle.layout.public)
    labels = np.unique(individuals, return_inverse=True)[1].astype(np.int64)
    with stream.initialization():
        network = Individuals(int(labels.max()) + 1, oracle.scenario.data.image_size)
    shown = ImageSet(public.images, labels)
    train_classifier(network, shown, Recipe.of(options), stream=stream, compute=oracle.compute, progress=progress)
    everybody = public.take(np.arange(len(public)), oracle.compute.device)
    network.center.copy_(embed(network.embedding, everybody).mean(0))
    write_release(oracle.layout.heldout, "embedding", network.state_dict(), {})
    images = oracle.heldout.take(np.arange(len(oracle.heldout)), oracle.compute.device)
    true, rows = embed(network.embedding, images), torch.randperm(len(images), generator=stream.torch("others"))
    mean = embed(network.embedding, images.mean(0, keepdim=True)).expand_as(true)
    guesses = {"unrelated": true[rows.to(true.device)], "mean": mean}
    scores = {f"face_similarity_prior_{name}": cosine_similarity(guess, true) for name, guess in guesses.items()}
    return Report(means(scores, oracle.scenario.seed))
