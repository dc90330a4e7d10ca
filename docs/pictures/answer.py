"""The picture of README.md, drawn from a run: `collab demo`, then `python docs/pictures/answer.py runs/demo/RUN`.

Left: what each party gains from the largest pool that it reads, poisoned as published and, as a control, unpoisoned.
Right: what is seen of the images that each victim publishes, between a guess without features (0) and what the released
reconstructor makes of plain features (1).
"""

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

import collab

PLAIN, POISONED, SEEN = "#5b78b4", "#8a5fb0", "#c2693a"
ADVERSARIES = {
    "straw_man": "the released R (the papers' test)",
    "distribution_matching": "an outsider who knows F alone",
    "leaked_pairs[64]": "an insider with 64 pairs",
}


def draw_gains(axes: Axes, run: collab.Run) -> None:
    """Two points with intervals for each entity."""
    names = list(run.gains)
    for shift, color, label in ((-0.12, PLAIN, "unpoisoned (control)"), (0.12, POISONED, "poisoned, as published")):
        for place, name in enumerate(names):
            gain = run.gain(name)
            control = None if gain.unpoisoned is None else gain.main.scale * gain.unpoisoned
            points = gain.points if color == POISONED else control
            if points is not None:
                sides = [[points.value - points.low], [points.high - points.value]]
                axes.errorbar(
                    points.value, place + shift, xerr=sides, fmt="o", color=color, capsize=3,
                    label=label if not place else None,
                )  # fmt: skip
    axes.axvline(0, color="#888888", linewidth=1)
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel="points of right answers gained from the pool")
    axes.set_title("Who gains", loc="left", fontweight="bold")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2, frameon=False, fontsize=8)


def draw_disclosure(axes: Axes, run: collab.Run) -> None:
    """A bar for each adversary: the mean over victims, and a dot for each."""
    found: pd.DataFrame = run.results.query("metric == 'leakage[ssim_max]'")
    for place, attack in enumerate(ADVERSARIES):
        values = found[found.attack.str.startswith(attack)].value
        axes.barh(place, values.mean(), color=SEEN, alpha=0.5, height=0.5)
        axes.plot(values, [place] * len(values), "o", color=SEEN, markersize=4)
    axes.axvline(0, color="#888888", linewidth=1)
    axes.axvline(1, color="#888888", linewidth=1, linestyle="--")
    axes.set(
        yticks=range(len(ADVERSARIES)), yticklabels=ADVERSARIES.values(), xlim=(min(-0.3, axes.get_xlim()[0]), 1.1)
    )
    axes.set_xlabel("0: the best guess without features    1: plain features")
    axes.set_title("What is disclosed", loc="left", fontweight="bold")
    axes.invert_yaxis()


def draw(run: collab.Run, target: Path) -> None:
    """Writes the picture of a run; the same run gives the same bytes."""
    mpl.rcParams.update({"font.size": 9, "svg.hashsalt": "collab", "svg.fonttype": "path"})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 2.7), width_ratios=(1, 1.1))
    draw_gains(left, run)
    draw_disclosure(right, run)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    draw(collab.load(sys.argv[1]), Path(__file__).with_name("answer.svg"))
