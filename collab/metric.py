"""The name of a metric, taken apart in one place: what it measures, with which setting, of what, and which statistic.

`ssim_max[11]_poisoned_worst` is the worst (`statistic`) `ssim_max` (`quantity`) with a window of 11 pixels (`setting`)
of what is rebuilt from poisoned features (`of`).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

_PARTS = re.compile(
    r"(?P<quantity>[^\[\]]+?)(?:\[(?P<setting>[^\[\]]*)\])?"
    r"(?:_(?P<of>original|poisoned|published|answering|own|local|open|training|prior_[a-z_]+?))?"
    r"(?:_(?P<statistic>median|p95|p99|worst|above_half))?"
)


@dataclass(frozen=True)
class MetricName:
    """The parts of a name; `setting`, `of` and `statistic` are empty where the name has none.

    `of` is `original`, `poisoned`, `published`, `answering` (of a decider that answers about public images), `own` (of
    the entity's own rows, unpoisoned), `local` (of held-out images of the entity's own), `open` (what R makes of plain
    features), `training` (of images that a network learned on), or `prior_` and the name of a guess; it is empty
    for what an attack rebuilt. `statistic` is `median`, `p95`, `p99`, `worst` or `above_half`, and empty for the mean
    over images.
    """

    quantity: str
    setting: str = ""
    of: str = ""
    statistic: str = ""

    @classmethod
    @lru_cache(maxsize=10_000)  # few names, asked for again and again
    def parse(cls, name: str) -> "MetricName":
        """The parts of a name as it stands in results; a name of another form is a quantity as a whole."""
        match = _PARTS.fullmatch(name)
        return cls(name) if match is None else cls(*(part or "" for part in match.groups()))

    @property
    def without_setting(self) -> str:
        """The name as it reads without the setting: `ssim_poisoned` of `ssim[11]_poisoned`."""
        return "_".join(filter(None, (self.quantity, self.of, self.statistic)))

    def is_mean_of(self, quantity: str, of: str = "") -> bool:
        """Whether it is the mean of this quantity, whatever its setting."""
        return (self.quantity, self.of, self.statistic) == (quantity, of, "")

    @property
    def is_guess(self) -> bool:
        """Whether it is of a guess without features, which stands beside the thing itself."""
        return self.of.startswith("prior_")

    @property
    def is_plain(self) -> bool:
        """Whether it is the mean score of the thing itself: no guess beside it, no percentile, no share of images."""
        return not self.of and not self.statistic
