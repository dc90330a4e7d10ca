"""What a decider can still read (SCIENCE 5.2): one value per image or per attribute, in fp32."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from collab.errors import DataError
from collab.metrics.paired import resample_correlation


def topk_hits(logits: Float[Tensor, "batch classes"], labels: Int[Tensor, " batch"], k: int) -> Bool[Tensor, " batch"]:
    """Whether the label is among the k largest logits.

    Of equal logits the one with the smaller class number comes first, so that constant logits do not hit always.
    A row with a NaN is never a hit.
    """
    # top_k_accuracy_score counts the hits of all images together, and puts the larger class number first.
    own = logits.gather(1, labels[:, None].long())
    is_earlier = torch.arange(logits.shape[1], device=logits.device) < labels[:, None]
    before = (logits > own) | ((logits == own) & is_earlier)
    return (before.sum(1) < k) & ~logits.isnan().any(1)


def agreement(
    logits: Float[Tensor, "batch classes"], reference: Float[Tensor, "batch classes"]
) -> Bool[Tensor, " batch"]:
    """Whether both name the same class first, ties and NaN as in `topk_hits`."""
    return topk_hits(logits, reference.argmax(1), 1) & ~reference.isnan().any(1)


def kl(logits_p: Float[Tensor, "batch classes"], logits_q: Float[Tensor, "batch classes"]) -> Float[Tensor, " batch"]:
    r"""$\mathrm{KL}(p \Vert q)$ in nats, with $p$ and $q$ the softmax of their logits."""
    log_p, log_q = (functional.log_softmax(logits.float(), 1) for logits in (logits_p, logits_q))
    return functional.kl_div(log_q, log_p, reduction="none", log_target=True).sum(1)


def mcc(
    probabilities: Float[Tensor, "batch attributes"], labels: Bool[Tensor, "batch attributes"], threshold: float = 0.5
) -> Float[Tensor, " attributes"]:
    r"""Matthews correlation of each attribute, in [-1, 1]; 0, as a guess scores, where a row or column is empty.

    $$ (TP \cdot TN - FP \cdot FN) / \sqrt{(TP + FP)(TP + FN)(TN + FP)(TN + FN)} $$

    An attribute is predicted where its probability is above the threshold; NaN is not.
    """
    return torch.from_numpy(resample_mcc(probabilities, labels, np.ones((1, len(labels))), threshold)[0]).float()


def resample_mcc(
    probabilities: Float[Tensor, "batch attributes"],
    labels: Bool[Tensor, "batch attributes"],
    times: Float[np.ndarray, "resamples batch"],
    threshold: float = 0.5,
) -> Float[np.ndarray, "resamples attributes"]:
    """`mcc` in fp64 where each image counts as often as `times` says."""
    # matthews_corrcoef answers the same, for one attribute and one resample at a time.
    predicted, true = (probabilities > threshold).cpu().numpy(), labels.cpu().numpy()
    return resample_correlation(predicted, true, times)


def average_precision(
    scores: Float[Tensor, "batch attributes"], labels: Bool[Tensor, "batch attributes"]
) -> Float[Tensor, " attributes"]:
    r"""$\sum_n (\mathrm{rec}_n - \mathrm{rec}_{n-1})\,\mathrm{prec}_n$ of each attribute, in (0, 1].

    NaN without positives. No interpolation; of equal scores the image with the smaller index comes first, and a score
    that is NaN counts as the lowest.
    """
    # average_precision_score takes equal scores for one threshold, and one attribute at a time.
    order = scores.nan_to_num(-torch.inf, torch.inf, -torch.inf).argsort(dim=0, descending=True, stable=True)
    hits = labels.gather(0, order)
    places = torch.arange(1, len(hits) + 1, device=hits.device, dtype=torch.float64)
    precision = hits.cumsum(0) / places[:, None]
    return ((precision * hits).sum(0) / hits.sum(0)).float()


def mean_average_precision(
    scores: Float[Tensor, "batch attributes"], labels: Bool[Tensor, "batch attributes"]
) -> tuple[float, int]:
    """The mean of `average_precision` over attributes with positives, and how many attributes have none.

    Raises DataError if no attribute has a positive.
    """
    precisions = average_precision(scores, labels)
    skipped = int(precisions.isnan().sum())
    if skipped == len(precisions):
        raise DataError(f"no image has any of {len(precisions)} attributes, so there is no mAP. Score more images.")
    return float(precisions.double().nanmean()), skipped
