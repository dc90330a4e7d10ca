"""Figures on each entity's own held-out images, where entities differ in what they have: what is in it for each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np

from collab.results.paired import estimate
from collab.results.table import Result
from collab.store.answers import Answers
from collab.tasks import MainMetric

LOCAL = "_local"
"""What metrics end with that are of an entity's own held-out images: `top1_local`."""


def list_local(main: MainMetric, rows: Sequence[Result], places: Mapping[str, np.ndarray]) -> list[Result]:
    """A row beside each that is scored by the main metric, of the held-out images at `places` of the entity alone.

    A network that is nobody's (the released one, one on the images of all) has such a row for each entity. What each
    of these images got is kept in them, so that their differences are paired as those of all images are.
    """
    return [
        local
        for row in rows
        if row.metric == main.name and row.attack is None and row.answers is not None
        for local in _restrict(row, row.answers, places)
    ]


def _restrict(row: Result, answers: Answers, places: Mapping[str, np.ndarray]) -> Iterator[Result]:
    for entity in places if row.entity is None else {row.entity} & set(places):
        at = places[entity]
        truth = None if answers.truth is None else answers.truth[at]
        part = Answers(answers.kind, answers.values[:, at], truth, _name_images(answers.images, at))
        figure = estimate([(1.0, part)], row.metric)
        yield replace(
            row,
            entity=entity,
            metric=f"{row.metric}{LOCAL}",
            value=figure.value,
            low=figure.low,
            high=figure.high,
            n=figure.n,
            paper=None,
            verdict=None,
            answers=part,
        )


def _name_images(images: str, at: np.ndarray) -> str:
    """A digest of the held-out images at these places; nothing where it is not known which `images` they are of."""
    return sha256(f"{images} {at.tolist()}".encode()).hexdigest() if images else ""


def is_local(metric: str) -> bool:
    """Whether a metric is of an entity's own held-out images."""
    return metric.endswith(LOCAL)
