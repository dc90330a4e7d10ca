"""No pairs: match the moments of a shard to those of F on public images, then apply R (ATTACKS A4a)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Need, Progress, Stream
from collab.training.feeds import ImageSet
from collab.training.recipes import features_of, outputs_of


@dataclass(frozen=True)
class Moments:
    """Mean [channels], covariance [channels, channels] and third moments along its axes, over rows and places; fp64.

    `axes` are eigenvectors in columns, by rising eigenvalue in `values`; `skew` says to which side each axis has its
    longer tail, which gives it a direction.
    """

    mean: Tensor
    values: Tensor
    axes: Tensor
    skew: Tensor

    @classmethod
    def of(cls, features: Tensor) -> "Moments":
        """Those of features [rows, channels, height, width]."""
        return cls.over(lambda: iter([features]))

    @classmethod
    def over(cls, batches: Callable[[], Iterator[Tensor]]) -> "Moments":
        """Those of all rows that `batches` yields, which is asked three times: for each moment once."""

        def flat() -> Iterator[Tensor]:
            return (part.double().permute(0, 2, 3, 1).flatten(0, 2).cpu() for part in batches() if len(part))

        places = sum(len(part) for part in flat())
        mean = _add_up(part.sum(0) for part in flat()) / places
        values, axes = torch.linalg.eigh(_add_up((part - mean).T @ (part - mean) for part in flat()) / places)
        skew = _add_up(((part - mean) @ axes).pow(3).sum(0) for part in flat()).sign()
        return cls(mean, values.clamp(min=1e-8 * float(values.max())), axes, torch.where(skew == 0, 1.0, skew))


def _add_up(parts: Iterator[Tensor]) -> Tensor:
    return reduce(add, parts)


def zca_map(published: Moments, plain: Moments) -> Tensor:
    r"""$\Sigma_F^{1/2} \Sigma_P^{-1/2}$: whitens and colors; undoes gains of channels, but no rotation."""
    root = plain.axes @ torch.diag(plain.values.sqrt()) @ plain.axes.T
    return root @ published.axes @ torch.diag(published.values.rsqrt()) @ published.axes.T


def transport_map(published: Moments, plain: Moments) -> Tensor:
    r"""The optimal transport map between Gaussians: $S^{-1}(S \Sigma_F S)^{1/2} S^{-1}$, $S = \Sigma_P^{1/2}$."""
    root = published.axes @ torch.diag(published.values.sqrt()) @ published.axes.T
    inverse = published.axes @ torch.diag(published.values.rsqrt()) @ published.axes.T
    covariance = plain.axes @ torch.diag(plain.values) @ plain.axes.T
    values, axes = torch.linalg.eigh(root @ covariance @ root)
    return inverse @ axes @ torch.diag(values.clamp(min=0).sqrt()) @ axes.T @ inverse


def eigen_map(published: Moments, plain: Moments) -> Tensor:
    """Aligns axes in the order of their eigenvalues, directions by the third moment; undoes part of a rotation."""
    scale = (plain.values / published.values).sqrt() * plain.skew * published.skew
    return plain.axes @ torch.diag(scale) @ published.axes.T


def _rows_of(known: Knowledge, label: Tensor) -> Iterator[Tensor]:
    """The published features of one class."""
    return (features[labels == label] for features, labels in known.shard())


FEWEST = 16
"""Rows, and public images, of a class below which it has no map of its own."""

MAPS = {"zca": zca_map, "transport": transport_map, "eigen": eigen_map}


def public_features(known: Knowledge, count: int, compute: Compute) -> Tensor:
    """F of the first `count` public images, on the CPU."""
    images = ImageSet(known.public_data.images[:count], known.public_data.labels[:count])
    return torch.cat([features.cpu() for features, _ in features_of(known.featurizer, images, compute)])


@dataclass(frozen=True)
class DistributionMatching(Attack):
    """Moves the shard's mean and covariance over channels to those of F(Q) by a linear map, then applies R."""

    Options = options.DistributionMatching
    needs = frozenset({"featurizer", "reconstructor", "public_data"})

    map: str
    images: int
    per_class: bool = False

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs | ({"decider"} if self.per_class else frozenset())

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        plain = public_features(known, self.images, compute)
        everything = Moments.over(lambda: (features for features, _ in known.shard()))
        moved = self._move(known.features, everything, Moments.of(plain))
        if self.per_class and known.labels.ndim == 1:
            answers = outputs_of(known.decider, plain, compute).argmax(1)
            counts = torch.bincount(torch.cat([labels for _, labels in known.shard()]))
            for label in torch.unique(known.labels):
                rows, public = known.labels == label, answers == label
                if min(int(counts[label]), int(public.sum())) >= FEWEST:
                    published = Moments.over(partial(_rows_of, known, label))
                    moved[rows] = self._move(known.features[rows], published, Moments.of(plain[public]))
        return outputs_of(known.reconstructor, moved, compute)

    def _move(self, features: Tensor, published: Moments, target: Moments) -> Tensor:
        """`features` by the linear map that turns the moments `published` into `target`."""
        centered = features.double() - published.mean.view(-1, 1, 1)
        mapped = torch.einsum("oc,rchw->rohw", MAPS[self.map](published, target), centered)
        return (mapped + target.mean.view(-1, 1, 1)).float()
