"""One page on the images of a scenario before it is played; it shows private images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from collab.data.survey import Survey
from collab.report.cells import ABSENT, Table
from collab.report.drawing import fill_in
from collab.report.figures.sheets import Line, fit_lines
from collab.scenario.model import Scenario
from collab.store.files import place_file

MOST_CLASSES = 40
"""Classes that the table of counts has lines for."""


class Looked(Protocol):
    """What is known of the images of one holder."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def survey(self) -> Survey: ...  # noqa: D102
    @property
    def counts(self) -> Mapping[str, int]: ...  # noqa: D102
    @property
    def lost(self) -> np.ndarray: ...  # noqa: D102
    @property
    def shown(self) -> np.ndarray: ...  # noqa: D102
    @property
    def shown_classes(self) -> tuple[str, ...]: ...  # noqa: D102


class Near(Protocol):
    """Two images that are nearly the same."""

    @property
    def holders(self) -> tuple[str, str]: ...  # noqa: D102
    @property
    def alike(self) -> float: ...  # noqa: D102
    @property
    def images(self) -> np.ndarray: ...  # noqa: D102


def tabulate_holders(looked: Sequence[Looked]) -> Table:
    """A line for each holder: how many images, of what sizes and modes, what is cropped, how many are broken."""
    lines = [
        (
            each.name, f"{each.survey.count:,}", f"{len(each.survey.broken):,}",
            str(sum(count > 0 for count in each.counts.values())), *_say_sizes(each.survey.sizes()),
            _say_modes(each.survey), _say_lost(each.lost),
        )
        for each in looked
    ]  # fmt: skip
    columns = ("whose", "images", "broken", "classes", "smallest", "median", "largest", "modes", "cropped")
    notes = (
        "Sizes: width × height of the images with the fewest, a middle number of and the most pixels. Cropped: the "
        "share of an image outside the center square that is taken, at the median and at most.",
    )
    return Table("Images by holder", columns, tuple(lines), notes)


def tabulate_classes(looked: Sequence[Looked]) -> Table:
    """A line for each class, a column for each holder."""
    classes = list(dict.fromkeys(name for each in looked for name, count in each.counts.items() if count))
    lines = [
        (name, *(f"{each.counts[name]:,}" if each.counts.get(name) else ABSENT for each in looked))
        for name in classes[:MOST_CLASSES]
    ]
    more = (f"and {len(classes) - MOST_CLASSES:,} more classes",) if len(classes) > MOST_CLASSES else ()
    return Table("Images by class", ("class", *(each.name for each in looked)), tuple(lines), more)


def tabulate_near(near: Mapping[tuple[str, str], int]) -> Table | None:
    """Pairs of near copies by whose they are."""
    lines = [
        (f"{one} and {other}" if one != other else f"among {one}", f"{count:,}") for (one, other), count in near.items()
    ]
    notes = (
        "Equal but for size, quality or a little light; turned or cropped ones are not found. Of each image its eight "
        "nearest are compared.",
    )
    return Table("Near copies", ("whose", "pairs"), tuple(lines), notes) if lines else None


def write_data_page(
    target: Path, scenario: Scenario, looked: Sequence[Looked], broken: Sequence[tuple[str, str]],
    copies: Sequence[str], near: Mapping[tuple[str, str], int], pairs: Sequence[Near], notices: Sequence[str],
) -> Path:  # fmt: skip
    """Draws the page, which its owner alone can read, into a folder that is made as its owner's if there is none."""
    side = scenario.data.image_size
    sheets = [
        (
            each.name,
            [
                fit_lines([Line.of("", each.shown[at : at + 8], each.shown_classes[at : at + 8])], side)
                for at in range(0, len(each.shown), 8)
            ],
        )
        for each in looked
    ]
    shown = [
        (f"{pair.holders[0]} and {pair.holders[1]}, {pair.alike:.3f}", fit_lines([Line.of("", pair.images)], side))
        for pair in pairs
    ]
    page = fill_in(
        "data.html", scenario=scenario, images=sum(each.survey.count for each in looked), broken=broken, copies=copies,
        holders=tabulate_holders(looked), classes=tabulate_classes(looked), near=tabulate_near(near), pairs=shown,
        notices=notices, sheets=sheets,
    )  # fmt: skip
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place_file(
        target.parent, target.name, lambda file: file.write(page.encode()), what="the page of images", mode=0o600
    )
    return target


def _say_sizes(sizes: np.ndarray) -> tuple[str, str, str]:
    if not len(sizes):
        return (ABSENT,) * 3
    order = np.argsort(sizes.prod(axis=1), kind="stable")
    few, middle, most = (f"{sizes[order[at]][0]} × {sizes[order[at]][1]}" for at in (0, len(order) // 2, -1))
    return few, middle, most


def _say_modes(survey: Survey) -> str:
    modes = [header.mode for header in survey.headers]
    counts = sorted({mode: modes.count(mode) for mode in set(modes)}.items(), key=lambda pair: (-pair[1], pair[0]))
    return "; ".join(f"{mode} ({count:,})" for mode, count in counts) or ABSENT


def _say_lost(lost: np.ndarray) -> str:
    return f"{100 * np.median(lost):.0f} %, {100 * lost.max():.0f} %" if len(lost) else ABSENT
