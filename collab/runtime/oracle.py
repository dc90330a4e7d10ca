"""The simulator's own participant: upper bounds that no real collaboration could compute, and the held-out set."""

import numpy as np
import torch

from collab.data.subsets import stratified_subsets
from collab.entity import guess_name
from collab.participant import Participant
from collab.runtime.assign import Assignment, Holding
from collab.scenario.model import Refinement
from collab.scoring import likeness, priors
from collab.seeding import Stream
from collab.store.private import private_folder
from collab.store.release import read_release
from collab.store.shards import ShardReader
from collab.training.feeds import ImageSet
from collab.training.progress import Progress
from collab.types import Report


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

    def refine(self, row: Refinement, most_rows: int, progress: Progress) -> Report:
        """From scratch on a share of all images, or the released C on unpoisoned features of several entities."""
        if row.share is not None:
            labels = self.assignment.everything.labels
            drawn = stratified_subsets(labels, {"all": row.share}, self.stream("share").numpy(str(row.share)))
            images = self.images_at(self.assignment.everything.rows[np.sort(drawn["all"])])
            return self.train_from_scratch(row, images, self.stream("refine"), progress)
        entity = str(row.entity)
        readers = [self.features_of_entity(name) for name in (entity, *sorted(row.unpoisoned))]
        stream = Stream(self.scenario.seed, entity, "refine")  # the entity's own, so that only poisoning differs
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
        unrelated = self.stream("judge").torch(f"unrelated {victim}")
        return Report((*likeness(rebuilt, images, seed), *priors(images, labels, unrelated, seed)))

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
