"""Training curves: the mean loss of each epoch of each stage that trained something."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collab.results.opened import Losses

MOST_POINTS = 150
MOST_PANELS = 40
"""Panels of a stage; the record has the losses of all."""

MARGIN = 3
"""Space above and below the curve, in units of the drawing."""

STAGES = ("pretrain", "reconstruct", "poison", "refine", "attack")


@dataclass(frozen=True)
class Panel:
    """One stage of one participant: `lines` are points in a box of 100 by 40, from the smallest loss to the largest."""

    job: str
    stage: str
    lines: tuple[str, ...]
    epochs: int
    first: float
    last: float
    is_cached: bool

    @property
    def told(self) -> str:
        """What a reader who cannot see the line is told."""
        several = f" in {len(self.lines)} trainings" if len(self.lines) > 1 else ""
        return f"{self.job}: loss from {self.first:.3g} to {self.last:.3g} over {self.epochs} epochs{several}"


@dataclass(frozen=True)
class Curves:
    """Panels by stage, how many more there are, and whose curve was not kept."""

    stages: tuple[tuple[str, tuple[Panel, ...], int], ...]
    missing: tuple[str, ...]
    cached: int


def make_curves(losses: Mapping[str, Losses | None], jobs: Mapping[str, Mapping[str, object]]) -> Curves:
    """Curves of the jobs of a run, in the order of the stages."""
    panels = [
        _panel(job, curves, bool(jobs.get(job, {}).get("cached")))
        for job, curves in losses.items()
        if curves and any(curves)
    ]
    stages = []
    for stage in (*STAGES, *sorted({panel.stage for panel in panels} - set(STAGES))):
        of_stage = tuple(panel for panel in panels if panel.stage == stage)
        if of_stage:
            stages.append((stage, of_stage[:MOST_PANELS], max(0, len(of_stage) - MOST_PANELS)))
    missing = tuple(job for job, curves in losses.items() if curves is None and job.split()[0] in STAGES)
    return Curves(tuple(stages), missing, sum(panel.is_cached for panel in panels))


def _panel(job: str, curves: Losses, is_cached: bool) -> Panel:
    curves = tuple(curve for curve in curves if curve)
    values = [value for curve in curves for value in curve]
    return Panel(
        job=job,
        stage=job.split()[0],
        lines=tuple(_points(curve, min(values), max(values)) for curve in curves),
        epochs=max(map(len, curves)),
        first=curves[-1][0],
        last=curves[-1][-1],
        is_cached=is_cached,
    )


def _points(curve: Sequence[float], bottom: float, top: float) -> str:
    """Points of a polyline; a single epoch is a level line, and long curves are thinned."""
    kept = sorted({round(at * (len(curve) - 1) / (MOST_POINTS - 1)) for at in range(MOST_POINTS)})
    places = [(100 * at / max(len(curve) - 1, 1), curve[at]) for at in kept]
    if len(places) == 1:
        places = [(0.0, curve[0]), (100.0, curve[0])]
    scale = (40 - 2 * MARGIN) / (top - bottom) if top > bottom else 0.0
    middle = (top + bottom) / 2
    return " ".join(f"{x:.1f},{20 - scale * (value - middle):.1f}" for x, value in places)
