"""What sharing brings against what it discloses, as a picture of a sweep: to the released reconstructor, to attacks."""

from collections.abc import Sequence

from collab.report.attack_page.got import pick_most
from collab.report.cells import format_value
from collab.report.drawing import inline_svg
from collab.report.figures.curves import COLORS, INK, MARKS, MOST_PANELS, draw_panels, name_point
from collab.report.tables.attacked import ANY, Attacked, name_attacked
from collab.results.aggregate import Mean, Point
from collab.scenario.stage_rows import TABLES_1_2
from collab.tasks import MainMetric, find_main_metric

READERS = ("outsider", "collaborator")
"""Who has nothing of the victim but what it sends everybody, or those with whom it averages weights."""


def draw_frontier(means: Sequence[Mean], axes: Sequence[str], gains: Sequence[Mean]) -> str:
    """What sharing brings an entity against what it discloses to the released reconstructor, as SVG.

    Across: SSIM of reconstructions from what the entity publishes, mean over seeds. Up: its gain there, one of `gains`.
    Nothing where no entity has both.
    """
    main = find_main_metric(mean.metric for mean in means)
    gains_of: dict[tuple[Point, str | None], list[Mean]] = {}
    for gain in gains:
        gains_of.setdefault((gain.values, gain.entity), []).append(gain)
    points_of: dict[str, list[tuple[float, float, Point]]] = {}
    for mean in means:
        if mean.row == TABLES_1_2 and mean.quantity == "ssim_poisoned" and mean.entity:
            for gain in gains_of.get((mean.values, mean.entity), ()):
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


def draw_attacked_frontier(main: MainMetric, points: Sequence[Attacked]) -> str:
    """What sharing brings against the most that any attack got, as SVG; each point is a defense where the axes stand.

    Up: the gain there, with its interval. Across: the largest share that a reader got (filled), and that anybody got
    (open). Nothing for fewer than two points with both.
    """
    names = [", ".join(part for part in parts if part != ANY) for parts in name_attacked(points)]
    named = zip(names, points, strict=True)
    drawn = [(name, each.gain, each) for name, each in named if each.gain is not None and each.most]
    if len(drawn) < 2:  # one alone has nothing to be compared with
        return ""
    figure, (panel,) = draw_panels(1)
    for name, gain, each in drawn:
        gain, anybody = main.scale * gain, max(most.share for most in each.most.values())
        reader = pick_most(each.most, READERS)
        arms = None if gain.arms is None else [[arm] for arm in gain.arms]
        panel.errorbar([anybody], [gain.value], yerr=arms, fmt="o", mfc="white", color=COLORS[0], elinewidth=0.8)
        if reader is not None:
            panel.plot([reader.share, anybody], [gain.value] * 2, color=COLORS[0], linewidth=0.8, zorder=1)
            panel.plot([reader.share], [gain.value], "o", color=COLORS[0], markersize=5)
        name_point(panel, name, (anybody, gain.value))
    panel.axhline(0, color=INK, linewidth=0.8)
    panel.set_xlabel("the most that an attack got, of what there is to find (right: more disclosed)")
    panel.set_ylabel(f"gain of sharing, {main.points}")
    return inline_svg(figure)
