"""Deciders that an adversary trains itself, on halves of its candidates: what C would answer to an image unlearned."""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from collab.attacks.base import Compute, Knowledge, Progress, Stream
from collab.training.feeds import even_batches, steps_in
from collab.training.loop import Recipe, minimize
from collab.training.recipes import outputs_of
from collab.training.tasks import Task


def train_shadow_deciders(
    known: Knowledge, features: Tensor, count: int, epochs: int,
    *, stream: Stream, compute: Compute, progress: Progress,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """What `count` deciders like C make of `features` [candidates, ...]: log-likelihoods of their labels, and halves.

    Each begins anew and learns on a random half of the candidates, so that every candidate is in the training set of
    about half of them: [shadows, candidates] each, the second true where it was. F is the released one, which knows its
    members: shadows differ from C in the decider alone.
    """
    labels, scores, halves = known.candidate_labels, list[Tensor](), list[Tensor]()
    recipe = Recipe(epochs, 32, "adamw", 3e-3, weight_decay=0.05, schedule="one_cycle")
    for number in range(count):
        own = replace(stream, stage=f"{stream.stage} shadow {number}")
        order = torch.randperm(len(labels), generator=own.torch("half"))
        is_in = torch.zeros(len(labels), dtype=torch.bool)
        is_in[order[: len(labels) // 2]] = True
        decider, learned = renew(known.decider, own), torch.nonzero(is_in)[:, 0]

        def batches(generator: torch.Generator, learned: Tensor = learned) -> Iterator[tuple[Tensor, Tensor]]:
            for index in even_batches(len(learned), recipe.batch_size, generator):
                rows = learned[index]
                yield features[rows].to(compute.device), labels[rows].to(compute.device)

        def loss(batch: tuple[Tensor, Tensor], decider: nn.Module = decider) -> Tensor:
            return known.task.loss(decider(batch[0]), batch[1])

        compute.place(decider).train()
        minimize(
            loss, decider, batches, recipe,
            steps=steps_in(len(learned), recipe.batch_size), stream=own, compute=compute, progress=progress,
        )  # fmt: skip
        scores.append(log_likelihoods(known.task, outputs_of(decider, features, compute), labels))
        halves.append(is_in)
    return torch.stack(scores), torch.stack(halves)


def renew(decider: nn.Module, stream: Stream) -> nn.Module:
    """An untrained network like `decider`: every layer that knows how is initialized again."""
    fresh = copy.deepcopy(decider).requires_grad_(True)
    with stream.initialization():
        for layer in fresh.modules():
            for name in ("reset_parameters", "_reset_parameters"):
                if callable(begin := getattr(layer, name, None)):
                    begin()
                    break
    return fresh


def log_likelihoods(task: Task, outputs: Tensor, labels: Tensor) -> Tensor:
    """-loss of each of `outputs` [candidates, outputs] against its label: of classes log p(y | x), [candidates]."""
    alone = zip(torch.split(outputs, 1), torch.split(labels, 1), strict=True)
    return -torch.stack([task.loss(answer, label) for answer, label in alone])


def relative_likelihoods(target: Tensor, shadows: Tensor) -> Tensor:
    r"""$\log p(x) - \log \frac{1}{K} \sum_k p_k(x)$, [candidates]: how much likelier C finds one than others do.

    The shadows' mean over halves stands for p(x) (Zarifzadeh, Liu and Shokri, ICML 2024); their share of other images
    with a smaller ratio orders candidates in the same way. `target` [candidates] and `shadows` [K, candidates] are
    logarithms.
    """
    return target - (shadows.logsumexp(0) - math.log(len(shadows)))


def likelihood_ratios(target: Tensor, shadows: Tensor, is_in: Tensor) -> Tensor:
    r"""$\log \mathcal N(\phi; \mu_1, \sigma_1^2) - \log \mathcal N(\phi; \mu_0, \sigma_0^2)$, [candidates].

    $\phi = \log p / (1 - p)$; 1 stands for in, 0 for out (LiRA: Carlini et al., IEEE S&P 2022, online). Means are of
    each candidate, over shadows that learned it and that did not. Variances are of all candidates together, as few
    shadows tell none of each. A candidate that was in all halves, or in none, has the mean of all others in place of
    the missing one.
    """
    own, others = (values - torch.log1p(-values.exp().clamp(max=1 - 1e-6)) for values in (target, shadows))
    total = torch.zeros_like(own)
    for sign, here in ((1.0, is_in), (-1.0, ~is_in)):
        counts = here.sum(0)
        overall = others[here].mean()
        mean = torch.where(counts > 0, (others * here).sum(0) / counts.clamp(min=1), overall)
        variance = ((others - mean).square() * here).sum() / (here.sum() - (counts > 0).sum()).clamp(min=1)
        total -= sign * ((own - mean).square() / variance + variance.log()) / 2
    return total
