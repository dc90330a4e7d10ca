"""What every metric must keep: a finite figure of each image or of all answers, whatever else stands beside them."""

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from collab.errors import CollabError
from collab.metrics.visual import ssim
from collab.results.metric import Metric, of_images
from collab.testing.controls import Check

IMAGES, ANSWERS = 32, 200
"""Images that are rebuilt, and images that are answered."""


def check_figures(metric: Metric, *, most_times: float) -> tuple[Check, ...]:
    """Asks a metric of images about drawn ones of 16 and 32 pixels, or one of answers about made-up answers."""
    checks, of_answers = list[Check](), metric.options.of == "answers"
    asked = {"figures": _figures_of_answers, "order": _order_of_answers, "direction": _direction_of_answers}
    if not of_answers:
        asked = {"figures": _figures_of_images, "batch": _batch_of_images, "direction": _direction_of_images}
    try:
        for name, check in asked.items():
            checks.append(Check(name, next(check(metric), "")))
            if checks[-1].problem:
                return tuple(checks)
    except CollabError as error:
        return (*checks, Check("figures", str(error)))
    except Exception as error:
        return (*checks, Check("figures", f"it raised {type(error).__name__}: {error}."))
    return (*checks, _check_cost(metric, most_times))


# ---- of images -------------------------------------------------------------------------------------------------------
def _figures_of_images(metric: Metric) -> Iterator[str]:
    for side in (16, 32):
        images = _pictures(side)
        cases = {"noise": _noise(side), "themselves": images, "black images": torch.zeros_like(images)}
        for name, rebuilt in cases.items():
            given = rebuilt.clone(), images.clone()
            values = _ask(metric, *given)
            if not values.dtype.is_floating_point and values.dtype != torch.bool:
                yield f"it answers {values.dtype}; it must answer floats, or bools."
            if not torch.equal(values, _ask(metric, *given)):
                yield f"asked twice about {name} of {side} px it answers differently: it may draw nothing."
            if not (torch.equal(given[0], rebuilt) and torch.equal(given[1], images)):
                yield "it changes the images that it is given: work on a copy."


def _batch_of_images(metric: Metric) -> Iterator[str]:
    """Images come in batches of any size, so that nothing may depend on who stands beside whom."""
    images, rebuilt = _pictures(32), _noise(32)
    alone = torch.cat([_ask(metric, rebuilt[at : at + 1], images[at : at + 1]) for at in range(4)])
    together = _ask(metric, rebuilt, images)[:4]
    if not torch.allclose(alone.double(), together.double(), rtol=1e-4, atol=1e-5):
        yield f"alone, images score {alone.tolist()}, in a batch {together.tolist()}: take the mean over pixels alone."


def _direction_of_images(metric: Metric) -> Iterator[str]:
    """What shows nothing must not look worse than what shows all: `better` says which way less is disclosed."""
    images = _pictures(32)
    same, noise = (float(_ask(metric, shown, images).double().mean()) for shown in (images, _noise(32)))
    if (metric.better == "down" and same < noise) or (metric.better == "up" and same > noise):
        yield (
            f"the images themselves score {same:.4g} and noise {noise:.4g}, and `better` is {metric.better!r}: the way "
            "in which less is disclosed. Turn it round, or leave it empty."
        )


def _ask(metric: Metric, rebuilt: Tensor, images: Tensor) -> Tensor:
    return of_images([metric])[metric.options.label](rebuilt, images)


def _pictures(side: int) -> Tensor:
    """Smooth images: a few waves of each color."""
    generator = torch.Generator().manual_seed(side)
    coarse = torch.rand(IMAGES, 3, 4, 4, generator=generator)
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)


def _noise(side: int) -> Tensor:
    return torch.rand(IMAGES, 3, side, side, generator=torch.Generator().manual_seed(side + 1))


# ---- of answers ------------------------------------------------------------------------------------------------------
def _figures_of_answers(metric: Metric) -> Iterator[str]:
    rng = np.random.default_rng(0)
    classes, mixed = rng.integers(0, 4, ANSWERS), rng.random(ANSWERS) < 0.6
    cases = {
        "all right": (np.ones(ANSWERS, np.bool_), classes),
        "all wrong": (np.zeros(ANSWERS, np.bool_), classes),
        "mixed": (mixed, classes),
        "of one class": (mixed, np.zeros_like(classes)),
        "one image": (mixed[:1], classes[:1]),
    }
    for name, (answers, truth) in cases.items():
        given = answers.copy(), truth.copy()
        figure = metric.of_answers(*given)
        if not isinstance(figure, int | float | np.floating) or not math.isfinite(figure):
            yield f"of answers that are {name} it answers {figure!r}; it must answer a finite number."
        elif metric.is_share and not 0 <= figure <= 1:
            yield f"of answers that are {name} it answers {figure!r}, and `is_share` says that it is a part of 1."
        if figure != metric.of_answers(*given):
            yield "asked twice it answers differently: it may draw nothing."
        if not (np.array_equal(given[0], answers) and np.array_equal(given[1], truth)):
            yield "it changes the answers that it is given: work on a copy."


def _order_of_answers(metric: Metric) -> Iterator[str]:
    rng = np.random.default_rng(1)
    answers, truth, order = rng.random(ANSWERS) < 0.6, rng.integers(0, 4, ANSWERS), rng.permutation(ANSWERS)
    one, other = metric.of_answers(answers, truth), metric.of_answers(answers[order], truth[order])
    if not math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12):
        yield f"in another order of the images it answers {other} and not {one}."


def _direction_of_answers(metric: Metric) -> Iterator[str]:
    truth = np.arange(ANSWERS) % 4
    right, wrong = (metric.of_answers(np.full(ANSWERS, answer), truth) for answer in (True, False))
    if (metric.better == "up" and right < wrong) or (metric.better == "down" and right > wrong):
        yield f"right answers score {right:.4g} and wrong ones {wrong:.4g}, and `better` is {metric.better!r}."


def _check_cost(metric: Metric, most_times: float) -> Check:
    if metric.options.of == "answers":
        answers, truth = np.arange(ANSWERS) % 3 > 0, np.arange(ANSWERS) % 4
        start = time.perf_counter()
        metric.of_answers(answers, truth)
        seconds = time.perf_counter() - start
        figure = f"{1e6 * seconds:.0f} µs; each result asks some hundred times, for its interval"
        return Check("cost", f"{figure}. At most 20,000 µs is expected." if seconds > 0.02 else "", figure)
    images, rebuilt = _pictures(32), _noise(32)
    mine, other = _time(lambda: _ask(metric, rebuilt, images)), _time(lambda: ssim(rebuilt, images))
    times = mine / max(other, 1e-4)
    figure = f"{1000 * mine:.1f} ms for {IMAGES} images of 32 px, {times:.2g} times SSIM"
    return Check("cost", f"{figure}; at most {most_times:g} times is expected." if times > most_times else "", figure)


def _time(ask: Callable[[], Tensor]) -> float:
    ask()
    start = time.perf_counter()
    ask()
    return time.perf_counter() - start
