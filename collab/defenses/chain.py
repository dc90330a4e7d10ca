"""Several defenses, one after the other."""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import takewhile

from torch import Tensor, nn
from typing_extensions import override

from collab.defenses.base import Defense, PrivateView
from collab.models.filters import Keyed


class Stages(nn.Sequential):
    """Modules in order; what is keyed goes by the rows that came in, which no rounding on the way changes."""

    @override
    def forward(self, features: Tensor) -> Tensor:
        source = features
        for module in self:
            features = module(features, source) if isinstance(module, Keyed) else module(features)
        return features


@dataclass(frozen=True)
class Chain(Defense):
    """Publishes what its defenses, in their order, make of F(x).

    They are fitted in that order too: each on what those before it, fitted by then, let through, and through those
    after it up to the first that is yet to learn. So in `[gaussian_noise, dpm]` as in DP Table 3 the DPM learns with
    the noise in place, drawn anew at each step, and in `[dpm, mean_filter]` C and R are shown what the filter leaves.
    """

    defenses: tuple[Defense, ...]

    @property
    def is_private(self) -> bool:  # type: ignore[override]
        """Whether any of them is."""
        return any(defense.is_private for defense in self.defenses)

    @property
    @override
    def batch_size(self) -> int:
        return self.defenses[0].batch_size

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Stages(*(defense.build(channels, rectified=rectified) for defense in self.defenses))

    @override
    def vary(self, number: int, epochs: int | None) -> Defense:
        return Chain(tuple(defense.vary(number, epochs) for defense in self.defenses))

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Fits each; returns the losses of all that learn."""
        modules = list(view.compute.place(module).children())
        stages = list(zip(self.defenses, modules, strict=True))
        losses, seen = list[float](), Counter[type[Defense]]()
        for place, (defense, part) in enumerate(stages):
            after = takewhile(lambda later: not later[0].is_learned, stages[place + 1 :])
            nth = seen[type(defense)]  # so that no two of a kind draw alike
            stream = replace(view.stream, stage=f"{view.stream.stage} {nth + 1}") if nth else view.stream
            features = replace(view.features, batch_size=defense.batch_size, through=Stages(*modules[:place]))
            narrowed = replace(view, features=features, stream=stream, after=Stages(*(later for _, later in after)))
            with stream.initialization("noise of others"):
                losses += defense.fit(part, narrowed)
            seen[type(defense)] += 1
        return tuple(losses)
