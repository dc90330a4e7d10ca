"""What sharing brings against what it discloses, as a picture of a sweep: to the released reconstructor, to attacks."""

from collections.abc import Sequence

from collab.metric import MetricName
from collab.report.cells import format_value
from collab.report.drawing import inline_svg
from collab.report.figures.curves import COLORS, INK, MARKS, MOST_PANELS, draw_panels, name_point
from collab.results.aggregate import Mean, Point
from collab.results.figure import add_figures
from collab.scenario.stage_rows import TABLES_1_2
from collab.tasks import find_main_metric

FALSE_ALARMS = 0.01
"""What a guess finds of members at 1 % false alarms."""


def draw_frontier(means: Sequence[Mean], axes: Sequence[str], gains: Sequence[Mean]) -> str:
    """What sharing brings an entity against what it discloses to the released reconstructor, as SVG.

    Across: SSIM of reconstructions from what the entity publishes, mean over seeds. Up: its gain there, one of `gains`.
    Nothing where no entity has both.
    """
    main = find_main_metric(mean.metric for mean in means)
    gain_of = {(gain.values, gain.entity): gain for gain in gains}
    points_of: dict[str, list[tuple[float, float, Point]]] = {}
    for mean in means:
        gain = gain_of.get((mean.values, mean.entity))
        if mean.row == TABLES_1_2 and mean.quantity == "ssim_poisoned" and mean.entity and gain is not None:
            point = (mean.figure.value, main.scale * gain.figure.value, mean.values)
            points_of.setdefault(mean.entity, []).append(point)
    if not points_of:
        return ""
    figure, (panel,) = draw_panels(1)
    for index, (name, points) in enumerate(sorted(points_of.items())):
        style = {"color": COLORS[index % len(COLORS)], "marker": MARKS[index % len(MARKS)], "zorder": 3}
        panel.scatter([point[0] for point in points], [point[1] for point in points], s=36, label=name, **style)
        if axes and len(points) <= MOST_PANELS:
            for across, up, values in points:
                name_point(panel, ", ".join(format_value(value) for _, value in values), (across, up))
    panel.axhline(0, color=INK, linewidth=0.8)
    panel.set_xlabel("SSIM of the released reconstructor on what is published (right: more disclosed)")
    panel.set_ylabel(f"gain of sharing, {main.points}")
    panel.set_title(f"each point: {', '.join(axes) or 'an entity, mean over seeds'}", fontsize=9, loc="left")
    panel.legend(fontsize=8, frameon=False, title="entity", title_fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return inline_svg(figure)


def draw_attacked_frontier(means: Sequence[Mean], gains: Sequence[Mean]) -> str:
    """What sharing brings against the most that any attack got, as SVG; each point is one of the axes.

    Up: the mean of `gains` there, with its interval. Across: the largest of all attacks' leakage, share of rows matched
    and share of members found beyond 1 % false alarms, means over seeds. Nothing for fewer than two points with both.
    """
    main, gained = find_main_metric(mean.metric for mean in means), dict[Point, list[Mean]]()
    for gain in gains:
        gained.setdefault(gain.values, []).append(gain)
    points = [(max(found), point) for point in gained if (found := list_got(means, point))]
    if len(points) < 2:  # one alone has nothing to be compared with
        return ""
    figure, (panel,) = draw_panels(1)
    for most, point in points:
        here = gained[point]
        mean = main.scale * add_figures([1 / len(here) * each.figure for each in here])
        arms = None if mean.arms is None else [[arm] for arm in mean.arms]
        panel.errorbar([most], [mean.value], yerr=arms, fmt="o", color=COLORS[0], elinewidth=0.8, markersize=5)
        name_point(panel, ", ".join(format_value(value) for _, value in point), (most, mean.value))
    panel.axhline(0, color=INK, linewidth=0.8)
    panel.set_xlabel("the most that an attack got, of what there is to find (right: more disclosed)")
    panel.set_ylabel(f"gain of sharing, {main.points}")
    return inline_svg(figure)


def list_got(means: Sequence[Mean], point: Point) -> list[float]:
    """Shares of what there is to find that attacks got at a point: leakage, rows matched, members found."""
    shares = []
    for mean in means:
        if mean.attack is None or mean.values != point:
            continue
        name = MetricName.parse(mean.metric)
        if name.is_mean_of("leakage") or mean.metric == "match_top1":
            shares.append(max(0.0, mean.figure.value))
        elif mean.metric == "membership_tpr[1]":
            shares.append(max(0.0, mean.figure.value - FALSE_ALARMS))
    return shares
