"""What a decider can still read (SCIENCE 5.2): one value per image, from logits in fp32."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional


def topk_hits(logits: Float[Tensor, "batch classes"], labels: Int[Tensor, " batch"], k: int) -> Bool[Tensor, " batch"]:
    """Whether the label is among the k largest logits.

    Of equal logits the one with the smaller class number comes first, so that constant logits do not hit always.
    A row with a NaN is never a hit.
    """
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
