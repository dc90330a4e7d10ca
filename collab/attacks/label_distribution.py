"""How many images of each class a network has learned of that answers about public ones (ATTACKS A8)."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.answer_membership import learn_student
from collab.attacks.base import Attack, Compute, Knowledge, Need, Progress, Stream
from collab.training.loop import Recipe
from collab.training.recipes import outputs_of

LEAST = 1e-4
"""Below it a probability says no more: answers have 16 bits, or fewer."""


@dataclass(frozen=True)
class LabelDistribution(Attack):
    r"""Reads the shares of the classes from how answers about the same images differ from those of the released C.

    By Bayes' rule $p(y | z) \propto p(z | y)\, \pi(y)$, so that the victim's shares are those of C times

    $$ \exp\, d(y), \qquad d(y) = T \operatorname{mean}_z \bigl( \log p_i(y | z) - \log p_0(y | z) \bigr) $$

    (label shift, as in Saerens, Latinne and Decaestecker 2002). C is taken to have learned of all classes alike. A
    network that is trained further moves less far, or farther: with `shadows` $d$ is scaled as fits best to teachers of
    the adversary's own, whose shares it knows.
    """

    Options = options.LabelDistribution
    needs = frozenset({"decider", "victim_defense"})

    recipe: Recipe
    shadows: int

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs | (frozenset[Need]({"own_data", "featurizer"}) if self.shadows else frozenset[Need]())

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        about, answers = (torch.cat(parts) for parts in zip(*known.shard(), strict=True))
        temperature = float(getattr(known.victim_defense, "temperature", 1.0))
        usual = (outputs_of(known.decider, about, compute) / temperature).softmax(1)
        moved, scale = temperature * shift(usual, answers), 1.0
        if self.shadows:
            images = known.own_data
            own = outputs_of(known.featurizer, images.take(np.arange(len(images)), compute.device), compute)
            truth, found, wanted = torch.from_numpy(images.labels), list[Tensor](), list[Tensor]()
            for number in range(self.shadows):
                drawn = draw_unevenly(truth, answers.shape[1], stream.torch(f"shadow {number}"))
                mine = replace(stream, stage=f"{stream.stage} teacher {number}")
                teacher = learn_student(known, (own[drawn], truth[drawn]), self.recipe, mine, compute, progress)
                told = (outputs_of(teacher, about, compute) / temperature).softmax(1)
                found.append(temperature * shift(usual, told))
                counts = torch.bincount(truth[drawn], minlength=answers.shape[1]) + 0.5
                wanted.append(counts.log() - counts.log().mean())
            d, t = torch.stack(found), torch.stack(wanted)
            scale = max(0.0, float((d * t).sum() / d.square().sum().clamp(min=1e-12)))
        return (scale * moved).softmax(0).float()


def shift(usual: Tensor, answers: Tensor) -> Tensor:
    """The mean of log answers / usual over rows, for each class; their mean over classes is 0."""
    ratio = (answers.double().clamp(min=LEAST).log() - usual.double().clamp(min=LEAST).log()).mean(0)
    return ratio - ratio.mean()


def draw_unevenly(labels: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """Half of the rows, two at least, each class as likely as a draw from Dir(1) says."""
    likely = -torch.rand(classes, generator=generator).clamp(min=1e-6).log() + 1e-3
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return torch.multinomial((likely / counts)[labels], max(2, len(labels) // 2), generator=generator)
