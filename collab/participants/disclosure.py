"""What reconstructions give away beyond their mean distance: the worst images, which image it is, and what it shows."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from collab.metric import MetricName
from collab.metrics.intervals import quantile_interval
from collab.metrics.leakage import HIGHER_DISCLOSES, normalized_leakage
from collab.metrics.perceptual import lpips_distance, pdist
from collab.metrics.reidentification import IMAGES_AT_ONCE, SMALLEST_GALLERY, cosine_ranks, embed, pixel_ranks
from collab.metrics.scores import mean_measure
from collab.metrics.utility import topk_hits
from collab.metrics.visual import ms_ssim, ms_ssim_levels, ssim, ssim_max, ssim_window
from collab.models.recognizer import Recognizer
from collab.participants.scoring import PICTURES, means
from collab.scenario.measuring import Disclosure
from collab.seeding import Stream
from collab.store.pictures import Sheet
from collab.types import Measure

Images = Callable[[np.ndarray], Tensor]
"""Images of these rows of a set, [rows, 3, side, side] in [0, 1], on the device."""


@dataclass(frozen=True)
class Eye:
    """Networks that look at images and that no defense and no attack was trained with; either may be missing."""

    recognizer: Recognizer | None = None
    lpips: nn.Module | None = None
    trunk: str = ""

    def compare(self, rebuilt: Tensor, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """One value [batch] of each metric for rebuilt and true images [batch, 3, side, side] with these labels."""
        side = images.shape[-1]
        levels, window, _ = ms_ssim_levels(side)
        metrics = {
            f"ssim_max[{ssim_window(side)[0]}]": ssim_max(rebuilt, images),
            f"ms_ssim[{levels},{window}]": ms_ssim(rebuilt, images),
        }
        if self.recognizer is not None:
            with torch.no_grad():
                shown = self.recognizer.activations(rebuilt.float())
                there = self.recognizer.activations(images.float())
                logits = self.recognizer.head(shown[-1].mean((2, 3)))
            metrics |= {"pdist": pdist(shown, there), "recognized": topk_hits(logits, labels, 1)}
        if self.lpips is not None:
            metrics[f"lpips[{self.trunk}]"] = lpips_distance(rebuilt, images, self.lpips)
        return metrics


@dataclass(frozen=True)
class Gallery:
    """Images [N, 3, side, side] in which rebuilt ones are looked up, by pixels and, with a recognizer, by embedding."""

    images: Tensor
    recognizer: Recognizer | None = None

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def _embeddings(self) -> Tensor | None:
        return None if self.recognizer is None else embed(self.recognizer.embedding, self.images)

    def ranks(self, rebuilt: Tensor, places: Tensor) -> dict[str, Tensor]:
        """Rank [batch] of the true images, which stand at `places`; none from a gallery of less than 1,000 images."""
        if len(self) < SMALLEST_GALLERY:
            return {}
        ranks = {"pixels": pixel_ranks(rebuilt, self.images, places)}
        if self.recognizer is not None and self._embeddings is not None:
            ranks["embedding"] = cosine_ranks(embed(self.recognizer.embedding, rebuilt), self._embeddings, places)
        return ranks


def draw_rows(heldout: int, seed: int) -> np.ndarray:
    """Numbers of held-out images in the order in which they are looked up and shown; the same for everybody."""
    return Stream(seed, "metrics", "disclosure").numpy("gallery").permutation(heldout)


def measure_disclosure(
    original: Images, poisoned: Images, truth: Images, labels: Tensor, eye: Eye, options: Disclosure, seed: int
) -> tuple[tuple[Measure, ...], Sheet]:
    """What images rebuilt from features as they are and from poisoned ones give away, and some of them to look at.

    Rows are those of the held-out images, whose `truth` and `labels` [rows] these are. The gallery, and in it the
    images that are looked up, are those of `draw_rows`: all entities are asked about the same.
    """
    drawn = draw_rows(len(labels), seed)
    rows, some = drawn[: options.gallery], np.sort(drawn[: options.images])
    queries, gallery = rows[: options.queries], Gallery(truth(rows), eye.recognizer)
    places, measures, shown, shown_ranks = torch.arange(len(queries), device=labels.device), list[Measure](), [], []
    for suffix, rebuilt in (("_original", original), ("_poisoned", poisoned)):
        measures += comparison_measures(_compare_some(rebuilt, truth, labels, some, eye), seed, suffix)
        ranks = gallery.ranks(rebuilt(queries), places)
        measures += rank_measures(ranks, seed, suffix)
        shown.append(rebuilt(queries[:PICTURES]))
        by_pixels = ranks.get("pixels", torch.full((len(queries),), math.nan))
        shown_ranks.append(by_pixels[:PICTURES].cpu().numpy())
    images = truth(queries[:PICTURES])
    sheet = Sheet(
        metric=f"ssim[{ssim_window(images.shape[-1])[0]}]",
        gallery=len(gallery),
        rows=queries[:PICTURES],
        ssim_original=ssim(shown[0], images).cpu().numpy(),
        ssim_poisoned=ssim(shown[1], images).cpu().numpy(),
        rank_original=shown_ranks[0],
        rank_poisoned=shown_ranks[1],
        original=to_uint8(images),
        from_original=to_uint8(shown[0]),
        from_poisoned=to_uint8(shown[1]),
    )
    return (*measures, Measure("gallery", len(gallery))), sheet


def _compare_some(rebuilt: Images, truth: Images, labels: Tensor, some: np.ndarray, eye: Eye) -> dict[str, Tensor]:
    """Every metric of `eye` for these rows of a set."""
    chosen = labels[torch.from_numpy(some).to(labels.device)]
    return compare(lambda at: rebuilt(some[at]), lambda at: truth(some[at]), chosen, eye)


def compare(rebuilt: Images, truth: Images, labels: Tensor, eye: Eye) -> dict[str, Tensor]:
    """Every metric of `eye` for each of `labels`' images [rows], a few at a time."""
    parts: dict[str, list[Tensor]] = {}
    for rows in np.split(np.arange(len(labels)), range(IMAGES_AT_ONCE, len(labels), IMAGES_AT_ONCE)):
        for name, values in eye.compare(rebuilt(rows), truth(rows), labels[rows]).items():
            kept = values if values.dtype == torch.bool else values.double()
            parts.setdefault(name, []).append(kept)
    return {name: torch.cat(values).cpu() for name, values in parts.items()}


