"""Whether a rebuilt image gives away which image it is, or what it shows (SCIENCE 5.3)."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from collab.errors import DataError

SMALLEST_GALLERY = 1000
"""Among fewer images a good rank is too easy to be called re-identification (SCIENCE 5.3)."""

HELD = 1 << 22
"""Values in fp64 held in memory at a time, of queries, of the gallery and of their distances: 32 MB each."""

IMAGES_AT_ONCE = 256
"""Images that a network is asked about at a time."""


def pixel_ranks(
    rebuilt: Float[Tensor, "batch channel height width"],
    gallery: Float[Tensor, "images channel height width"],
    truth: Int[Tensor, " batch"],
    *,
    smallest: int = SMALLEST_GALLERY,
) -> Float[Tensor, " batch"]:
    """Rank of the true image, `gallery[truth]`, by L2 in pixels: 1 is nearest; of equal distances the middle rank.

    The gallery is one of the victim's split, with distractors of the same class. An image that is not finite is equally
    far from all, which is chance.

    Raises DataError for a gallery of less than `smallest` images, or a truth that is not in it.
    """
    _check_gallery(len(gallery), truth, smallest)
    return _nearest_ranks(rebuilt.flatten(1), gallery.flatten(1), truth)


def cosine_ranks(
    rebuilt: Float[Tensor, "batch dimensions"],
    gallery: Float[Tensor, "images dimensions"],
    truth: Int[Tensor, " batch"],
    *,
    smallest: int = SMALLEST_GALLERY,
) -> Float[Tensor, " batch"]:
    """The same by cosine between embeddings of rebuilt images and of the gallery, from a network independent of F.

    An embedding of length 0 is at a right angle to all, which for a rebuilt image is chance. `embed` asks a network.

    Raises DataError as `pixel_ranks`.
    """
    _check_gallery(len(gallery), truth, smallest)
    queries, rows = (functional.normalize(side.double(), dim=1) for side in (rebuilt, gallery))
    # Between unit vectors L2 orders as cosine does; one more axis keeps an empty row of the gallery at a right angle.
    rows = torch.cat((rows, (rows == 0).all(1, keepdim=True).double()), 1)
    # An empty query has equal cosines, but unit vectors are of length 1 up to rounding only: say NaN, which ties.
    extra = torch.zeros_like(queries[:, :1]).masked_fill((queries == 0).all(1, keepdim=True), math.nan)
    return _nearest_ranks(torch.cat((queries, extra), 1), rows, truth)


def guesses(scores: Float[Tensor, "batch candidates"], truth: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """Guesses until the true candidate, tried from the highest score down; its mean over images is the guesswork.

    Of equal scores the truth comes at the middle, the mean of a random order. NaN counts as the lowest score.
    """
    return _middle_ranks(-scores, truth)


def embed(
    network: Callable[[Tensor], Tensor], images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, "batch dimensions"]:
    """What a network in eval mode answers, without gradients, a few images at a time, in fp32."""
    with torch.no_grad():
        return torch.cat([network(part.float()).float() for part in torch.split(images, IMAGES_AT_ONCE)])


def _nearest_ranks(
    queries: Float[Tensor, "batch dimensions"], rows: Float[Tensor, "images dimensions"], truth: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    dimensions = rows.shape[1]
    at_once = max(HELD // max(len(rows), dimensions), 1)
    ranks = []
    for part, own in zip(torch.split(queries, at_once), torch.split(truth, at_once), strict=True):
        # Each pair by itself: a matrix product would round equal rows differently and break their ties.
        distances = [
            torch.cdist(part.double(), some.double(), compute_mode="donot_use_mm_for_euclid_dist")
            for some in torch.split(rows, max(HELD // dimensions, 1))
        ]
        ranks.append(_middle_ranks(torch.cat(distances, 1), own))
    return torch.cat(ranks)


def _middle_ranks(
    distances: Float[Tensor, "batch candidates"], truth: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Place of each row's true candidate from the smallest distance up; NaN is as far as can be."""
    distances = distances.nan_to_num(math.inf, posinf=math.inf, neginf=-math.inf)
    own = distances.gather(1, truth[:, None].long())
    before, alike = (distances < own).sum(1), (distances == own).sum(1)
    return before + (alike + 1) / 2


def _check_gallery(images: int, truth: Tensor, smallest: int) -> None:
    if images < smallest:
        raise DataError(
            f"a gallery for re-identification has {images} images; it needs {smallest}, or rank 1 is too easy. "
            "Score a larger split."
        )
    if ((truth < 0) | (truth >= images)).any():
        raise DataError(
            f"true images {truth.min()} to {truth.max()} are not all in the gallery of {images}. Take its row numbers."
        )
