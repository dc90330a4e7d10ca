"""A step on a GPU waits for nobody: copies between host and device are counted, without a GPU.

Fake tensors have a device, shapes and types, but no values: torch refuses operations across devices as a GPU would,
and each operation that crosses is seen by name.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from collab.defenses.dpm_network import Rotating, build_dpm
from collab.metrics import visual
from collab.models.backbones import build_split
from collab.models.freeze import freeze
from collab.models.reconstructors import build_reconstructor
from collab.seeding import Stream
from collab.training import columns, loop, poisoning, recipes
from collab.training.feeds import FeatureFeed, ImageSet, InMemory
from collab.training.loop import Recipe
from collab.training.poisoning import Poisoning, train_dpm
from collab.training.precision import Compute
from collab.training.progress import Progress

GPU = torch.device("cuda", 0)
ROWS, SIDE = 24, 16
HOW: dict[str, Any] = {"stream": Stream(0, "a1", "copies"), "progress": Progress()}


class Counted(TorchDispatchMode):
    """Names of operations that read from one kind of device and write to another, or hand a value to the host."""

    READS = ("_local_scalar_dense", "nonzero", "item", "is_nonzero", "masked_select", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.crossings: list[str] = []

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [part for part in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(part, Tensor)]
        name = func.overloadpacket.__name__
        is_read = any(part.device.type == "cuda" for part in given) and any(name.startswith(r) for r in self.READS)
        if is_read:
            self.crossings.append(name)
        fused = name.startswith("_fused_")  # kernels that have no fake ones; they change in place and answer nothing
        answer = None if fused else func(*args, **(kwargs or {}))
        made = [part for part in torch.utils._pytree.tree_leaves(answer) if isinstance(part, Tensor)]
        # a scalar of the host may be an argument of a kernel; nothing waits for it
        kinds = {part.device.type for part in [*given, *made] if part.ndim or part.device.type == "cuda"}
        if len(kinds) > 1 and not is_read:
            self.crossings.append(name)
        return answer


def backward(value: Tensor) -> None:
    """Gives each leaf below `value` a gradient of its own shape: torch's engine runs on real devices only."""
    todo, seen = [value.grad_fn], set[Any]()
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            if (leaf := getattr(node, "variable", None)) is not None:
                leaf.grad = torch.zeros_like(leaf)
            todo += [following for following, _ in node.next_functions]


class FakeGpu(Compute):
    """A GPU whose networks are there already: a fake module cannot be moved."""

    @override
    def place(self, net: Any) -> Any:
        return net

    @override
    def lane(self) -> Any:
        return nullcontext()


COMPUTE = FakeGpu("cuda", "bfloat16")


class World:
    """Images on the host, features of them in a shard, and networks on the GPU, with weights that have no values."""

    def __init__(self) -> None:
        pixels = np.zeros((ROWS, 3, SIDE, SIDE), dtype=np.uint8)
        self.images = ImageSet(pixels, np.arange(ROWS) % 3)
        with GPU:
            split = build_split("resnet8", "conv2_1", classes=3, width=4)
            self.whole, self.decider = nn.Sequential(split.featurizer, split.decider), split.decider
            self.shape = (4, 16, 16)
            self.reconstructor = build_reconstructor("px2s2", self.shape, SIDE)
            self.dpm = build_dpm(self.shape[0])

    def feed(self, batch: int) -> FeatureFeed:
        shard = InMemory(torch.zeros(ROWS, *self.shape, dtype=torch.float16), torch.zeros(ROWS, dtype=torch.int64))
        return FeatureFeed([shard], self.shape, batch, GPU)


def recipe(batch: int, optimizer: str = "muon") -> Recipe:
    return Recipe(1, batch, optimizer, 0.1, augment=True, label_smoothing=0.1)  # type: ignore[arg-type]


def poison(world: World, batch: int, aim: Poisoning, **more: Any) -> None:
    train_dpm(
        world.dpm, world.feed(batch), world.images, freeze(world.decider), freeze(world.reconstructor), aim,
        replace(recipe(batch), augment=False), compute=COMPUTE, **HOW, **more,
    )  # fmt: skip


def person(world: World, batch: int) -> None:
    with GPU:
        identifier = nn.Sequential(nn.Flatten(), nn.Linear(4 * 16 * 16, 7))
    poison(world, batch, Poisoning("labels", "abs", 1.0, "per_step"), identifier=(identifier, 7))


