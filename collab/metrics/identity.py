r"""What a representation tells of who and what is shown (SCIENCE 5.3): variances by identity, neighbors."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from collab.errors import DataError

NEIGHBORS = 15
"""k of the k-NN accuracy that goes with a t-SNE picture."""


def within_variance(features: Float[Tensor, "batch _ ..."], identities: Int[Tensor, " batch"]) -> float:
    r"""$\frac1n \sum_c \sum_{i \in c} \lVert z_i - \mu_c \rVert^2$: how far images of one identity lie apart."""
    z, means, own, _ = _by_identity(features, identities)
    return float((z - means[own]).square().sum() / len(z))


def between_variance(features: Float[Tensor, "batch _ ..."], identities: Int[Tensor, " batch"]) -> float:
    r"""$\frac1n \sum_c n_c \lVert \mu_c - \mu \rVert^2$: how far identities lie apart."""
    z, means, _, counts = _by_identity(features, identities)
    return float((counts * (means - z.mean(0)).square().sum(1)).sum() / len(z))


def lda_score(features: Float[Tensor, "batch _ ..."], identities: Int[Tensor, " batch"]) -> float:
    """Between over within; lower means that identities are harder to tell apart. NaN where no identity varies.

    Xiao et al. print within over between in one column of their Table 3; this is between over within in all.
    """
    within = within_variance(features, identities)
    return between_variance(features, identities) / within if within else float("nan")


def knn_hits(
    features: Float[Tensor, "batch _ ..."], labels: Bool[Tensor, " batch"], *, k: int = NEIGHBORS
) -> Bool[Tensor, " batch"]:
    """Whether most of the `k` nearest other images, by L2 in `features`, have the image's own binary label.

    An image is not its own neighbor; `k` is odd, so that there is no tie. Raises DataError for an even k, or too few
    images.
    """
    if k % 2 == 0 or len(labels) <= k:
        raise DataError(f"{k} neighbors of {len(labels)} images decide nothing. Take an odd k below that of images.")
    # sklearn.neighbors orders equal distances otherwise, which rounded features have: labels of some images would turn.
    z = features.flatten(1).double()
    hits = []
    for part in torch.split(torch.arange(len(z), device=z.device), 512):
        distances = torch.cdist(z[part], z)
        distances[torch.arange(len(part), device=z.device), part] = torch.inf
        nearest = labels[distances.topk(k, largest=False).indices]
        hits.append((2 * nearest.sum(1) > k) == labels[part])
    return torch.cat(hits)


def tsne(features: Float[Tensor, "batch _ ..."], seed: int) -> Float[Tensor, "batch 2"]:
    """Places in a plane where near neighbors stay near (van der Maaten and Hinton 2008): a picture, not a measurement.

    By scikit-learn, from the first 50 principal components. The number that goes with it is `knn_hits`.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    z = features.flatten(1).float().cpu().numpy()
    components = min(50, *z.shape)
    perplexity = min(30.0, (len(z) - 1) / 3)
    # How sums are split over threads would change bits.
    with threadpool_limits(1):
        reduced = PCA(components, random_state=seed, svd_solver="full").fit_transform(z)
        placed = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(reduced)
    return torch.from_numpy(placed).float()


def _by_identity(features: Tensor, identities: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features [batch, values] and means of identities, in fp64; the identity of each row, and rows of each."""
    z = features.flatten(1).double()
    own = torch.unique(identities, return_inverse=True)[1]
    counts = own.bincount().double()
    means = torch.zeros(len(counts), z.shape[1], dtype=z.dtype, device=z.device).index_add_(0, own, z)
    return z, means / counts[:, None], own, counts
