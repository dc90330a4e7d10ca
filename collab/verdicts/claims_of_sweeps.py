"""What the papers say of tables that take a sweep, as functions over the results of its points."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from collab.results.aggregate import Values
from collab.results.figure import mean_of
from collab.results.table import Row
from collab.verdicts.claims import MOST_SSIM
from collab.verdicts.evidence import Key
from collab.verdicts.judging import ABOVE, NOT_BELOW, Claim, Comparison, Found, Region, difference
from collab.verdicts.verdicts import Verdict

Point = tuple[Values, Mapping[Key, Row]]
"""Values of the axes, and the results there."""


def points_of(cells: Sequence[tuple[Values, Sequence[Row]]]) -> list[Point]:
    """Results at each point; of several seeds their mean with Student's interval, of one what it found itself."""
    rows: dict[tuple[object, ...], dict[Key, list[Row]]] = {}
    values_of: dict[tuple[object, ...], Values] = {}
    for values, found in cells:
        point = tuple(values.items())
        values_of[point] = values
        for row in found:
            if row.attack is None and row.value is not None:
                rows.setdefault(point, {}).setdefault((row.row, row.entity or "", row.metric), []).append(row)
    return [(values_of[point], {key: _mean(each) for key, each in found.items()}) for point, found in rows.items()]


def _mean(rows: Sequence[Row]) -> Row:
    if len(rows) == 1:
        return rows[0]
    values = [row.value for row in rows if row.value is not None]
    mean = mean_of(values)
    return replace(rows[0], value=sum(values) / len(values), low=mean.low, high=mean.high)


def original_ssim_falls_with_depth(axis: str, points: Sequence[Point]) -> Claim:
    """Table 4 of DPF, fourth column: the deeper the hook, the less R shows of original features."""
    known = [(str(values[axis]), _only(found, "ssim", "_original")) for values, found in points]
    ordered = sorted(known, key=lambda each: each[0])  # conv2_1, conv2_3, conv3_1, conv4_1
    found = [
        Comparison(f"{axis} {first}: more SSIM than {second}", ABOVE, difference(a, b), missing="no SSIM")
        for (first, a), (second, b) in pairwise(ordered)
    ]
    sentence = "Table 4: .8562, .8499, .8048, .7009 of original features"
    return Claim("original SSIM falls with depth", sentence, tuple(found))


def the_reconstructor_is_fooled_at_every_hook(axis: str, points: Sequence[Point]) -> Claim:
    """Table 4 of DPF, last column."""
    found = [
        Comparison(
            f"{axis} {values[axis]}: SSIM within ±{MOST_SSIM:g}",
            Region(-MOST_SSIM, MOST_SSIM),
            Found.of(_only(of_point, "ssim", "_poisoned")),
            missing="no SSIM",
        )
        for values, of_point in points
    ]
    return Claim("R is fooled at every hook", "Table 4: SSIM of poisoned features .0069 to .0151", tuple(found))


LAYERS = ("conv2", "conv3", "conv4", "conv5", "avgpool", "fc")
"""Those of APT's Table 3 from the shallowest: its Conv1 to Conv4, and two more."""
SHALLOW = LAYERS[:3]


def deeper_layers_show_less(axis: str, points: Sequence[Point]) -> Claim:
    """Table 3 of APT, first row: without adversarial training face similarity falls from layer to layer."""
    known = {str(values[axis]): _faces(found, "without") for values, found in points}
    ordered = [layer for layer in LAYERS if layer in known]
    found = [
        Comparison(
            f"{axis} {second}: no more face similarity than {first}", NOT_BELOW,
            difference(known[first], known[second]), missing="no face similarity",
        )
        for first, second in pairwise(ordered)
    ]  # fmt: skip
    return Claim("deeper layers show less", "Table 3: .98, .95, .74, .64, .55, .54", tuple(found))


def adversarial_training_protects_shallow_layers(axis: str, points: Sequence[Point]) -> Claim:
    """Table 3 of APT: with adversarial training face similarity lies below that without, at layer1 to layer3."""
    found = [
        Comparison(
            f"{axis} {values[axis]}: less face similarity with adversarial training", ABOVE,
            difference(_faces(rows, "without"), _faces(rows, "with")), missing="no face similarity",
        )
        for values, rows in points
        if values[axis] in SHALLOW
    ]  # fmt: skip
    return Claim("adversarial training protects", "Table 3: .98 to .36, .95 to .48, .74 to .49", tuple(found))


def _faces(found: Mapping[Key, Row], who: str) -> Row | None:
    """Face similarity of an entity under the first decoder that it was measured with."""
    named = (row for (name, entity, metric), row in found.items()
             if (name, entity) == ("exposure", who) and metric.startswith("face_similarity["))  # fmt: skip
    return next(named, None)


SWEEP_CLAIMS: dict[str, tuple[Callable[[str, Sequence[Point]], Claim], ...]] = {
    "apt_table3": (deeper_layers_show_less, adversarial_training_protects_shallow_layers),
    "dpf_table4": (original_ssim_falls_with_depth, the_reconstructor_is_fooled_at_every_hook),
}
"""The claims of each table that a sweep may expect; they get the first axis and the points."""


def sweep_verdicts(
    table: str | None, axes: Sequence[str], cells: Sequence[tuple[Values, Sequence[Row]]]
) -> tuple[Verdict, ...]:
    """A verdict on each claim of `table` over the cells that ended; none for a sweep that expects nothing."""
    if table is None or not axes:
        return ()
    points = points_of(cells)
    made = [claim(axes[0], points) for claim in SWEEP_CLAIMS[table]]
    return tuple(Verdict.of(table, claim.name, claim.sentence, each) for claim in made for each in claim.comparisons)


def _only(found: Mapping[Key, Row], stem: str, end: str) -> Row | None:
    """The metric of the one entity that publishes, whatever its window."""
    named = (row for (name, _, metric), row in found.items()
             if name == "tables_1_2" and metric.startswith(f"{stem}[") and metric.endswith(end))  # fmt: skip
    return next(named, None)
