"""Repeats of a row: the same training on the same rows in other orders, so that chance in training can be seen."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from collab.results.paired import estimate
from collab.seeding import Stream
from collab.store.answers import Answers
from collab.types import Measure


def repeat_streams(stream: Stream, count: int) -> tuple[Stream, ...]:
    """Randomness of each of `count` repeats; the first is the row's own, so that more repeats leave it as it was."""
    return (stream, *(replace(stream, stage=f"{stream.stage} repeat {number}") for number in range(2, count + 1)))


def average_repeats(
    measures: Sequence[Sequence[Measure]], answers: Mapping[str, Answers], suffix: str
) -> list[Measure]:
    """The mean of each measure over repeats, and the deviation of the first one between them; one repeat as it is.

    `answers` are of all repeats, by a measure's name without `suffix`; a mean has the interval over images and repeats
    that they give it, and none where no answers are kept.
    """
    if len(measures) == 1:
        return list(measures[0])
    made = []
    for repeats in zip(*measures, strict=True):
        values, first = [each.value for each in repeats], repeats[0]
        kept = answers.get(first.metric.removesuffix(suffix))
        low = high = None
        if kept is not None:
            figure = estimate([(1.0, kept)], first.metric.removesuffix(suffix))
            figure = figure.within(0.0, 1.0) if kept.kind == "hits" else figure
            low, high = figure.low, figure.high
        made.append(Measure(first.metric, statistics.fmean(values), low, high, first.n))
    main = measures[0][0].metric
    deviation = statistics.stdev([each[0].value for each in measures])
    spread = Measure(f"{main.removesuffix(suffix)}_sd{suffix}", deviation, n=len(measures))
    return [*made, spread] if suffix else [*made, spread, Measure("repeats", len(measures))]
