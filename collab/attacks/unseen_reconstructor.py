"""A reconstructor that no DPM has seen (DP Fig. 5; ATTACKS A0): of the same family, trained on unpoisoned features."""

from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Knowledge, Map
from collab.attacks.inversion import FreshReconstructor


class UnseenReconstructor(FreshReconstructor):
    """Inverts F on public images with a network of its own; that it fails is necessary for a defense, and no more."""

    Options = options.UnseenReconstructor
    needs = frozenset({"featurizer", "public_data"})

    @override
    def encoder(self, known: Knowledge) -> Map:
        return known.featurizer
