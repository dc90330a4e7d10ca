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


def guess_from_others(
    others: Images, other_labels: Int[Tensor, " _"], labels: Int[Tensor, " batch"], generator: torch.Generator
) -> dict[str, Images]:
    """What somebody guesses for images with these labels who has `others`, and none of them, by the guess's name.

    `unrelated`: one of them, drawn at random (on the CPU); `mean`: their mean; `class_mean`: that of those with the
    same label, which is public, and the mean of all where there is none. Raises DataError without any.
    """
    if not len(others):
        raise DataError("there is no other image to guess from. Hold out at least one.")
    mean = others.mean(0)
    means = {label: others[other_labels == label].mean(0) for label in set(other_labels.tolist())}
    drawn = torch.randint(len(others), (len(labels),), generator=generator).to(others.device)
    return {
        "unrelated": others[drawn],
        "mean": mean.expand(len(labels), *mean.shape),
        "class_mean": torch.stack([means.get(label, mean) for label in labels.tolist()]),
    }


def _others(images: Tensor) -> int:
    if len(images) < 2:
        raise DataError(f"a prior of {len(images)} images has no other image to guess from. Score at least two images.")
    return len(images) - 1
