"""Draws from a Gaussian of their class in place of features: no published row is any image's."""

from dataclasses import dataclass, replace

from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import Defense, PrivateView
from collab.defenses.gaussian import ClassGaussian as Gaussian
from collab.defenses.gaussian import Rows
from collab.training.feeds import FeatureFeed


@dataclass(frozen=True)
class ClassGaussian(Defense):
    r"""Publishes for each row a draw from $N(\mu_c, V V^T + \mathrm{diag}(d^2))$, $c$ its label.

    Means and covariance are those of the own features: peers refine their decider on virtual features, as Luo et al.
    calibrate a classifier with in federated learning (CCVR, NeurIPS 2021). Nothing ties a row to an image but its
    label; what all rows together tell are the statistics.
    """

    Options = options.ClassGaussian
    is_private = True

    rank: int

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Gaussian(self.rank, rectified=rectified)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Measures the own rows, and takes the key from the private stream."""
        assert isinstance(module, Gaussian)
        sources = _rows_of(replace(view.features, through=None))
        key, generator = view.stream.integer("draws"), view.stream.torch("directions")
        view.compute.place(module).fit(key, sources, _rows_of(view.features), generator)
        module.eval()
        return ()


def _rows_of(feed: FeatureFeed) -> Rows:
    return lambda: ((features, labels) for features, labels, _ in feed.batches(None))
