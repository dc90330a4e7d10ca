"""Answers about public images in place of features: nothing that is published is of any own image."""

from dataclasses import dataclass

from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import AnsweringDefense, PrivateView
from collab.models.answerer import Answerer
from collab.training.loop import Recipe
from collab.training.recipes import refine_decider


@dataclass(frozen=True)
class PublicAnswers(AnsweringDefense):
    r"""Publishes $\mathrm{softmax}(C_i(F(z)) / T)$ of public images z, $C_i$ being C as it has learned of the own rows.

    As in FedMD (Li and Wang 2019) and FedDF (Lin et al., NeurIPS 2020): peers learn from answers of the network, not
    from its weights and not from features. Without a guarantee what the answers tell of members is for attacks to find.
    """

    Options = options.PublicAnswers

    recipe: Recipe
    images: int | None
    temperature: float

    @property
    @override
    def batch_size(self) -> int:
        return self.recipe.batch_size

    @override
    def begin(self, decider: nn.Module) -> Answerer:
        return Answerer.begin_as(decider, self.temperature)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Trains C further on the own rows, as peers train theirs (step 3)."""
        assert isinstance(module, Answerer)
        losses = refine_decider(
            module.decider, view.features, self.recipe,
            bn="own", stream=view.stream, compute=view.compute, progress=view.progress, task=view.task,
            own=view.features,
        )  # fmt: skip
        module.requires_grad_(False).eval()
        return losses
