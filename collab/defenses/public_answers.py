"""Answers about public images in place of features: nothing that is published is of any own image."""

from dataclasses import dataclass

from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import AnsweringDefense, PrivateView
from collab.guarantee import Guarantee
from collab.models.answerer import Answerer
from collab.scenario.base import Dp
from collab.training.loop import Recipe
from collab.training.private import Plan, plan_steps, refine_privately
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
    temperature: float
    dp: Dp | None
    clip: float

    @override
    def guarantee(self, rows: int) -> Guarantee | None:
        """That of the training of C_i; answers follow from it, so that any number of them tells no more."""
        return None if self.dp is None else self._plan(self.dp, rows)[1]

    def _plan(self, dp: Dp, rows: int) -> tuple[Plan, Guarantee]:
        return plan_steps(
            dp.epsilon, dp.delta, dp.unit,
            clip=self.clip, rows=rows, batch_size=self.recipe.batch_size, epochs=self.recipe.epochs,
        )  # fmt: skip

    @property
    @override
    def batch_size(self) -> int:
        return self.recipe.batch_size

    @override
    def begin(self, decider: nn.Module) -> Answerer:
        return Answerer.begin_as(decider, self.temperature)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Trains C further on the own rows, as peers train theirs (step 3), or by DP-SGD."""
        assert isinstance(module, Answerer)
        if self.dp is not None:
            losses = refine_privately(
                module.decider, view.features, self.recipe, self._plan(self.dp, view.features.rows)[0],
                stream=view.stream, compute=view.compute, progress=view.progress, task=view.task,
            )  # fmt: skip
            module.requires_grad_(False).eval()
            return losses
        losses = refine_decider(
            module.decider, view.features, self.recipe,
            bn="own", stream=view.stream, compute=view.compute, progress=view.progress, task=view.task,
            own=view.features,
        )  # fmt: skip
        module.requires_grad_(False).eval()
        return losses
