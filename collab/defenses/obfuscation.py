r"""DeepObfuscator: its losses, one function each, its schedule, and the training (SCIENCE 1.6).

E obfuscates, C reads the utility attributes, A the private ones, R rebuilds; forms of the losses as in its released
code. (O1) is the loss of the task, (O2) `attribute_loss` of the private attributes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from collab.metrics.visual import ms_ssim
from collab.models.freeze import freeze
from collab.seeding import Stream
from collab.training.columns import Column
from collab.training.feeds import ImageSet, Pictures, numbered_batches, steps_in
from collab.training.loop import Recipe, Turn, take_turns
from collab.training.losses import attribute_loss
from collab.training.precision import Compute
from collab.training.progress import Progress

CYCLE = 5
"""Batches after which the turns of the adversarial stage begin anew."""
FULL_WEIGHT = 10.0
FULL_EPOCHS = 10
LAST_EPOCH = 20
"""w is 10 in epochs 0 to 10, then 20 - epoch."""


def unlikeness(
    rebuilt: Float[Tensor, "batch 3 height width"], images: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, ""]:
    r"""(O3): $1 - \mathrm{MSSSIM}(R(E(x)), x)$, mean over the batch, in [0, 1]; at 160 px and below fewer levels."""
    return (1 - ms_ssim(rebuilt, images)).mean()


def unlikeness_to_noise(
    rebuilt: Float[Tensor, "batch 3 height width"], noise: Float[Tensor, "3 height width"]
) -> Float[Tensor, ""]:
    r"""(O4): $1 - \mathrm{MSSSIM}(R(E(x)), n)$ with one fixed image $n$ for all of the batch."""
    return unlikeness(rebuilt, noise.expand_as(rebuilt))


def noise_image(height: int, width: int, generator: torch.Generator) -> Float[Tensor, "3 height width"]:
    """n of (O4): Gaussian noise whose least and greatest values are scaled to 0 and 1; drawn once for a training."""
    drawn = torch.randn(3, height, width, generator=generator)
    return (drawn - drawn.min()) / (drawn.max() - drawn.min())


def adversarial_weight(epoch: int, epochs: int = LAST_EPOCH) -> float:
    """w in `epoch` (from 0): 10 up to epoch 10, then 20 - epoch; stretched where there are not 20 epochs."""
    place = epoch * LAST_EPOCH / epochs
    return FULL_WEIGHT if place <= FULL_EPOCHS else LAST_EPOCH - place


@dataclass(frozen=True)
class Obfuscation:
    """The four networks; without private attributes there is no A."""

    obfuscator: nn.Module
    task: nn.Module
    reconstructor: nn.Module
    privacy: nn.Module | None

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """E, C, R and A, where there is one, by their letters; E is first."""
        players = {"E": self.obfuscator, "C": self.task, "R": self.reconstructor}
        return players if self.privacy is None else {**players, "A": self.privacy}


@dataclass(frozen=True)
class Labeled:
    """A batch: images in [0, 1], what C is to read, what A is to read."""

    images: Float[Tensor, "batch 3 height width"]
    utility: Tensor
    private: Tensor | None


TaskLoss = Callable[[Tensor, Tensor], Tensor]
"""(O1): of C's output and the targets of the task."""


def initial_turns(networks: Obfuscation, batch: Labeled) -> Iterator[Turn]:
    """The initial stage of R by (O3) and A by (O2), on what E makes; E and C have had theirs when they were F and C."""
    encode, rebuild, read = networks.obfuscator, networks.reconstructor, networks.privacy
    yield Turn(("R",), lambda: unlikeness(rebuild(encode(batch.images)), batch.images))
    if read is not None and batch.private is not None:
        private = batch.private
        yield Turn(("A",), lambda: attribute_loss(read(encode(batch.images)), private))


def adversarial_turns(
    networks: Obfuscation, batch: Labeled, index: int, *, weight: float, noise: Tensor, task_loss: TaskLoss
) -> Iterator[Turn]:
    """Who learns what from batch `index` of the adversarial stage, by `index` mod 5, w = `weight`.

    0: E ← O1 + w·O4. 1: E ← O1 - w·O3. 2: E ← O1 - w·O2. 3: R ← O3, A ← O2. 4: C ← O1.
    Without private attributes 2 is E ← O1, and 3 is R alone.
    """
    encode, rebuild, read = networks.obfuscator, networks.reconstructor, networks.privacy

    def hide(disclosed: Callable[[Tensor], Tensor], signed: float) -> Tensor:
        features = encode(batch.images)
        return task_loss(networks.task(features), batch.utility) + signed * disclosed(features)

    match index % CYCLE:
        case 0:
            yield Turn(("E",), lambda: hide(lambda f: unlikeness_to_noise(rebuild(f), noise), weight))
        case 1:
            yield Turn(("E",), lambda: hide(lambda f: unlikeness(rebuild(f), batch.images), -weight))
        case 2 if read is not None and batch.private is not None:
            private = batch.private
            yield Turn(("E",), lambda: hide(lambda f: attribute_loss(read(f), private), -weight))
        case 2:
            yield Turn(("E",), lambda: task_loss(networks.task(encode(batch.images)), batch.utility))
        case 3:
            yield from initial_turns(networks, batch)
        case _:
            yield Turn(("C",), lambda: task_loss(networks.task(encode(batch.images)), batch.utility))


def train_obfuscator(
    networks: Obfuscation,
    images: ImageSet,
    utility: Tensor,
    private: Tensor | None,
    initial: Recipe,
    recipe: Recipe,
    *,
    task_loss: TaskLoss,
    stream: Stream,
    compute: Compute,
    progress: Progress,
) -> tuple[float, ...]:
    """The initial stage of R and A, then the adversarial stage; changes all four networks and leaves them frozen.

    Row i of `utility` and `private` belongs to image i. Departure: E and C begin as they are given, trained by (O1).
    Returns the mean loss of E in each epoch of the adversarial stage.
    """
    for player in networks.players.values():
        freeze(compute.place(player))
    height, width = images.images.shape[2:]
    noise = noise_image(height, width, stream.torch("noise image")).to(compute.device)

    device = compute.device
    pictures, useful = Pictures(images, device), Column(utility, device)
    hidden = None if private is None else Column(private, device)

    def batches(size: int, generator: torch.Generator) -> Iterator[Labeled]:
        for numbers in numbered_batches(len(images), size, generator, device):
            withheld = None if hidden is None else hidden.take(numbers)
            yield Labeled(pictures.take(numbers), useful.take(numbers), withheld)

    take_turns(
        lambda batch, _, __: initial_turns(networks, batch),
        {name: player for name, player in networks.players.items() if name in "RA"},
        partial(batches, initial.batch_size), initial,
        steps=steps_in(len(images), initial.batch_size), stream=replace(stream, stage=f"{stream.stage} initial"),
        compute=compute, progress=progress,
    )  # fmt: skip
    return take_turns(
        lambda batch, index, epoch: adversarial_turns(
            networks, batch, index,
            weight=adversarial_weight(epoch, recipe.epochs), noise=noise, task_loss=task_loss,
        ),
        networks.players,
        partial(batches, recipe.batch_size), recipe,
        steps=steps_in(len(images), recipe.batch_size), stream=stream, compute=compute, progress=progress,
    )  # fmt: skip
