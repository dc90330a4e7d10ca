"""What a task is: losses against closed forms and another library, metrics, targets that are turned or wrong."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import bernoulli, entropy
from torch import Tensor

from collab.metrics.scores import map_measure, mcc_measure
from collab.metrics.utility import mcc, mean_average_precision
from collab.tasks import MAIN_METRIC, find_main_metric
from collab.training.losses import attribute_equivalence, attribute_loss, identity_confusion, pose_loss
from collab.training.tasks import DEGREES, Attributes, Classification, Pose, Task, task_of

POSE = Pose(("roll", "pitch", "yaw"))
FACE = Attributes(("hat", "beard", "smile"))
CLASSES = Classification(("a", "b", "c"))


def drawn(rows: int, columns: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator), torch.randint(
        0, 2, (rows, columns), generator=generator
    ).float()


def test_attribute_loss_is_the_mean_negative_log_likelihood() -> None:
    logits, targets = drawn(5, 3)
    p = 1 / (1 + np.exp(-logits.numpy().astype(np.float64)))
    expected = -bernoulli.logpmf(targets.numpy(), p).mean()
    assert float(attribute_loss(logits, targets)) == pytest.approx(expected, rel=1e-5)
    assert float(attribute_loss(torch.zeros(2, 3), torch.ones(2, 3))) == pytest.approx(math.log(2))


def test_smoothing_moves_attributes_towards_the_middle() -> None:
    logits, targets = drawn(5, 3)
    assert float(attribute_loss(logits, targets, label_smoothing=1.0)) == pytest.approx(
        float(attribute_loss(logits, torch.full_like(targets, 0.5)))
    )
    assert torch.equal(attribute_loss(logits, targets, label_smoothing=0.0), attribute_loss(logits, targets))


def test_attribute_equivalence_is_the_mean_kl_of_coins() -> None:
    kept, changed = drawn(4, 3)[0], drawn(4, 3, seed=1)[0]
    p, q = (each.double().sigmoid().numpy().ravel() for each in (kept, changed))
    expected = np.mean([entropy([a, 1 - a], [b, 1 - b]) for a, b in zip(p, q, strict=True)])
    assert float(attribute_equivalence(changed, kept)) == pytest.approx(expected, rel=1e-4)
    assert float(attribute_equivalence(kept, kept)) == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize(("apart", "loss"), [(0.0, 0.0), (5.0, 0.125), (10.0, 0.5), (30.0, 2.5)])
def test_pose_loss_is_quadratic_within_its_unit_and_linear_beyond(apart: float, loss: float) -> None:
    degrees = torch.tensor([[3.0, -8.0, 20.0]])
    assert float(pose_loss(degrees + apart, degrees, unit=10.0)) == pytest.approx(loss, abs=1e-6)
    outputs = (degrees - apart) / DEGREES
    assert float(POSE.loss(outputs, degrees)) == pytest.approx(loss, abs=1e-6)


def test_confusion_towards_random_people_is_smallest_for_a_uniform_answer() -> None:
    people = torch.arange(8)
    flat = float(identity_confusion(torch.zeros(8, 8), people))
    assert flat == pytest.approx(math.log(8))
    for seed in range(3):
        logits = torch.randn(1, 8, generator=torch.Generator().manual_seed(seed)).expand(8, 8)
        assert float(identity_confusion(logits, people)) > flat


@pytest.mark.parametrize("task", [CLASSES, FACE, POSE], ids=lambda task: task.kind)
def test_the_own_answer_is_equivalent_and_another_is_not(task: Task) -> None:
    outputs, other = drawn(6, 3)[0], drawn(6, 3, seed=1)[0]
    assert float(task.equivalence(outputs, outputs)) == pytest.approx(0.0, abs=1e-6)
    assert float(task.equivalence(other, outputs)) > 0.01
    fidelity = task.fidelity(outputs, outputs, 0)[0]
    assert fidelity.metric == MAIN_METRIC[task.kind].fidelity
    assert fidelity.value == (1.0 if fidelity.metric == "agreement" else 0.0)


def test_the_main_metric_comes_first_and_is_found_again() -> None:
    logits, targets = drawn(40, 3)
    degrees = 10 * drawn(40, 3, seed=2)[0]
    labels = torch.arange(40) % 3
    for task, target in ((CLASSES, labels), (FACE, targets), (POSE, degrees)):
        measures = task.measures(logits, target, 0, "_original")
        main = MAIN_METRIC[task.kind]
        assert measures[0].metric == f"{main.name}_original"
        assert find_main_metric(each.metric for each in measures) is main
        assert task_of(task.kind, task.names) == task


def test_perfect_and_reversed_answers_have_the_best_and_a_worse_score() -> None:
    _, targets = drawn(50, 3)
    assert FACE.measures(20 * targets - 10, targets, 0)[0].value == 1.0
    assert FACE.measures(20 * targets - 10, targets, 0)[1].value == 1.0
    assert FACE.measures(10 - 20 * targets, targets, 0)[1].value == -1.0
    degrees = torch.tensor([[10.0, -20.0, 5.0]])
    (error,) = POSE.measures(degrees / DEGREES + 0.3, degrees, 0)
    assert error.value == pytest.approx(3.0, abs=1e-5)


def test_map_and_mcc_are_those_of_the_equations_and_their_intervals_hold_them() -> None:
    scores, targets = drawn(200, 4)
    scores = scores + targets
    is_true = targets > 0.5
    found = map_measure("map", scores, is_true, 0)
    assert (found.value, found.n) == (mean_average_precision(scores, is_true)[0], 200)
    again = mcc_measure("mcc", scores.sigmoid(), is_true, 0)
    assert again.value == float(mcc(scores.sigmoid(), is_true).mean())
    for each in (found, again):
        assert each.low is not None
        assert each.high is not None
        assert each.low < each.value < each.high
        assert 0.02 < each.high - each.low < 0.3


def test_the_interval_of_map_covers_what_resampling_by_hand_gives() -> None:
    scores, targets = drawn(120, 2)
    is_true = (targets + 0.6 * scores) > 0.5
    found = map_measure("map", scores, is_true, 0)
    rng = np.random.default_rng(5)
    by_hand = [mean_average_precision(scores[rows], is_true[rows])[0] for rows in rng.integers(0, 120, (200, 120))]
    low, high = np.quantile(by_hand, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)


def test_chance_is_the_positive_rate_and_the_best_single_pose() -> None:
    targets = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]])
    assert FACE.chance(targets)[0].value == pytest.approx((1 + 0.25) / 2)
    degrees = torch.tensor([[0.0, 0, 0], [6, 0, 0], [30, 0, 0]])
    assert POSE.chance(degrees)[0].value == pytest.approx((6 + 24) / 9)
    assert CLASSES.chance(torch.arange(3)) == ()


def test_a_mirrored_face_rolls_and_turns_the_other_way() -> None:
    degrees = torch.tensor([[3.0, 4.0, 5.0], [3.0, 4.0, 5.0]])
    mirrored = POSE.mirror(degrees, torch.tensor([True, False]))
    assert mirrored.tolist() == [[-3.0, 4.0, -5.0], [3.0, 4.0, 5.0]]
    assert torch.equal(FACE.mirror(degrees, torch.tensor([True, False])), degrees)


@pytest.mark.parametrize(("task", "targets"), [
    (CLASSES, torch.tensor([0, 1, 2, 1])), (FACE, torch.tensor([[1.0, 0, 1]] * 4)), (POSE, torch.full((4, 3), 7.0)),
])  # fmt: skip
def test_what_is_to_be_wrong_is_wrong_and_nothing_else(task: Task, targets: Tensor) -> None:
    is_wrong = torch.tensor([True, False, True, False])
    found = task.make_wrong(targets, is_wrong, torch.Generator().manual_seed(0))
    differs = (found != targets).reshape(4, -1).any(1)
    assert differs.tolist() == is_wrong.tolist()
    assert found.dtype == targets.dtype
