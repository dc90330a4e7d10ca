"""Figures of rows, and differences between them, from what each held-out image got: paired, image by image.

Rows of one run are scored on the same images and mostly right or wrong together. The interval of a difference that
takes them for independent is two to three times too wide; subtracted image by image it is as narrow as it may be.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from collab.metric import MetricName
from collab.metrics.paired import (
    crossed_interval,
    draw_images,
    interval_of_means,
    reach_of_repeats,
    resample_correlation,
    resample_precision,
    student_quantile,
)
from collab.results.figure import Figure, add_figures, average_groups
from collab.results.table import Result
from collab.store.answers import Answers

Term = tuple[float, Answers]
"""A factor, and what is multiplied by it."""


def are_pairs(answers: Sequence[Answers | None]) -> bool:
    """Whether all of these are there, of one kind, and about the same held-out images."""
    known = [each for each in answers if each is not None and each.images]
    alike = {(each.kind, each.images, each.values.shape[1:]) for each in known}
    return bool(answers) and len(known) == len(answers) and len(alike) == 1


def estimate(terms: Sequence[Term], quantity: str) -> Figure:
    """The sum of factors times the figures of answers that `are_pairs`, with its interval over images and repeats.

    `quantity` is the metric without what it is of (`top1`, `map`): scores are what several are made of. Repeats of one
    number are pairs too: they drew the same orders.
    """
    if terms[0][1].kind == "scores":
        return _estimate_resampled(terms, quantity)
    imagined: list[float] = []
    if terms[0][1].kind == "hits":
        lowest, highest = (sum(pick(factor, 0.0) for factor, _ in terms) for pick in (min, max))
        imagined = [lowest, highest] if len(terms) > 1 else [lowest, lowest, highest, highest]
    arrays = [factor * each.values.astype(np.float64) for factor, each in terms]
    value = sum(float(array.mean()) for array in arrays)
    if len({len(array) for array in arrays} - {1}) <= 1:
        differences: np.ndarray = np.sum(np.broadcast_arrays(*arrays), axis=0)
        low, high = crossed_interval(differences, imagined)
    else:  # of different numbers of repeats, which are no pairs
        low, high = interval_of_means(np.sum([array.mean(0) for array in arrays], axis=0), imagined)
        middle, reach = (low + high) / 2, math.hypot((high - low) / 2, *map(reach_of_repeats, arrays))
        low, high = middle - reach, middle + reach
    return Figure(value, min(low, value), max(high, value), terms[0][1].count)


def combine(terms: Sequence[tuple[float, Result | None]]) -> Figure | None:
    """The sum of factors times results; None where one was not measured.

    Paired, image by image, where what each image got is known of all of them and they are about the same images; else
    as if their errors were independent (`add_figures`). Of means over the same seeds it is the mean of what it is in
    each seed.
    """
    figures, rows = list[Figure](), list[Result]()
    for factor, row in terms:
        if row is None or row.figure is None or not math.isfinite(row.figure.value):
            return None
        figures.append(factor * row.figure)
        rows.append(row)
    seeds = [tuple(each.seed for each in row.of_seeds) for row in rows]
    if len(rows) > 1 and seeds[0] and len(set(seeds)) == 1:
        factors = [factor for factor, _ in terms]
        of_seeds = zip(*(row.of_seeds for row in rows), strict=True)
        made = [combine(list(zip(factors, of_seed, strict=True))) for of_seed in of_seeds]
        images = {each.answers and each.answers.images for row in rows for each in row.of_seeds}
        share_images = len(images) == 1 and None not in images
        return average_groups([each for each in made if each is not None], share_images=share_images)
    independent = add_figures(figures)
    answers = [row.answers for row in rows]
    if len(rows) < 2 or not are_pairs(answers):
        return independent
    pairs = [(factor, each) for (factor, _), each in zip(terms, answers, strict=True) if each is not None]
    found = estimate(pairs, MetricName.parse(rows[0].metric).quantity)
    shift = independent.value - found.value  # scores and errors were rounded when they were kept
    low, high = (independent.value if end is None else end + shift for end in (found.low, found.high))
    return replace(found, value=independent.value, low=low, high=high)


def subtract(result: Result | None, other: Result | None) -> Figure | None:
    """`result` minus `other`, as `combine` says."""
    return combine([(1.0, result), (-1.0, other)])


def _estimate_resampled(terms: Sequence[Term], quantity: str) -> Figure:
    """A percentile bootstrap over images, the same resamples for all terms; other repeats are added to its reach."""
    drawn = np.sum([factor * _resample(each, quantity).mean(0) for factor, each in terms], axis=0)
    whole = [factor * _resample(each, quantity, is_whole=True)[:, 0] for factor, each in terms]
    value = sum(float(each.mean()) for each in whole)
    low, high = np.nanquantile(drawn, [0.025, 0.975]).tolist()
    if len({len(each) for each in whole} - {1}) <= 1:
        whole = [np.sum(np.broadcast_arrays(*whole), axis=0)]
    repeated = [
        student_quantile(len(each) - 1) * each.std(ddof=1) / math.sqrt(len(each)) for each in whole if len(each) > 1
    ]
    low, high = (
        value - math.hypot(value - min(low, value), *repeated),
        value + math.hypot(max(high, value) - value, *repeated),
    )
    return Figure(value, low, high, terms[0][1].count)


@lru_cache(maxsize=256)
def _resample(answers: Answers, quantity: str, is_whole: bool = False) -> np.ndarray:
    """A figure of scores [repeats, resamples]; of all images, each once, where `is_whole`."""
    assert answers.truth is not None  # as `Answers` checks
    times = np.ones((1, answers.count)) if is_whole else draw_images(answers.count)
    made = []
    for scores in answers.values:
        if quantity == "mcc":
            made.append(resample_correlation(scores > 0, answers.truth, times).mean(1))
        else:
            made.append(resample_precision(scores, answers.truth, times))
    return np.stack(made)
