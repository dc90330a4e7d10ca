"""What answers are about: which public images, and mixes of two that everybody makes alike."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from collab.seeding import Stream
from collab.store.shards import ShardReader

_ORDER = Stream(0, "everybody", "mixes")
"""Who is mixed with whom is drawn from no secret and no seed of a scenario: a row number says it to all."""


def choose_random(images: int, of: int, stream: Stream) -> Int[Tensor, " images"]:
    """The numbers of `images` public ones of all, ascending: an order that tells nothing."""
    return torch.randperm(of, generator=stream.torch("public images"))[:images].sort().values


def choose_unsure(images: int, outputs: Float[Tensor, "rows classes"]) -> Int[Tensor, " images"]:
    """The numbers of the `images` of all whose `outputs` have the largest entropy, ascending."""
    told = outputs.double().log_softmax(1)
    entropy = -(told.exp() * told).sum(1)
    return entropy.argsort(descending=True, stable=True)[:images].sort().values


def with_mixes(chosen: Int[Tensor, " images"], mixes: int, of: int) -> Int[Tensor, " rows"]:
    """Numbers of images, and those of so many mixes of each, ascending; see `Asked`."""
    return torch.cat([chosen + of * mix for mix in range(mixes + 1)])


class Asked:
    r"""F of what answers are about, by number: row k < n is F of public image k of n, row m n + k a mix of it.

    That is $\frac{1}{2} (F(z_k) + F(z_{\pi_m(k)}))$, $\pi_m$ being a public shuffle: of z alone classes are apart that
    private images lie between.
    """

    def __init__(self, public: ShardReader) -> None:
        self._public = public
        self._partners = dict[int, np.ndarray]()

    def take(self, numbers: np.ndarray) -> Float[Tensor, "rows channels height width"]:
        """The rows of these numbers, in that order, fp32."""
        mixes, images = np.divmod(numbers, self._public.rows)
        features = self._public.take(images).float()
        for mix in np.unique(mixes[mixes > 0]):
            places = np.flatnonzero(mixes == mix)
            others = self._public.take(self._shuffle(int(mix))[images[places]])
            features[places] = (features[places] + others.float()) / 2
        return features

    def _shuffle(self, mix: int) -> np.ndarray:
        if mix not in self._partners:
            self._partners[mix] = _ORDER.numpy(str(mix)).permutation(self._public.rows)
        return self._partners[mix]
