"""Membership told from answers: a teacher that knows its images by heart is caught, one that never saw them is not."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from collab.attacks.answer_membership import AnswerMembership, _confidence, standardize
from collab.attacks.base import Knowledge, Progress
from collab.attacks.options import AnswerMembership as Options
from collab.metrics.membership import auc
from collab.seeding import Stream
from collab.training.feeds import ImageSet
from collab.training.precision import resolve_compute
from collab.training.tasks import Classification

SIDE, CLASSES, ROWS = 8, 4, 60
COMPUTE = resolve_compute("fp32", "cpu")
RNG = torch.Generator().manual_seed(0)
IMAGES = torch.rand(4 * ROWS, 3, SIDE, SIDE, generator=RNG)
LABELS = torch.randint(0, CLASSES, (4 * ROWS,), generator=RNG)
PUBLIC = torch.rand(600, 3, SIDE, SIDE, generator=RNG)


def the_decider() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, CLASSES))


def taught(rows: slice) -> nn.Module:
    """C after it has learned random labels by heart: whatever it knows is of these rows alone."""
    decider = copy.deepcopy(the_decider())
    optimizer = torch.optim.Adam(decider.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(decider(IMAGES[rows]), LABELS[rows]).backward()
        optimizer.step()
    return decider


def scores(teacher: nn.Module, shadows: int) -> Tensor:
    """Of the first half of the images, by the answers of `teacher`; the adversary holds the other half."""
    options = Options(kind="answer_membership", shadows=shadows, epochs=12, batch_size=64, learning_rate=0.2)
    attack = AnswerMembership.from_options(options)
    own = (IMAGES[2 * ROWS :] * 255).round().to(torch.uint8).numpy()
    with torch.no_grad():
        answers = teacher(PUBLIC).softmax(1)
    known = Knowledge(
        "this test", PUBLIC, answers, attack.asks_for, task=Classification(tuple("abcd")), featurizer=nn.Identity(),
        decider=the_decider(), candidates=IMAGES[: 2 * ROWS], candidate_labels=LABELS[: 2 * ROWS],
        own_data=ImageSet(own, LABELS[2 * ROWS :].numpy()),
    )  # fmt: skip
    return attack.rebuild(known, Stream(0, "eve", "attack"), COMPUTE, Progress())


@pytest.mark.parametrize("shadows", [0, 2])
def test_a_teacher_that_knows_its_images_by_heart_is_caught_and_one_that_never_saw_them_is_not(shadows: int) -> None:
    caught, blank = (scores(teacher, shadows).numpy() for teacher in (taught(slice(0, ROWS)), the_decider()))
    assert auc(caught[:ROWS], caught[ROWS:]) > 0.8
    assert 0.35 < auc(blank[:ROWS], blank[ROWS:]) < 0.65


def test_a_collaborators_own_images_are_asked_for_only_where_there_are_shadows() -> None:
    asked = [AnswerMembership.from_options(Options(kind="answer_membership", shadows=n)).asks_for for n in (0, 2)]
    assert asked[1] - asked[0] == {"own_data"}


def test_confidence_is_the_log_odds_of_the_class_and_does_not_saturate() -> None:
    outputs = torch.tensor([[2.0, 1.0, 0.0], [80.0, 0.0, 0.0]])
    p = outputs[0].softmax(0)[0]
    found = _confidence(outputs, torch.tensor([0, 0]))
    torch.testing.assert_close(found, torch.stack([torch.log(p / (1 - p)), torch.tensor(80 - np.log(2))]).float())


def test_a_score_counts_deviations_above_what_shadows_say() -> None:
    found = standardize(torch.tensor([3.0, 0.0]), [torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 2.0])])
    torch.testing.assert_close(found, torch.tensor([3.0, -1.0]).double())
