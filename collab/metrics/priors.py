"""What an adversary guesses without looking at the features (SCIENCE 5.4); every attack must beat these."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from collab.errors import DataError

Images = Float[Tensor, "batch channel height width"]


def mean_image_prior(images: Images) -> Images:
    """For each image the mean of all others; its own part in the mean would be seen in a small set.

    Raises DataError for fewer than two images.
    """
    others = _others(images)
    return (images.sum(0) - images) / others


def class_mean_prior(images: Images, labels: Int[Tensor, " batch"]) -> Images:
    """For each image the mean of the others with its label, which is public; of all others where it has none.

    Raises DataError for fewer than two images.
    """
    guess = mean_image_prior(images)
    for label in sorted(set(labels.tolist())):
        members = labels == label
        if members.sum() > 1:
            guess[members] = mean_image_prior(images[members])
    return guess


def unrelated_prior(images: Images, generator: torch.Generator) -> Images:
    """For each image another one, drawn at random with `generator` (on the CPU); each serves once as a guess.

    Raises DataError for fewer than two images.
    """
    _others(images)
    order = torch.randperm(len(images), generator=generator).to(images.device)
    guess = torch.empty_like(images)
    guess[order] = images[order.roll(1)]  # the next on a random circle through all images: never the image itself
    return guess


def _others(images: Tensor) -> int:
    if len(images) < 2:
        raise DataError(f"a prior of {len(images)} images has no other image to guess from. Score at least two images.")
    return len(images) - 1
