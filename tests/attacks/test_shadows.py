"""Shadow modules: whose labels they learn, and which reconstructors they are trained against."""

import torch

from collab.attacks.shadows import draw_labels
from collab.training.tasks import Classification, Pose

POSE = Pose(("roll", "yaw"))
CHANCES = torch.tensor([[0.7, 0.2, 0.1], [0.05, 0.05, 0.9]])


def test_labels_differ_from_answers_as_often_as_c_expects_to_be_wrong() -> None:
    outputs = CHANCES.log().repeat(20_000, 1)
    drawn = draw_labels(Classification(("a", "b", "c")), outputs, torch.Generator().manual_seed(0)).view(-1, 2)
    for column, chances in enumerate(CHANCES):
        told = torch.bincount(drawn[:, column], minlength=3) / len(drawn)
        torch.testing.assert_close(told, chances, rtol=0, atol=0.015)


def test_of_another_task_they_are_what_c_answers() -> None:
    outputs = torch.randn(4, 2)
    assert torch.equal(draw_labels(POSE, outputs, torch.Generator()), POSE.targets_of(outputs))
