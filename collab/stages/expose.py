"""What features of held-out images, as they would be published, give away beside the job (`exposure`)."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from collab.metrics.reidentification import embed
from collab.metrics.scores import mean_measure
from collab.models.recognizer import Individuals
from collab.participants.assignment import ORACLE
from collab.participants.entity import Entity
from collab.participants.layout import load_images, load_numbers
from collab.participants.oracle import Oracle
from collab.scenario import stage_rows
from collab.stages.base import Job, Planning, Playing, Stage, Urgency
from collab.stages.decode import decoded
from collab.stages.find_copies import COPIES
from collab.stages.keys import Keys, plain, remembered
from collab.stages.publish import poisoned
from collab.store.release import write_release
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import train_classifier
from collab.types import Report

EMBED = "embed oracle"
"""The name of the job that trains the embedding of individuals."""


class Embed(Stage[Oracle]):
    """Trains the embedding of individuals on those of the public images."""

    name, version = "embed", 2

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, if the scenario asks for an embedding."""
        if planning.scenario.embeds:
            needs, labels = ("decode public", "decode heldout"), ((stage_rows.EMBEDDING, ""),)
            yield Job(EMBED, ORACLE, self.name, (Urgency.JUDGES, 2), needs, labels, after=(COPIES,))

    def key(self, keys: Keys, job: Job) -> str:
        """Its training, the public images and the held-out ones."""
        return embedding(keys)

    def play(self, oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Trains the embedding of individuals on those of the public images, and tells what guesses score with it."""
        wanted = None if oracle.scenario.exposure is None else oracle.scenario.exposure.embedding
        individuals = load_numbers(oracle.layout.public, "identities")
        assert wanted is not None  # else this stage is not played
        assert individuals is not None
        stream, public = oracle.stream("embed"), load_images(oracle.layout.public)
        labels = np.unique(individuals, return_inverse=True)[1].astype(np.int64)
        with stream.initialization():
            network = Individuals(int(labels.max()) + 1, oracle.scenario.data.image_size)
        shown = ImageSet(public.images, labels)
        train_classifier(network, shown, Recipe.of(wanted), stream=stream, compute=oracle.compute, progress=progress)
        known = public.take(np.arange(len(public)), oracle.compute.device)
        network.center.copy_(embed(network.embedding, known).mean(0))
        write_release(oracle.layout.heldout, "embedding", network.state_dict(), {})
        images = oracle.heldout.take(np.arange(len(oracle.heldout)), oracle.compute.device)
        true, rows = embed(network.embedding, images), torch.randperm(len(images), generator=stream.torch("others"))
        mean = embed(network.embedding, images.mean(0, keepdim=True)).expand_as(true)
        told = (("unrelated", true[rows.to(true.device)]), ("mean", mean))
        return Report(
            tuple(
                mean_measure(f"face_similarity_prior_{name}", cosine_similarity(guess, true), oracle.scenario.seed)
                for name, guess in told
            )
        )


class Expose(Stage[Entity]):
    """Trains decoders and readers on what would be published of held-out images."""

    name, version = "expose", 4

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that publishes, if the scenario measures exposure."""
        embedded = (EMBED,) if planning.scenario.embeds else ()
        for name in planning.publishers if planning.scenario.exposure is not None else ():
            needs, labels = (f"poison {name}", *embedded), ((stage_rows.EXPOSURE, name),)
            yield Job(f"expose {name}", name, self.name, planning.publishing(name, 5), needs, labels)

    def key(self, keys: Keys, job: Job) -> str:
        """What is measured, the fitted defense, and the embedding."""
        wanted = keys.scenario.exposure
        seen = [embedding(keys)] if keys.scenario.embeds else []
        options = {} if wanted is None else plain(wanted)
        return keys.computed(Expose, job.who, options, [poisoned(keys, job.who), *seen])

    def play(self, entity: Entity, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.expose(progress)


@remembered
def embedding(keys: Keys) -> str:
    """The key of the embedding of individuals."""
    wanted = None if keys.scenario.exposure is None else keys.scenario.exposure.embedding
    options = {} if wanted is None else plain(wanted)
    return keys.computed(Embed, ORACLE, options, [decoded(keys, "public"), decoded(keys, "heldout")])
