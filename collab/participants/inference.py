"""What a classifier reads from published features that nobody meant to tell: private attributes, and who it is.

SCIENCE 3.4 and 1.4: a classifier trained on features as they are and tried on published ones is `fixed`, one trained on
published ones is `fresh`; both are tried on rows that none of them has learned from.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from collab.errors import EntityError
from collab.metrics.scores import mean_measure
from collab.models.freeze import freeze
from collab.participants.layout import load_numbers
from collab.participants.participant import Participant
from collab.seeding import Stream
from collab.training.feeds import FeatureFeed, InMemory
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import outputs_of, refine_decider
from collab.training.tasks import Task, task_of
from collab.types import Measure

IDENTIFIER = "identifier"
"""The name under which an entity keeps the network that its DPM was trained to confuse."""

LEARNED = 0.75
"""Share of an entity's images, or of its people, that classifiers learn from."""


@dataclass(frozen=True)
class Question:
    """What is asked of each row of an entity: targets by row, and which rows are learned from; the rest is tried."""

    task: Task
    targets: Tensor
    is_learned: Tensor

    @property
    def tried(self) -> Tensor:
        """Rows that are tried: not learned from, and, of people, only those that were learned."""
        held = torch.nonzero(~self.is_learned)[:, 0]
        if self.task.kind != "classification":
            return held
        return held[torch.isin(self.targets[held], self.targets[self.is_learned])]


def ask_identity(identities: np.ndarray, stream: Stream) -> Question:
    """People of one entity, numbered by their identity; three quarters of each one's images are learned from.

    An individual with one image is learned and never tried. Raises EntityError for fewer than two people.
    """
    people, targets = np.unique(identities, return_inverse=True)
    if len(people) < 2:
        raise EntityError(f"one of {len(people)} is to be identified; an entity needs images of two. Raise its share.")
    order = stream.numpy("learned").permutation(len(targets))
    is_learned = np.zeros(len(targets), dtype=bool)
    for person in range(len(people)):
        rows = order[targets[order] == person]
        is_learned[rows[: max(1, int(LEARNED * len(rows)))]] = True
    task = task_of("classification", tuple(map(str, people)))
    return Question(task, torch.from_numpy(targets.astype(np.int64)), torch.from_numpy(is_learned))


def ask_attributes(attributes: np.ndarray, names: tuple[str, ...], identities: np.ndarray, stream: Stream) -> Question:
    """Private attributes [rows, names]; learned from three quarters of the people, so that none is known again."""
    people = stream.numpy("learned").permutation(np.unique(identities))
    is_learned = np.isin(identities, people[: max(1, int(LEARNED * len(people)))])
    if is_learned.all() or not is_learned.any():
        raise EntityError(f"attributes of {len(people)} people are to be read; two are needed. Raise the share.")
    return Question(task_of("attributes", names), torch.from_numpy(attributes), torch.from_numpy(is_learned))


def train_reader(
    participant: Participant, features: Tensor, question: Question, stream: Stream, progress: Progress
) -> nn.Module:
    """A network like C, trained on the features [rows, ...] that are to be learned from; frozen."""
    options = participant.scenario.inference
    assert options is not None  # else nobody asks
    with stream.initialization():
        network = participant.new_split(question.task.outputs).decider
    learned, recipe, task = question.is_learned, Recipe.of(options), question.task
    reader = InMemory(features[learned], question.targets[learned])
    feed = FeatureFeed([reader], participant.spec.shape, recipe.batch_size, participant.compute.device, features.dtype)
    refine_decider(
        network, feed, recipe, bn="update", stream=stream, compute=participant.compute, progress=progress, task=task
    )
    return freeze(network)


def train_identifier(
    participant: Participant, victim: str, features: Tensor, identities: np.ndarray, progress: Progress
) -> tuple[nn.Module, Question]:
    """The network A of DPF 4.4: who an image of `victim` shows, read from its features as they are [rows, ...]."""
    seed = participant.scenario.seed
    question = ask_identity(identities, Stream(seed, victim, "identify"))
    return train_reader(participant, features, question, Stream(seed, victim, "identify"), progress), question


def measure_readers(
    participant: Participant, plain: Tensor, published: Tensor, question: Question, fixed: nn.Module, fresh: nn.Module,
    prefix: Literal["privacy", "identity"],
) -> list[Measure]:  # fmt: skip
    """How well `fixed` reads plain and published features [rows, ...], and `fresh` published ones; rows are aligned.

    Of attributes also the share of right answers, beside what the more frequent answer scores. Says nothing where no
    row is left to try, or none of them has an attribute.
    """
    rows, measures = question.tried, list[Measure]()
    if not len(rows) or not bool((question.targets[rows] > 0).any()):
        return measures  # of so few rows nothing can be said
    for network, features, suffix in (
        (fixed, plain, "plain"),
        (fixed, published, "fixed"),
        (fresh, published, "fresh"),
    ):
        outputs = outputs_of(network, features[rows], participant.compute)
        scores = question.task.measures(outputs, question.targets[rows], participant.scenario.seed, f"_{suffix}")
        measures += [replace(score, metric=f"{prefix}_{score.metric}") for score in scores]
        if question.task.kind == "attributes":
            right = question.task.merits(outputs, question.targets[rows])
            measures.append(mean_measure(f"{prefix}_accuracy_{suffix}", right, participant.scenario.seed))
    if question.task.kind == "attributes":
        rates = question.targets[rows].double().mean(0)
        most = float(torch.maximum(rates, 1 - rates).mean())
        measures.append(Measure(f"{prefix}_accuracy_chance", most, n=len(rows)))
    return measures


def load_own_numbers(participant: Participant, name: str) -> np.ndarray:
    """What the decode stage left about this holder's own images; EntityError if nothing was asked."""
    numbers = load_numbers(participant.private, name)
    if numbers is None:
        raise EntityError(f"{participant.name!r} knows no {name} of its images. Play its decode stage again.")
    return numbers


def own_numbers_at(participant: Participant, name: str, own: np.ndarray, rows: np.ndarray) -> Tensor:
    """The same for `rows` of the source, in that order; its `own` are sorted, and those are among them."""
    return torch.from_numpy(load_own_numbers(participant, name)[np.searchsorted(own, rows)])
