"""What R shows of held-out images to networks that neither defenses nor attacks know (`disclosure`)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from collab.metrics.perceptual import lpips_network
from collab.metrics.reidentification import embedded
from collab.metrics.scores import mean_measure
from collab.metrics.utility import topk_hits
from collab.participants.assignment import ORACLE
from collab.participants.disclosure import by_row, compared
from collab.participants.entity import Entity
from collab.participants.oracle import Oracle
from collab.participants.scoring import guesses
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
from collab.training.recipes import blur, train_classifier
from collab.types import Measure, Report

RECOGNIZE = "recognize oracle"
"""The name of the job that trains the independent recognizer."""


class Recognize(Stage[Oracle]):
    """Trains the recognizer, and asks it about held-out images and guesses."""

    name, version = "recognize", 3

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, if the scenario measures disclosure."""
        if planning.scenario.disclosure is not None:
            needs, labels = ("decode oracle", "decode heldout"), ((stage_rows.RECOGNIZER, ""),)
            yield Job(RECOGNIZE, ORACLE, self.name, (Urgency.JUDGES, 1), needs, labels, after=(COPIES,))

    def key(self, keys: Keys, job: Job) -> str:
        """The recognizer's training, the oracle's images and the held-out ones."""
        return recognized(keys)

    def play(self, oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Trains the recognizer on all images that the oracle reads, and asks it about held-out images and guesses.

        Half of what it sees is blurred, so that it can tell what a coarse reconstruction shows.
        """
        wanted, seed = oracle.scenario.disclosure, oracle.scenario.seed
        assert wanted is not None  # else this stage is not played
        if wanted.lpips is not None:
            lpips_network(wanted.lpips)  # if it is not there, that is told before anything is trained
        if wanted.recognizer is not None:
            stream = oracle.stream("recognize")
            with stream.initialization():
                network = oracle.new_recognizer(wanted.recognizer.width)
            recipe = Recipe.of(wanted.recognizer)
            shown = ImageSet(oracle.images.images, oracle.images.classes)
            train_classifier(
                network, shown, recipe, stream=stream, compute=oracle.compute, progress=progress, spoil=blur
            )
            write_release(oracle.layout.heldout, "recognizer", network.state_dict(), {})
        count = min(len(oracle.heldout), 2000)
        images = oracle.heldout.take(np.arange(count), oracle.compute.device)
        labels = torch.from_numpy(oracle.heldout.classes[:count]).to(oracle.compute.device)
        told = list[Measure]()
        for name, guess in guesses(images, labels, oracle.stream("priors").torch("unrelated")).items():
            found = compared(by_row(guess), by_row(images), labels, oracle.eye)
            told += [mean_measure(f"{metric}_prior_{name}", values, seed) for metric, values in found.items()]
        if oracle.eye.recognizer is not None:
            hits = topk_hits(embedded(oracle.eye.recognizer, images), labels, 1)
            told.append(mean_measure("recognized_true", hits, seed))
        return Report(tuple(told))


class Disclose(Stage[Entity]):
    """Looks at reconstructions before and after the own module."""

    name, version, runs = "disclose", 3, ("defenses",)

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that publishes, if the scenario measures disclosure."""
        for name in planning.publishers if planning.scenario.disclosure is not None else ():
            needs, labels = (f"poison {name}", RECOGNIZE), ((stage_rows.DISCLOSURE, name),)
            yield Job(f"disclose {name}", name, self.name, planning.publishing(name, 3), needs, labels)

    def key(self, keys: Keys, job: Job) -> str:
        """What is measured, the fitted defense, and the recognizer."""
        options, seen = looked_at(keys)
        return keys.computed(Disclose, job.who, options, [poisoned(keys, job.who), *seen])

    def play(self, entity: Entity, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.disclose(progress)


@remembered
def recognized(keys: Keys) -> str:
    """The key of the recognizer."""
    wanted = keys.scenario.disclosure
    stated = {} if wanted is None else plain(wanted)
    options = {name: stated.get(name) for name in ("recognizer", "lpips")}
    return keys.computed(Recognize, ORACLE, options, [decoded(keys, ORACLE), decoded(keys, "heldout")])


def looked_at(keys: Keys) -> tuple[dict[str, Any], list[str]]:
    """What is measured of reconstructions, and the key of the networks that look at them."""
    wanted = keys.scenario.disclosure
    if wanted is None:
        return {}, []
    return wanted.model_dump(mode="json", include={"queries", "gallery"}), [recognized(keys)]
