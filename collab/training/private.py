"""DP-SGD (Abadi et al., CCS 2016): training whose every step tells a clipped and noisy sum of gradients alone."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from collab.errors import EntityError
from collab.guarantee import Guarantee, sampled_noise
from collab.seeding import Stream
from collab.training.feeds import FeatureFeed, steps_in
from collab.training.loop import Recipe, minimize
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.tasks import Task

AT_ONCE = 64
"""Rows whose gradients are held at a time: each is as large as the network."""

MECHANISM = "DP-SGD: Gaussian noise on sums of clipped gradients over Poisson samples"
"""Its name in manifests."""

Drawn = tuple[Tensor, torch.Generator]
"""Numbers of the rows of a step, and the generator that its noise comes from."""


@dataclass(frozen=True)
class Plan:
    """How many steps there are, how likely each takes a row, how long its gradient may be, and how much noise is added.

    `noise_multiplier` counts in `clip`.
    """

    clip: float
    sampling_rate: float
    steps: int
    noise_multiplier: float


def plan_steps(
    epsilon: float,
    delta: float,
    unit: str,
    *,
    clip: float,
    rows: int,
    batch_size: int,
    epochs: int,
    people: int | None = None,
) -> tuple[Plan, Guarantee]:
    """Steps in `epochs` of about `units / batch_size`, and what they guarantee together.

    Units are the `rows` images, or of the unit `identity` the `people` on them. Raises ResourceError without the
    accountant, and EntityError where people are to be hidden and nobody knows them.
    """
    units = people if unit == "identity" else rows
    if units is None:
        raise EntityError("`unit: identity` hides people, and nothing is known of who is on these images.")
    rate, steps = min(1.0, batch_size / units), epochs * steps_in(units, batch_size)
    noise = sampled_noise(epsilon, delta, sampling_rate=rate, steps=steps)
    return Plan(clip, rate, steps, noise), Guarantee(MECHANISM, unit, epsilon, delta, clip, noise, steps, rate)


def count_people(people: Int[Tensor, " rows"] | None) -> int | None:
    """How many there are, numbered from 0 without gaps; None where nobody knows."""
    return None if people is None else int(people.max()) + 1


def refine_privately(
    decider: nn.Module,
    feed: FeatureFeed,
    recipe: Recipe,
    plan: Plan,
    *,
    stream: Stream,
    compute: Compute,
    progress: Progress,
    task: Task,
    people: Int[Tensor, " rows"] | None = None,
) -> tuple[float, ...]:
    r"""Trains C further on the rows of `feed`, which are held in memory. Changes `decider`.

    Each step takes every row with chance q, and follows

    $$ \frac{1}{q n} \Bigl( \sum_i g_i \min(1, c / \lVert g_i \rVert) + \sigma c\, N(0, I) \Bigr) $$

    BatchNorm keeps the statistics of the released C: those of a batch would mix its rows, so that no row had a gradient
    of its own, and statistics taken again would tell of rows without noise. Gradients are taken in fp32 by
    `torch.func`: Opacus asks for networks in training mode, without BatchNorm.

    With `people`, numbers from 0 without gaps of whom rows show, a step takes every person with chance q, and of each
    one row at random: whoever is added or removed with all rows moves the sum by one clipped gradient.
    """
    compute.place(decider).eval()
    parts = [(x, y) for x, y, _ in feed.batches(None)]
    rows, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    learned = {name: weight for name, weight in decider.named_parameters() if weight.requires_grad}
    units = len(rows) if people is None else int(people.max()) + 1
    expected, steps = plan.sampling_rate * units, steps_in(units, recipe.batch_size)

    def batches(generator: torch.Generator) -> Iterator[Drawn]:
        for _ in range(steps):
            taken = torch.nonzero(torch.rand(units, generator=generator) < plan.sampling_rate)[:, 0]
            yield taken if people is None else draw_rows(people, taken, generator), generator

    def loss(batch: Drawn) -> Tensor:
        at, generator = batch[0].to(rows.device), batch[1]
        with torch.autocast(rows.device.type, enabled=False):
            sums, mean = sum_clipped(decider, learned, rows[at], labels[at], plan.clip, task, recipe.label_smoothing)
            total = mean
            for name, weight in learned.items():
                noise = torch.randn(weight.shape, generator=generator).to(weight.device)
                noisy = (sums[name] + plan.noise_multiplier * plan.clip * noise) / expected
                total = total + ((weight - weight.detach()) * noisy).sum()  # 0, and its gradient is `noisy`
        return total

    return minimize(
        loss, decider, batches, recipe,
        steps=steps, stream=stream, compute=compute, progress=progress,
    )  # fmt: skip


def draw_rows(
    people: Int[Tensor, " rows"], taken: Int[Tensor, " taken"], generator: torch.Generator
) -> Int[Tensor, " taken"]:
    """A random row of each person `taken`, by their place among all, in order of their numbers."""
    order, counts = people.argsort(stable=True), torch.bincount(people)
    which = (torch.rand(len(taken), generator=generator) * counts[taken]).long()
    return order[(counts.cumsum(0) - counts)[taken] + which]


def sum_clipped(
    decider: nn.Module,
    learned: dict[str, nn.Parameter],
    rows: Float[Tensor, "rows channels height width"],
    labels: Int[Tensor, " rows"] | Float[Tensor, "rows outputs"],
    clip: float,
    task: Task,
    label_smoothing: float = 0.0,
) -> tuple[dict[str, Tensor], Float[Tensor, ""]]:
    """The sum over rows of their gradients, each shortened to `clip` where it is longer, by name; and the mean loss.

    Of no row it is 0. The network is in eval mode, so that rows know nothing of each other.
    """
    frozen = {name: weight.detach() for name, weight in learned.items()}
    sums, losses = {name: torch.zeros_like(weight) for name, weight in frozen.items()}, list[Tensor]()

    def lose(weights: dict[str, Tensor], row: Tensor, label: Tensor) -> Tensor:
        return task.loss(functional_call(decider, weights, (row[None],)), label[None], label_smoothing=label_smoothing)

    of_each = vmap(grad_and_value(lose), in_dims=(None, 0, 0), randomness="different")
    for start in range(0, len(rows), AT_ONCE):
        with warnings.catch_warnings():  # of operations that torch takes row by row: slower, and the same
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            gradients, values = of_each(frozen, rows[start : start + AT_ONCE], labels[start : start + AT_ONCE])
        squares = [gradient.flatten(1).square().sum(1) for gradient in gradients.values()]
        length = torch.stack(squares).sum(0).sqrt()
        share = (clip / length.clamp(min=1e-12)).clamp(max=1)
        for name, gradient in gradients.items():
            sums[name] += torch.tensordot(share, gradient, 1)
        losses.append(values.detach())
    mean = torch.cat(losses).mean() if losses else torch.zeros((), device=rows.device)
    return sums, mean
