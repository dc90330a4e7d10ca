"""The kit passes right metrics, and rejects one that breaks each of its rules, with what is wrong."""

import numpy as np
import pytest
import torch
from torch import Tensor

from collab.metrics.visual import l1, ssim
from collab.results.metric import Metric
from collab.testing import metrics
from collab.testing.metrics import check_figures


class OfImages(Metric):
    kind = "of_images"

    def of_images(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        return l1(rebuilt, images)


class Likeness(OfImages):
    better = "down"

    def of_images(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        return ssim(rebuilt, images)


class Backward(Likeness):
    better = "up"


class Single(OfImages):
    def of_images(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        return l1(rebuilt, images).mean()


class Undefined(OfImages):
    def of_images(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        return l1(rebuilt, images) / rebuilt.mean((1, 2, 3))


class Drawing(OfImages):
    def of_images(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        return l1(rebuilt, images) + torch.rand(len(images))


class Overwriting(OfImages):
    def of_images(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        return rebuilt.sub_(images).abs().mean((1, 2, 3)).clone() * 0


class Relative(OfImages):
    def of_images(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        return l1(rebuilt, images) / (1 + images.std())


class Whole(OfImages):
    def of_images(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        return l1(rebuilt, images).mul(10).long()


class OfAnswers(Metric):
    kind = "of_answers"
    better = "up"
    is_share = True

    def of_answers(self, answers: np.ndarray, truth: np.ndarray) -> float:
        return float(answers.mean())


class Wrong(OfAnswers):
    def of_answers(self, answers: np.ndarray, truth: np.ndarray) -> float:
        return float((~answers).mean())


class OfFirst(OfAnswers):
    def of_answers(self, answers: np.ndarray, truth: np.ndarray) -> float:
        return float(answers[:5].mean())


class OfAbsent(OfAnswers):
    def of_answers(self, answers: np.ndarray, truth: np.ndarray) -> float:
        return float(answers[truth == 3].sum() / max((truth == 3).sum(), 0.5)) if 3 in truth else float("nan")


class Percent(OfAnswers):
    def of_answers(self, answers: np.ndarray, truth: np.ndarray) -> float:
        return float(100 * answers.mean())


class Broken(OfAnswers):
    def of_answers(self, answers: np.ndarray, truth: np.ndarray) -> float:
        raise KeyError("no such class")


WRONG: dict[type[Metric], tuple[str, str]] = {
    Single: ("figures", "answered [] for 32 images"),
    Undefined: ("figures", "or what is not finite"),
    Drawing: ("figures", "asked twice about noise of 16 px it answers differently"),
    Overwriting: ("figures", "it changes the images that it is given"),
    Whole: ("figures", "it answers torch.int64"),
    Relative: ("batch", "take the mean over pixels alone"),
    Backward: ("direction", "and `better` is 'up': the way in which less is disclosed. Turn it round"),
    OfAbsent: ("figures", "of answers that are of one class it answers nan"),
    Percent: ("figures", "of answers that are all right it answers 100.0, and `is_share`"),
    OfFirst: ("order", "in another order of the images it answers"),
    Wrong: ("direction", "right answers score 0 and wrong ones 1, and `better` is 'up'"),
    Broken: ("figures", "it raised KeyError: 'no such class'"),
}


def made(kind: type[Metric]) -> Metric:
    return kind(kind.Options(kind=kind.kind))


@pytest.mark.parametrize("kind", [OfImages, Likeness, OfAnswers])
def test_a_right_metric_passes(kind: type[Metric]) -> None:
    checks = check_figures(made(kind), most_times=1000)
    assert [check for check in checks if check.problem] == []
    assert len(checks) == 4


@pytest.mark.parametrize("kind", WRONG, ids=lambda kind: kind.__name__)
def test_a_metric_that_breaks_a_rule_is_told(kind: type[Metric]) -> None:
    name, problem = WRONG[kind]
    (check,) = (check for check in check_figures(made(kind), most_times=1000) if check.problem)
    assert (check.name, problem in check.problem) == (name, True), check


def test_a_slow_metric_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.5, 0.01])
    monkeypatch.setattr(metrics, "_time", lambda ask: next(seconds))
    *_, check = check_figures(made(OfImages), most_times=20)
    assert check.problem == "500.0 ms for 32 images of 32 px, 50 times SSIM; at most 20 times is expected."
