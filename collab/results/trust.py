"""When an R is no opponent: what an entity found of it on own plain features, and what is said of that."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from collab.metric import MetricName
from collab.results.table import Result
from collab.types import Measure

MOST_L1 = 2.0
"""Times the L1 that a release states of R: own images that are rebuilt worse are others, or the figure is made up."""

FEWEST = 30
"""Images of which nothing is told: R may fail on a few."""

LEAST_KEPT = 0.7
"""The part of what R shows that is to be left when features change by half of their deviation.

Honest ones keep .8 and more (creatures, 16 pixels, conv2_1), one that was trained to show nothing then .64.
"""


@dataclass(frozen=True)
class Tried:
    """What an entity found: SSIM of R on own plain features and what it shows beyond a guess, with its lower end.

    `changed` is the latter on slightly changed features, `l1` its mean L1 over `images`, and `stated` what the release
    says of that.
    """

    images: int
    ssim: float
    shows: float
    least: float
    changed: float
    l1: float
    stated: float | None

    @classmethod
    def of(cls, found: Iterable[Measure | Result]) -> "Tried | None":
        """From what was measured; None if R was not tried."""
        measured = {MetricName.parse(each.metric).quantity.removeprefix("reconstructor_"): each for each in found}
        values = {name: each.value for name, each in measured.items() if each.value is not None}
        if not values.keys() >= {"ssim", "shows", "shows_changed", "l1"}:
            return None
        shows = measured["shows"]
        return cls(
            shows.n or 0, values["ssim"], values["shows"], values["shows"] if shows.low is None else shows.low,
            values["shows_changed"], values["l1"], values.get("l1_stated"),
        )  # fmt: skip

    def list_faults(self, least_ssim: float | None) -> Iterator[str]:
        """What is wrong with it, in sentences; `least_ssim` is what the scenario asks for."""
        if self.images < FEWEST:
            return
        if least_ssim is not None and self.ssim < least_ssim:
            yield f"it rebuilds images from plain features with SSIM {self.ssim:.3f}, and {least_ssim:g} is asked for"
        if self.least <= 0:
            yield (
                f"it shows no more of own plain features than a guess by class (SSIM {self.ssim:.3f}, "
                f"{self.shows:+.3f} beyond the guess)"
            )
        elif self.changed < LEAST_KEPT * self.shows:
            yield (
                f"it is brittle: of {self.shows:.3f} SSIM that it shows beyond a guess {self.changed:.3f} are left "
                "where features change by half of their deviation"
            )
        if self.stated is not None and self.l1 > MOST_L1 * self.stated:
            yield f"its L1 is {self.l1:.3f} on own images, where its release states {self.stated:.3f}"
