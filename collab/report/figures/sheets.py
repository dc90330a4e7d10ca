"""Contact sheets: the same images beside what R makes of what each entity publishes (DP Figures 4 and 6, DPF 9)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from collab.report.figures.strips import encode_image
from collab.store.pictures import Sheet

MOST_LINES = 30
"""The most lines of a sheet: more do not fit on a page."""


@dataclass(frozen=True)
class Line:
    """One line of a sheet: what it shows, an image in each column, and what stands below and is read out for each."""

    name: str
    images: tuple[str, ...]
    below: tuple[str, ...]

    @classmethod
    def of(cls, name: str, images: np.ndarray, below: Sequence[str] = ()) -> "Line":
        """A line of images, uint8 [n, 3, H, W]; without `below` nothing stands there."""
        return cls(name, tuple(map(encode_image, images)), tuple(below) or ("",) * len(images))


@dataclass(frozen=True)
class ContactSheet:
    """Lines over the same images; `side` in CSS pixels, `gallery` is in how many images they were looked up."""

    lines: tuple[Line, ...]
    metric: str
    gallery: int
    side: int
    left_out: int


def make_contact_sheet(sheets: Mapping[str, Sheet]) -> ContactSheet | None:
    """One line for the images, one for what R makes of plain features, one for each entity or cell by its name.

    Where R is not the same for all, as in a sweep over hooks, each has its line of plain features. Those whose images
    are not those of the first are left out.
    """
    filled = {name: sheet for name, sheet in sheets.items() if len(sheet.rows)}
    if not filled:
        return None
    first = next(iter(filled.values()))
    alike = {name: sheet for name, sheet in filled.items() if np.array_equal(sheet.original, first.original)}
    plain = {sheet.from_original.tobytes() for sheet in alike.values()}
    lines, last = [Line.of("original", first.original)], b""
    for name, sheet in alike.items():
        if last != sheet.from_original.tobytes():
            last = sheet.from_original.tobytes()
            title = "from plain features" if len(plain) == 1 else f"{name}: plain"
            lines.append(Line.of(title, sheet.from_original, _captions(sheet.ssim_original, sheet.rank_original)))
        lines.append(Line.of(name, sheet.from_poisoned, _captions(sheet.ssim_poisoned, sheet.rank_poisoned)))
    made = fit_lines(lines, first.original.shape[-1])
    left_out = made.left_out + len(filled) - len(alike)
    return replace(made, metric=first.metric, gallery=first.gallery, left_out=left_out)


def fit_lines(lines: Sequence[Line], side: int) -> ContactSheet:
    """A sheet of as many lines as fit; their images have `side` pixels, and small ones are drawn larger."""
    shown = tuple(lines[:MOST_LINES])
    return ContactSheet(shown, "", 0, 2 * side if side < 48 else min(side, 96), len(lines) - len(shown))


def _captions(ssim: np.ndarray, ranks: np.ndarray) -> tuple[str, ...]:
    return tuple(
        f"{value:.2f}" if math.isnan(rank) else f"{value:.2f}, {rank:.0f}."
        for value, rank in zip(ssim.tolist(), ranks.tolist(), strict=True)
    )