def rotating(world: World, batch: int) -> None:
    with GPU:
        world.dpm = Rotating([build_dpm(4), build_dpm(4)])
    poison(world, batch, Poisoning("labels", "abs", 1.0))


TRAININGS: dict[str, Callable[[World, int], object]] = {
    **{
        f"classifier {name}": lambda world, batch, name=name: recipes.train_classifier(  # type: ignore[misc]
            world.whole, world.images, recipe(batch, name), compute=COMPUTE, **HOW
        )
        for name in ("sgd", "adam", "muon")
    },
    "R": lambda world, batch: recipes.train_reconstructor(
        world.reconstructor, world.feed(batch), world.images, recipe(batch), compute=COMPUTE, **HOW
    ),
    "DPM labels": lambda world, batch: poison(world, batch, Poisoning("labels", "abs", 1.0)),
    "DPM logits": lambda world, batch: poison(world, batch, Poisoning("logits", "abs_map", 1.0)),
    "DPM adapt": lambda world, batch: poison(world, batch, Poisoning("labels", "abs", 1.0, adapt=True)),
    "DPM people": person,
    "refine": lambda world, batch: recipes.refine_decider(
        world.decider, world.feed(batch), recipe(batch), bn="update", compute=COMPUTE, **HOW
    ),
}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(columns, "free_bytes", lambda device: 1 << 40)
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(loop, "_refuse_divergence", lambda *_: None)
    for kind in (Tensor, FakeTensor):  # losses, once an epoch
        monkeypatch.setattr(kind, "tolist", lambda tensor: [0] * max(1, tensor.numel()))
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(Tensor, "backward", backward)
    monkeypatch.setattr(poisoning, "fold", freeze)  # fake weights cannot be copied or traced
    monkeypatch.setattr(poisoning, "copy", SimpleNamespace(deepcopy=lambda net: net))
    visual._band.cache_clear()
    with FakeTensorMode(allow_non_fake_inputs=True):
        visual._band(SIDE, *visual.ssim_window(SIDE), GPU)  # made once for each device, not once a training
        yield
    visual._band.cache_clear()


def crossings(train: Callable[[World, int], object], batch: int) -> list[str]:
    world = World()
    with Counted() as counted:
        train(world, batch)
    return counted.crossings


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("name", TRAININGS)
def test_copies_of_an_epoch_do_not_grow_with_its_steps(name: str) -> None:
    few, many = (crossings(TRAININGS[name], batch) for batch in (24, 12))
    assert few  # rows, orders: they do reach the device
    assert many == few, f"{len(many) - len(few)} more in two steps than in one"


def test_the_gradient_of_ssim_stays_on_the_device() -> None:
    """The one gradient that is written out here and not by torch; on the device without values, which has an engine."""
    meta = torch.device("meta")
    rebuilt, images = (torch.rand(2, 3, 32, 32, device=meta, requires_grad=True) for _ in range(2))
    band = visual._band(32, 11, 1.5, meta)
    with Counted() as counted:
        luminance, structure = visual._Terms.apply(rebuilt, images, band, band)
        (luminance * structure).mean().backward()
    assert rebuilt.grad is not None
    assert not counted.crossings


PLANTED: dict[str, Callable[[Tensor], object]] = {
    "a value is read": lambda images: float(images.sum()),
    "a condition is asked": lambda images: bool((images > 0).any()),
    "indices are looked for": lambda images: torch.nonzero(images > 0),
    "rows are sent": lambda images: images + torch.ones(len(images), 1, 1, 1).to(images.device),
    "rows are fetched": lambda images: images.cpu(),
}


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("name", PLANTED)
def test_what_waits_in_a_step_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shifted = recipes.shifted

    def slow(images: Tensor, shifts: Tensor) -> Tensor:
        with suppress(Exception):  # a value of a fake tensor
            PLANTED[name](images)
        return shifted(images, shifts)

    monkeypatch.setattr(recipes, "shifted", slow)
    few, many = (crossings(TRAININGS["classifier sgd"], batch) for batch in (24, 12))
    assert len(many) == len(few) + 1


@pytest.mark.usefixtures("fake")
def test_rotating_modules_send_the_rows_of_each_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = lambda picked, minlength: SimpleNamespace(tolist=lambda: [len(picked) // 2] * 2)  # noqa: E731
    monkeypatch.setattr(Tensor, "bincount", halves)
    few, many = (crossings(rotating, batch) for batch in (24, 12))
    assert len(many) == len(few) + 1
