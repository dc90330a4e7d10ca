"""F of the images of an entity, once, into its private folder; and of the held-out ones, which the oracle has."""

from collections.abc import Iterator

import numpy as np
import torch

from collab.participants.assignment import ORACLE
from collab.participants.oracle import Oracle
from collab.participants.scoring import priors
from collab.scenario import stage_rows
from collab.stages.base import EntityStage, Job, Planning, PlayerStage, Playing, Urgency
from collab.stages.decode import decoded
from collab.stages.keys import Keys, remember
from collab.stages.pretrain import Pretrain
from collab.training.progress import Progress
from collab.types import Report


class Featurize(EntityStage):
    """Features that were computed once serve poisoning, publishing and all refining."""

    name, version = "featurize", 1

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity; who is late begins when all others have published."""
        entities = planning.scenario.entities
        first = [f"publish {each.name}" for each in entities if each.options.publishes and not each.options.is_late]
        for entity in entities:
            name, others = entity.name, first if entity.options.is_late else []
            needs = (f"decode {name}", f"pretrain {planning.leader}", *others)
            yield Job(f"featurize {name}", name, self.name, planning.publishing(name, 0), needs)

    @staticmethod
    @remember
    def key_of(keys: Keys, name: str) -> str:
        """F, the entity's images, and how features are stored."""
        used = [Pretrain.key_of(keys, keys.leader), decoded(keys, name)]
        return keys.make(Featurize, name, keys.stored, used)


class FeaturizeHeldout(PlayerStage[Oracle]):
    """Everything is scored on these features; the released C as it is (control `c_public`), and guesses."""

    name, version = "featurize_heldout", 3

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One."""
        needs, labels = (f"pretrain {planning.leader}",), ((stage_rows.PUBLIC, ""),)
        yield Job("featurize heldout", ORACLE, self.name, (Urgency.RECONSTRUCT, 1), needs, labels)

    @staticmethod
    @remember
    def key_of(keys: Keys, name: str = ORACLE) -> str:
        """F, the held-out images, and how features are stored."""
        used = [Pretrain.key_of(keys, keys.leader), decoded(keys, "heldout")]
        return keys.make(FeaturizeHeldout, name, keys.stored, used)

    def play(self, oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """F of the held-out images, once for all; scores the released C (control `c_public`), and guesses on 2,000."""
        oracle.write_features(oracle.layout.heldout, oracle.heldout)
        count = min(len(oracle.heldout), 2000)
        images = oracle.heldout.take(np.arange(count), oracle.compute.device)
        labels = torch.from_numpy(oracle.heldout.classes[:count]).to(oracle.compute.device)
        guesses = priors(images, labels, oracle.stream("priors").torch("unrelated"), oracle.scenario.seed)
        chance = oracle.task.chance(oracle.heldout_features[1])
        return Report((*oracle.score_features(oracle.released.decider), *chance, *guesses))
