"""The simulator's own participant: upper bounds that no real collaboration could compute, and the held-out set."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from collab.data.subsets import stratified_subsets
from collab.disclosure import Gallery, Images, compared, compared_measures, leakage_measures, rank_measures
from collab.entity import guess_name
from collab.metrics.reidentification import embedded
from collab.metrics.utility import topk_hits
from collab.participant import Participant
from collab.runtime.assign import Assignment, Holding
from collab.scenario.model import Refinement
from collab.scoring import guesses, likeness, mean_measure, priors
from collab.store.codec import as_stored
from collab.store.private import private_folder
from collab.store.release import read_release, write_release
from collab.store.shards import ShardReader
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import blurred, train_classifier
from collab.types import Measure, Report


class Oracle(Participant):
    """Holds what no entity may hold, images of all entities, and reads them from the source itself."""

    assignment: Assignment
    holding: Holding

    def featurize_heldout(self, progress: Progress) -> Report:
        """F of the held-out images, once for all; scores the released C (control `c_public`), and guesses on 2,000."""
        self.write_features(self.layout.heldout, self.heldout)
        count = min(len(self.heldout), 2000)
        images = self.heldout.take(np.arange(count), self.compute.device)
        labels = torch.from_numpy(self.heldout.labels[:count]).to(self.compute.device)
        guesses = priors(images, labels, self.stream("priors").torch("unrelated"), self.scenario.seed)
        return Report((*self.score_features(self.released.decider), *guesses))

    def recognize(self, progress: Progress) -> Report:
        """Trains the recognizer on all images that the oracle reads, and asks it about held-out images and guesses.

        Half of what it sees is blurred, so that it can tell what a coarse reconstruction shows.
        """
        wanted, seed = self.scenario.disclosure, self.scenario.seed
        assert wanted is not None  # else this stage is not played
        if wanted.recognizer is not None:
            stream = self.stream("recognize")
            with stream.initialization():
                network = self.new_recognizer(wanted.recognizer.width)
            recipe = Recipe.of(wanted.recognizer)
            train_classifier(
                network, self.images, recipe, stream=stream, compute=self.compute, progress=progress, spoil=blurred
            )
            write_release(self.layout.heldout, "recognizer", network.state_dict(), {})
        count = min(len(self.heldout), 2000)
        images = self.heldout.take(np.arange(count), self.compute.device)
        labels = torch.from_numpy(self.heldout.labels[:count]).to(self.compute.device)
        told = list[Measure]()
        for name, guess in guesses(images, labels, self.stream("priors").torch("unrelated")).items():
            found = compared(_rows_of(guess), _rows_of(images), labels, self.eye)
            told += [mean_measure(f"{metric}_prior_{name}", values, seed) for metric, values in found.items()]
        if self.eye.recognizer is not None:
            hits = topk_hits(embedded(self.eye.recognizer, images), labels, 1)
            told.append(mean_measure("recognized_true", hits.double(), seed))
        return Report(tuple(told))

    def refine(self, row: Refinement, most_rows: int, progress: Progress) -> Report:
        """From scratch on a share of all images, or the released C on unpoisoned features of several entities."""
        if row.share is not None:
            labels = self.assignment.everything.labels
            drawn = stratified_subsets(labels, {"all": row.share}, self.stream("share").numpy(str(row.share)))
            images = self.images_at(self.assignment.everything.rows[np.sort(drawn["all"])])
            return self.train_from_scratch(row, images, self.stream("refine"), progress)
        entity = str(row.entity)
        readers = [self.features_of_entity(name) for name in (entity, *sorted(row.unpoisoned))]
        stream = self.stream_of(entity, "refine")  # the entity's own, so that only poisoning differs
        _, report = self.refined(readers, most_rows, row, stream, progress)
        return report

    def judge(self, attacker: str, attack: str, victim: str) -> Report:
        """How near what `attacker` rebuilt of what `victim` published comes to the truth, and what guesses do.

        The only place where an attack meets the truth.
        """
        run, device = self.layout.run, self.compute.device
        guess, _ = read_release(private_folder(run, attacker), guess_name(attack, victim))
        rebuilt = guess["images"].to(device).float() / 255
        order = np.load(private_folder(run, victim) / "published.npy", allow_pickle=False)[: len(rebuilt)]
        truth = self.images_at(self.assignment.entities[victim].rows[order])
        images = truth.take(np.arange(len(truth)), device)
        seed, labels = self.scenario.seed, torch.from_numpy(truth.labels).to(device)
        unrelated = partial(self.stream("judge").torch, f"unrelated {victim}")

        def opened(rows: np.ndarray) -> Tensor:
            with torch.no_grad(), self.compute.autocast():
                features = self.released.featurizer(images[rows])
            return self.reconstruction(as_stored(features, self.spec.dtype))

        by_attack, by_open = (
            compared(shown, _rows_of(images), labels, self.eye) for shown in (_rows_of(rebuilt), opened)
        )
        by_guess = {
            name: compared(_rows_of(guess), _rows_of(images), labels, self.eye)
            for name, guess in guesses(images, labels, unrelated()).items()
        }
        measures = [
            *likeness(rebuilt, images, seed),
            *priors(images, labels, unrelated(), seed),
            *compared_measures(by_attack, seed),
            *(mean_measure(f"{metric}_open", values, seed) for metric, values in by_open.items()),
            *leakage_measures(by_attack, by_open, by_guess, seed),
        ]
        wanted = self.scenario.disclosure
        if wanted is not None:
            others = np.setdiff1d(self.holding.rows, self.assignment.entities[victim].rows[order], assume_unique=True)
            room = max(wanted.gallery - len(images), 0)
            more = self.stream("judge").numpy(f"gallery {victim}").permutation(others)[:room]
            gallery = torch.cat([images, self.images_at(np.sort(more)).take(np.arange(len(more)), device)])
            places = torch.arange(min(len(images), wanted.queries), device=device)
            ranks = Gallery(gallery, self.eye.recognizer).ranks(rebuilt[: len(places)], places)
            measures += [*rank_measures(ranks, seed), Measure("gallery", len(gallery))]
        return Report(tuple(measures))

    def features_of_entity(self, name: str) -> ShardReader:
        """Unpoisoned features of an entity's images, computed here from the source."""
        folder = self.private / name
        if not (folder / "features").exists():
            self.write_features(folder, self.images_at(self.assignment.entities[name].rows))
        return self.own_features(folder)

    def images_at(self, rows: np.ndarray) -> ImageSet:
        """The images of these rows of the source."""
        at = np.searchsorted(self.holding.rows, rows)
        return ImageSet(self.images.images[at], self.images.labels[at])


def _rows_of(images: Tensor) -> Images:
    """`images` [rows, 3, side, side] by their row numbers."""
    return lambda rows: images[torch.from_numpy(rows)]
