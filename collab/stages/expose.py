"""What features of held-out images, as they would be published, give away beside the task (`exposure`)."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from collab.metrics.reidentification import embed
from collab.models.recognizer import Individuals
from collab.participants.assignment import ORACLE
from collab.participants.layout import load_images, load_numbers
from collab.participants.oracle import Oracle
from collab.participants.scoring import means
from collab.scenario import stage_rows
from collab.stages.base import EntityStage, Job, Planning, PlayerStage, Playing, Urgency
from collab.stages.decode import decoded
from collab.stages.find_copies import COPIES
from collab.stages.keys import Keys, plain, remember
from collab.stages.publish import Poison
from collab.store.release import write_release
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import train_classifier
from collab.types import Report

EMBED = "embed oracle"
"""The name of the job that trains the embedding of individuals."""


class Embed(PlayerStage[Oracle]):
    """Trains the embedding of individuals on those of the public images."""

    name, version = "embed", 3

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, if the scenario asks for an embedding."""
        if planning.scenario.embeds:
            needs, labels = ("decode public", "decode heldout"), ((stage_rows.EMBEDDING, ""),)
            yield Job(EMBED, ORACLE, self.name, (Urgency.JUDGES, 2), needs, labels, after=(COPIES,))

    @staticmethod
    @remember
    def key_of(keys: Keys, name: str = ORACLE) -> str:
        """Its training, the public images and the held-out ones."""
        exposure = keys.scenario.exposure
        options = plain(None if exposure is None else exposure.embedding)
        return keys.make(Embed, name, options, [decoded(keys, "public"), decoded(keys, "heldout")])

    def play(self, oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
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


class Expose(EntityStage):
    """Trains decoders and readers on what would be published of held-out images."""

    name, version = "expose", 5

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that publishes, if the scenario measures exposure."""
        embedded = (EMBED,) if planning.scenario.embeds else ()
        for name in planning.publishers if planning.scenario.exposure is not None else ():
            needs, labels = (f"poison {name}", *embedded), ((stage_rows.EXPOSURE, name),)
            yield Job(f"expose {name}", name, self.name, planning.publishing(name, 5), needs, labels)

    @staticmethod
    def key_of(keys: Keys, name: str) -> str:
        """What is measured, the fitted defense, and the embedding."""
        seen = [Embed.key_of(keys)] if keys.scenario.embeds else []
        return keys.make(Expose, name, plain(keys.scenario.exposure), [Poison.key_of(keys, name), *seen])
