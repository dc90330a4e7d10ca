r"""The equations of the Deep Poisoning papers, one function each; numbers in parentheses are theirs."""

from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from collab.metrics.visual import abs_ssim_map, ssim

Disparity = Literal["abs", "clamp", "square", "abs_map", "signed", "l1"]


def classification_loss(
    logits: Float[Tensor, "batch classes"],
    labels: Int[Tensor, " batch"] | Float[Tensor, "batch classes"],
    *,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    r"""(DP-1), (DP-4): cross-entropy of $\Phi(x)$, or of $C(P(F(x)))$, with the label, or a distribution; in fp32.

    Departure: `label_smoothing` spreads that share of the target over all classes (pre-training and refining only).
    """
    return functional.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)


def attribute_loss(
    logits: Float[Tensor, "batch attributes"], targets: Float[Tensor, "batch attributes"], *, label_smoothing: float = 0
) -> Float[Tensor, ""]:
    r"""(DP-1), (DP-4) for binary attributes, (O1), (O2), (APT-6): binary cross-entropy, mean over all; in fp32.

    Departure: `label_smoothing` moves each target by half that share towards the other value.
    """
    soft = targets.float() * (1 - label_smoothing) + label_smoothing / 2
    return functional.binary_cross_entropy_with_logits(logits.float(), soft)


def attribute_equivalence(
    poisoned: Float[Tensor, "batch attributes"], original: Float[Tensor, "batch attributes"]
) -> Float[Tensor, ""]:
    r"""(DPF-5) for binary attributes: KL of Bernoulli distributions, mean over images and attributes.

    $$ \mathrm{KL}(p \Vert q) = \mathrm{BCE}(q, p) - \mathrm{BCE}(p, p), \quad p = \sigma(C(F(x))) $$

    and $q = \sigma(C(P(F(x))))$.
    """
    kept, target = original.float(), original.float().sigmoid()
    entropy = functional.binary_cross_entropy_with_logits(kept, target)
    return functional.binary_cross_entropy_with_logits(poisoned.float(), target) - entropy


def pose_loss(
    predicted: Float[Tensor, "batch angles"], degrees: Float[Tensor, "batch angles"], *, unit: float
) -> Float[Tensor, ""]:
    r"""Smooth L1 (Girshick 2015) of angles in degrees, quadratic within `unit` of them; mean over images and angles.

    $$ \tfrac12 d^2 \text{ if } |d| < 1 \text{ else } |d| - \tfrac12, \qquad d = (\hat\varphi - \varphi) / u $$
    """
    return functional.smooth_l1_loss(predicted.float() / unit, degrees.float() / unit)


def inversion_loss(
    rebuilt: Float[Tensor, "batch channel height width"], images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, ""]:
    r"""(DP-3): $\frac{1}{3HW}\lVert R(F(z)) - z\rVert_1$, mean over the batch; images in [0, 1]."""
    return (rebuilt.float() - images).abs().mean()


def likeness_loss(
    rebuilt: Float[Tensor, "batch channel height width"], images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, ""]:
    r"""$\frac{1}{3HW}\lVert\hat x - x\rVert_1 + 1 - \mathrm{SSIM}(\hat x, x)$, mean over the batch (ATTACKS A1).

    What an adversary who is scored by SSIM minimizes; (DP-3) alone blurs.
    """
    return inversion_loss(rebuilt, images) + 1 - ssim(rebuilt, images).mean()


SHRINKAGE = 0.01
"""What `perceptual_loss` adds to the variance of each channel, in shares of their mean: some hardly vary."""


def perceptual_loss(
    rebuilt: Float[Tensor, "batch channel height width"], original: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, ""]:
    r"""How far `rebuilt` $= F(\hat x)$ is from `original` $= F(x)$: 0 where equal, about 1 for means of channels.

    $$ \frac1c \sum_c \frac{\mathrm{mean}\,(F(\hat x)_c - F(x)_c)^2}{v_c + 0.01\,\bar v} $$

    with $v_c$ the variance of $F(x)_c$, $\bar v$ its mean over channels; mean and variance are over batch and places,
    in fp32. Source: the feature loss of Johnson, Alahi and Fei-Fei (ECCV 2016). Departure: each channel by its own
    variance, so that none counts for its gain.
    """
    target = original.float()
    variance = target.var((0, 2, 3), correction=0)
    distance = (rebuilt.float() - target).square().mean((0, 2, 3))
    return (distance / (variance + SHRINKAGE * variance.mean()).clamp(min=1e-12)).mean()


def logit_equivalence(
    poisoned: Float[Tensor, "batch classes"], original: Float[Tensor, "batch classes"]
) -> Float[Tensor, ""]:
    r"""(DPF-5) as a distance: $\mathrm{KL}(\mathrm{softmax}\,C(F(x)) \Vert \mathrm{softmax}\,C(P(F(x))))$."""
    target = functional.log_softmax(original.float(), dim=1)
    return functional.kl_div(
        functional.log_softmax(poisoned.float(), dim=1), target, reduction="batchmean", log_target=True
    )


def reconstruction_disparity(
    rebuilt: Float[Tensor, "batch channel height width"],
    images: Float[Tensor, "batch channel height width"],
    *,
    ssim_loss: Disparity = "abs",
) -> Float[Tensor, ""]:
    r"""(DP-5): how much $R(P(F(x)))$ still looks like $x$, mean over the batch; images in [0, 1].

    Departure: SSIM is taken absolute image by image, since the signed one is smallest at the photographic negative,
    which anyone can read. `signed` replays the paper; `abs_map` averages the absolute local map, in which patches of
    opposite sign cannot cancel. `l1`, for comparison, is $1 - L_1$, smallest where each value is as far away as it can.
    """
    if ssim_loss == "l1":
        return 1 - inversion_loss(rebuilt, images)
    if ssim_loss == "abs_map":
        return abs_ssim_map(rebuilt, images).mean()
    likeness = ssim(rebuilt, images)
    match ssim_loss:
        case "abs":
            return likeness.abs().mean()
        case "clamp":
            return likeness.clamp(min=0).mean()
        case "square":
            return likeness.square().mean()
        case "signed":
            return likeness.mean()


def identity_confusion(logits: Float[Tensor, "batch people"], people: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
    r"""(DPF 4.4): $\mathcal L_B = \mathrm{CE}(A(P(F(x))), r)$ with a random person $r$; in fp32.

    Of people drawn in each step its smallest mean, $\log n$, is that of a uniform answer.
    """
    return functional.cross_entropy(logits.float(), people)


def poison_loss(
    equivalence: Float[Tensor, ""], disparity: Float[Tensor, ""], *, ssim_weight: float
) -> Float[Tensor, ""]:
    r"""(DP-6): $\mathcal L_C^P + \lambda \mathcal L_S$: readable by the decider, not by the reconstructor."""
    return equivalence + ssim_weight * disparity
