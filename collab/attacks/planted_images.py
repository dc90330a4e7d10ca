"""Planted images (ATTACKS 3.4): what an adversary got into a victim's collection it finds again in the shard."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Progress, Stream
from collab.attacks.leaked_pairs import best_ridge
from collab.attacks.likeness import all_rows, cosines, similarities, standardize
from collab.attacks.matching import mutual
from collab.training.recipes import outputs_of

FEWEST = 4
"""Rows that were found below which no map is fitted."""


@dataclass(frozen=True)
class PlantedImages(Attack):
    """Finds the rows of its own images by what C makes of both, takes them for pairs, and maps all rows back.

    It knows that its images are there, not which rows they became. Each round a linear map is fitted on the images and
    rows that are each other's best, and likeness is looked at again behind that map; the last such pairs are those of
    `leaked_pairs`.
    """

    Options = options.PlantedImages
    needs = frozenset({"featurizer", "decider", "reconstructor", "planted"})

    images: int
    views: tuple[options.View, ...]
    sides: tuple[int, ...]
    rounds: int

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        rebuild = partial(outputs_of, known.reconstructor, compute=compute)
        published, planted = all_rows(known), known.planted
        plain = outputs_of(known.featurizer, planted, compute)
        scores = similarities(known, published, plain, self.views, compute)
        for _ in range(self.rounds):
            rows = mutual(scores)
            rows = rows[: max(3 * len(rows) // 4, FEWEST)]
            if len(rows) < FEWEST:
                break
            places = scores[rows].argmax(1)
            ridge = best_ridge(published[rows], plain[places], planted[places], (1,), rebuild)
            scores = scores + standardize(cosines(ridge(published), plain))
        rows = mutual(scores)
        if len(rows) < FEWEST:
            return rebuild(known.features)
        places = scores[rows].argmax(1)
        ridge = best_ridge(published[rows], plain[places], planted[places], self.sides, rebuild)
        return torch.as_tensor(rebuild(ridge(known.features)))
