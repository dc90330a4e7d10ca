"""What R shows of held-out images to networks that neither defenses nor attacks know (`disclosure`)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from collab.metrics.perceptual import lpips_network
from collab.metrics.reidentification import embed
from collab.metrics.scores import mean_measure
from collab.metrics.utility import topk_hits
from collab.participants.assignment import ORACLE
from collab.participants.disclosure import by_row, compare
from collab.participants.oracle import Oracle
from collab.participants.scoring import guesses, means
from collab.scenario import stage_rows
from collab.stages.base import EntityStage, Job, Planning, PlayerStage, Playing, Urgency
from collab.stages.decode import decoded
from collab.stages.find_copies import COPIES
from collab.stages.keys import Keys, plain, remember
from collab.stages.publish import Poison
from collab.store.release import write_release
from collab.training.augmentation import blur
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import train_classifier
from collab.types import Measure, Report

RECOGNIZE = "recognize oracle"
"""The name of the job that trains the independent recognizer."""


class Recognize(PlayerStage[Oracle]):
    """Trains the recognizer, and asks it about held-out images and guesses."""

    name, version = "recognize", 4

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, if the scenario measures disclosure."""
        if planning.scenario.disclosure is not None:
            needs, labels = ("decode oracle", "decode heldout"), ((stage_rows.RECOGNIZER, ""),)
            yield Job(RECOGNIZE, ORACLE, self.name, (Urgency.JUDGES, 1), needs, labels, after=(COPIES,))

    @staticmethod
    @remember
    def key_of(keys: Keys, name: str = ORACLE) -> str:
        """The recognizer's training, the oracle's images and the held-out ones."""
        stated = plain(keys.scenario.disclosure)
        options = {name: stated.get(name) for name in ("recognizer", "lpips")}
        return keys.make(Recognize, name, options, [decoded(keys, ORACLE), decoded(keys, "heldout")])

    def play(self, oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
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
            train_classifier(
                network, shown, recipe, stream=stream, compute=oracle.compute, progress=progress, spoil=blur
            )
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


class Disclose(EntityStage):
    """Looks at reconstructions before and after the own module."""

    name, version, runs = "disclose", 4, ("defenses",)

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that publishes, if the scenario measures disclosure."""
        for name in planning.publishers if planning.scenario.disclosure is not None else ():
            needs, labels = (f"poison {name}", RECOGNIZE), ((stage_rows.DISCLOSURE, name),)
            yield Job(f"disclose {name}", name, self.name, planning.publishing(name, 3), needs, labels)

    @staticmethod
    def key_of(keys: Keys, name: str) -> str:
        """What is measured, the fitted defense, and the recognizer."""
        options, seen = disclosure_keys(keys)
        return keys.make(Disclose, name, options, [Poison.key_of(keys, name), *seen])


def disclosure_keys(keys: Keys) -> tuple[dict[str, Any], list[str]]:
    """What is measured of reconstructions, and the key of the networks that look at them."""
    disclosure = keys.scenario.disclosure
    if disclosure is None:
        return {}, []
    return disclosure.model_dump(mode="json", include={"queries", "gallery"}), [Recognize.key_of(keys)]
