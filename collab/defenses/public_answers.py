"""Answers about public images in place of features: nothing that is published is of any own image."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import AnsweringDefense, PrivateView
from collab.errors import EntityError
from collab.guarantee import Guarantee
from collab.models.answerer import Answerer
from collab.scenario.base import Dp
from collab.training.loop import Recipe
from collab.training.private import Plan, count_people, plan_steps, refine_privately
from collab.training.recipes import refine_decider


@dataclass(frozen=True)
class PublicAnswers(AnsweringDefense):
    r"""Publishes $\mathrm{softmax}(C_i(F(z)) / T)$ of public images z, $C_i$ being C as it has learned of the own rows.

    As in FedMD (Li and Wang 2019) and FedDF (Lin et al., NeurIPS 2020): peers learn from answers of the network, not
    from its weights and not from features. What the answers tell of members is for attacks to find, unless C_i is
    trained with `dp`.
    """

    Options = options.PublicAnswers

    recipe: Recipe
    images: int | None
    choose: Literal["random", "unsure"]
    mixes: int
    rounds: int
    temperature: float
    bits: int | None
    cross_fit: int
    dp: Dp | None
    clip: float

    @override
    def guarantee(self, rows: int, people: int | None = None) -> Guarantee | None:
        """That of the training of C_i in all rounds; answers follow from it: any number of them tells no more."""
        return None if self.dp is None else self._plan(self.dp, rows, people)[1]

    def _plan(self, dp: Dp, rows: int, people: int | None) -> tuple[Plan, Guarantee]:
        return plan_steps(
            dp.epsilon, dp.delta, dp.unit, clip=self.clip, rows=rows, people=people,
            batch_size=self.recipe.batch_size, epochs=self.recipe.epochs * self.rounds,
        )  # fmt: skip

    @property
    @override
    def batch_size(self) -> int:
        return self.recipe.batch_size

    @override
    def begin(self, decider: nn.Module) -> Answerer:
        return Answerer.begin_as(decider, self.temperature, self.bits, self.cross_fit)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Trains C further on the own rows, as peers train theirs (step 3), or by DP-SGD.

        With `cross_fit` there are as many, each trained on all rows but those of a part; EntityError for too few.
        """
        assert isinstance(module, Answerer)
        if self.dp is not None:
            people = view.people if self.dp.unit == "identity" else None
            plan, _ = self._plan(self.dp, view.features.rows, count_people(people))
            losses = refine_privately(
                module.decider, view.features, self.recipe, plan, people=people,
                stream=view.stream, compute=view.compute, progress=view.progress, task=view.task,
            )  # fmt: skip
            module.requires_grad_(False).eval()
            return losses
        losses = ()
        for number, (decider, rows) in enumerate(zip(module.deciders, self._parts(view), strict=True)):
            feed = view.features if rows is None else view.features.at(rows)
            stream = view.stream if rows is None else replace(view.stream, stage=f"{view.stream.stage} fold {number}")
            losses += refine_decider(
                decider, feed, self.recipe,
                bn="own", stream=stream, compute=view.compute, progress=view.progress, task=view.task, own=feed,
            )  # fmt: skip
        module.requires_grad_(False).eval()
        return losses

    def _parts(self, view: PrivateView) -> list[np.ndarray | None]:
        """The rows that each decider learns from, ascending; all of them, None, where there is one decider."""
        rows = view.features.rows
        if self.cross_fit == 1:
            return [None]
        if rows < 2 * self.cross_fit:
            raise EntityError(
                f"cross_fit: {self.cross_fit} of {rows} own images leaves a decider with too few to learn from. Give "
                "the entity more images, or fit fewer deciders."
            )
        order = view.stream.numpy("parts").permutation(rows)
        return [np.sort(np.setdiff1d(order, part)) for part in np.array_split(order, self.cross_fit)]
