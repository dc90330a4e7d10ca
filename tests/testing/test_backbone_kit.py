"""The kit passes a right backbone and ours, and rejects one that breaks each of its rules, with what to do."""

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from collab.architectures import Backbone
from collab.plugins.discovery import INSTALLED
from collab.testing import backbones
from collab.testing.backbones import check_splitting
from collab.testing.controls import Check


class Right(Backbone):
    """Two convolutions and a head, or others in their place."""

    sides = (16, 32)
    hooks = ("one", "two")

    def __init__(self, **others: Callable[[], nn.Module | None]) -> None:
        self.others = others

    def pieces(self, outputs: int, width: int | None) -> dict[str, nn.Module]:
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs))
        made = {"one": nn.Conv2d(3, 4, 3), "two": nn.Conv2d(4, 4, 3), "head": head}
        made |= {name: build() for name, build in self.others.items()}
        return {name: piece for name, piece in made.items() if piece is not None}


class Headless(Right):
    hooks = ("one", "two", "head")


class Backward(Right):
    hooks = ("two", "one")


class Rectified(Right):
    def is_rectified(self, hook: str) -> bool:
        return True


class Unseeded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((4, 3), random.random()))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("oc,bchw->bohw", self.weight, x)


class Drawing(nn.Module):
    """Draws from Python's generator, always or while it learns."""

    def __init__(self, *, always: bool) -> None:
        super().__init__()
        self.always = always

    def forward(self, x: Tensor) -> Tensor:
        return x * random.random() if self.always or self.training else x


class Passing(nn.Module):
    """Hands a value past the pieces: what a decider of others' features never sees."""

    last = torch.zeros(())

    def __init__(self, *, takes: bool) -> None:
        super().__init__()
        self.takes = takes

    def forward(self, x: Tensor) -> Tensor:
        if not self.takes:
            Passing.last = x[:, :, 0].mean()
        return x + Passing.last if self.takes else x


class Hidden(nn.Module):
    """Has weights that are no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = [torch.randn(4, 3)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("oc,bchw->bohw", self.weights[0], x)


class Idle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


def in_place() -> nn.Module:
    return nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3))


def head_of_rows() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 5))


def behind(piece: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Conv2d(3, 4, 3), piece)


WRONG: dict[str, tuple[Right, str, str]] = {
    "no head": (Right(head=lambda: None), "pieces", "the last piece must be called `head`; there are one, two"),
    "a hook that is no piece": (Right(two=lambda: None), "pieces", "a split at 'two' ends with the piece 'two', which"),
    "the head as a hook": (Headless(), "pieces", "ends with the piece 'head', which is none of one, two"),
    "hooks out of order": (Backward(), "pieces", "must stand in the order of the pieces, and are two, one"),
    "unseeded": (Right(one=Unseeded), "same seed, same bits", "one.weight differs between two builds of one seed"),
    "draws": (Right(two=lambda: Drawing(always=True)), "same seed, same bits", "asked twice about images of 16 px"),
    "draws in training": (Right(two=lambda: Drawing(always=False)), "same seed, same bits", "while it learns it draws"),
    "passes values": (
        Right(one=behind(Passing(takes=False)), two=lambda: Passing(takes=True)), "exact split", "may share no values",
    ),
    "overwrites features": (Right(two=in_place), "exact split", "the decider behind 'one' overwrites the features"),
    "other outputs": (Right(head=nn.Flatten), "exact split", "it must be finite, [6, 5]"),
    "no maps": (
        Right(two=lambda: nn.Flatten(2), head=head_of_rows), "features", "features at 'two' of images of 16 px are [6,",
    ),
    "not rectified": (Rectified(), "features", "`is_rectified('one')` says that features are never negative, and some"),
    "weights apart": (Right(one=Hidden), "released whole", "must be a parameter or a buffer"),
    "idle weights": (Right(two=Idle), "released whole", "no gradient reaches two.idle.weight"),
    "broken": (Right(two=lambda: nn.Conv2d(5, 4, 3)), "builds", "it raised RuntimeError: "),
}  # fmt: skip


@pytest.fixture(autouse=True)
def imports_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is checked in a process of its own is tested with docs/add_a_backbone.md."""
    monkeypatch.setattr(backbones, "_check_import", lambda kind, plugins: "")


def failed(checks: tuple[Check, ...]) -> list[Check]:
    return [check for check in checks if check.problem]


@pytest.mark.parametrize("backbone", [Right(), "resnet8", "vgg16_small"])
def test_a_right_backbone_passes(backbone: str | Right) -> None:
    checks = check_splitting(backbone, None, "right", INSTALLED, most_times=1000)
    assert failed(checks) == []
    assert [check.name for check in checks] == [
        "without torch", "pieces", "same seed, same bits", "exact split", "features", "released whole", "cost",
    ]  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_a_backbone_that_breaks_a_rule_is_told(fault: str) -> None:
    backbone, name, problem = WRONG[fault]
    (check,) = failed(check_splitting(backbone, None, "wrong", INSTALLED, most_times=1))
    assert (check.name, problem in check.problem) == (name, True), check


def test_a_slow_backbone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([3.0, 0.1])
    monkeypatch.setattr(backbones, "_time", lambda build, side: next(seconds))
    (check,) = failed(check_splitting(Right(), None, "slow", INSTALLED, most_times=20))
    assert check.problem.startswith(
        "3000 ms for a step of 6 images of 32 px, 30 times resnet18_small; at most 20 times"
    )