def comparison_measures(metrics: Mapping[str, Tensor], seed: int, suffix: str = "") -> tuple[Measure, ...]:
    """The mean of each metric, and of the SSIM how it is spread: a mean hides whom it hits."""
    metrics = {f"{name}{suffix}": values for name, values in metrics.items()}
    name = next(name for name in metrics if MetricName.parse(name).quantity == "ssim_max")
    return (*means(metrics, seed), *_spread_measures(name, metrics[name], seed))


def _spread_measures(name: str, values: Tensor, seed: int) -> tuple[Measure, ...]:
    """Median, percentiles and worst of a metric that rises with disclosure; a worst case has no interval."""
    scores = values.numpy()
    draw = Stream(seed, "metrics", "bootstrap").numpy
    quantiles = [
        Measure(
            f"{name}_{what}",
            float(np.quantile(scores, quantile)),
            *quantile_interval(scores, quantile, draw(f"{name}_{what}")),
            len(scores),
        )
        for what, quantile in (("median", 0.5), ("p95", 0.95), ("p99", 0.99))
    ]
    above = mean_measure(f"{name}_above_half", values > 0.5, seed)
    return (*quantiles, Measure(f"{name}_worst", float(scores.max()), n=len(scores)), above)


def rank_measures(ways: Mapping[str, Tensor], seed: int, suffix: str = "") -> tuple[Measure, ...]:
    """Shares at rank 1 and up to 5, and the median rank, for each way to look up."""
    measures = []
    for way, ranks in ways.items():
        measures += [mean_measure(f"rank{k}[{way}]{suffix}", ranks <= k, seed) for k in (1, 5)]
        name, values = f"rank_median[{way}]{suffix}", ranks.double().cpu().numpy()
        bounds = quantile_interval(values, 0.5, Stream(seed, "metrics", "bootstrap").numpy(name))
        measures.append(Measure(name, float(np.median(values)), *bounds, len(values)))
    return tuple(measures)


def leakage_measures(
    attack: Mapping[str, Tensor], opened: Mapping[str, Tensor], priors: Mapping[str, Mapping[str, Tensor]], seed: int
) -> tuple[Measure, ...]:
    """Normalized leakage by SSIM and pdist of the same images; none where plain features disclose no more than a guess.

    `opened` is what R makes of unpoisoned features, `priors` what each guess scores; the best on the average counts,
    and what the guesses score stands beside the attack.
    """
    measures = list[Measure]()
    for name in attack:
        quantity = MetricName.parse(name).quantity
        if quantity not in HIGHER_DISCLOSES:
            continue
        rises = HIGHER_DISCLOSES[quantity]
        guesses = {guess: metrics[name] for guess, metrics in priors.items()}
        measures += means({f"{name}_prior_{guess}": values for guess, values in guesses.items()}, seed)
        best = (max if rises else min)(guesses.values(), key=lambda values: float(values.mean()))
        rng = Stream(seed, "metrics", "bootstrap").numpy(f"leakage {name}")
        scores, plain, least = (values.numpy() for values in (attack[name], opened[name], best))
        leakage = normalized_leakage(scores, plain, least, rng, higher_discloses=rises)
        if leakage is not None:
            measures.append(Measure(f"leakage[{quantity}]", leakage.value, leakage.low, leakage.high, len(best)))
    return tuple(measures)


def to_uint8(images: Tensor) -> np.ndarray:
    """Images in [0, 1], or a little beyond, as they are kept to look at."""
    return images.detach().clamp(0, 1).mul(255).round().to("cpu", torch.uint8).numpy()


def by_row(images: Tensor) -> Images:
    """`images` [rows, 3, side, side] by their row numbers."""
    return lambda rows: images[torch.from_numpy(rows)]
