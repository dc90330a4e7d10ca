"""Contact sheets: the same images beside what R makes of what each entity publishes (DP Figures 4 and 6, DPF 9)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from collab.report.figures.strips import data_url
from collab.store.pictures import Sheet

MOST_LINES = 30
"""The most lines of a sheet: more do not fit on a page."""


@dataclass(frozen=True)
class Line:
    """One line of a sheet: what it shows, an image in each column, and what stands below and is read out for each."""

    name: str
    images: tuple[str, ...]
    below: tuple[str, ...]


@dataclass(frozen=True)
class ContactSheet:
    """Lines over the same images; `side` in CSS pixels, `gallery` is in how many images they were looked up."""

    lines: tuple[Line, ...]
    metric: str
    gallery: int
    side: int
    left_out: int


def contact_sheet(sheets: Mapping[str, Sheet]) -> ContactSheet | None:
    """One line for the images, one for what R makes of plain features, one for each entity or cell by its name.

    Where R is not the same for all, as in a sweep over hooks, each has its line of plain features. Those whose images
    are not those of the first are left out.
    """
    known = [(name, sheet) for name, sheet in sheets.items() if len(sheet)]
    if not known:
        return None
    first = known[0][1]
    alike = [(name, sheet) for name, sheet in known if np.array_equal(sheet.original, first.original)]
    lines = [Line("original", urls(first.original), ("",) * len(first))]
    plain: bytes | None = None
    for name, sheet in alike:
        if plain != sheet.from_original.tobytes():
            plain = sheet.from_original.tobytes()
            is_one = all(np.array_equal(each.from_original, sheet.from_original) for _, each in alike)
            title = "from plain features" if is_one else f"{name}: plain"
            lines.append(Line(title, urls(sheet.from_original), _told(sheet.ssim_original, sheet.rank_original)))
        lines.append(Line(name, urls(sheet.from_poisoned), _told(sheet.ssim_poisoned, sheet.rank_poisoned)))
    side = first.original.shape[-1]
    return ContactSheet(
        lines=tuple(lines[:MOST_LINES]),
        metric=first.metric,
        gallery=first.gallery,
        side=2 * side if side < 48 else min(side, 96),
        left_out=max(len(lines) - MOST_LINES, 0) + len(known) - len(alike),
    )


def urls(images: np.ndarray) -> tuple[str, ...]:
    """Images, uint8 [n, 3, H, W], as addresses that hold them."""
    return tuple(data_url(image) for image in images)


def _told(ssim: np.ndarray, ranks: np.ndarray) -> tuple[str, ...]:
    return tuple(
        f"{value:.2f}" if math.isnan(rank) else f"{value:.2f}, {rank:.0f}."
        for value, rank in zip(ssim.tolist(), ranks.tolist(), strict=True)
    )
