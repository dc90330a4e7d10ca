# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # Gain against disclosure
#
# Every defense is a point: how much a peer gains, and how much an adversary sees. A good one lies to the upper left. Here an
# auditor with 64 leaked pairs, and one with a pool of candidates, attack six ways to publish.

# %%
import matplotlib.pyplot as plt

import collab

ways = {
    "plain": "none",
    "noise": {"kind": "gaussian_noise", "sigma": 1.0},
    "blur": {"kind": "gaussian_filter"},
    "one mean": {"kind": "pooling"},
    "DPM": {"kind": "dpm", "blocks": 2, "epochs": 6},
    "class draws": {"kind": "class_gaussian", "rank": 20},
}
attacks = [
    {"kind": "straw_man", "rows": 200},
    {"kind": "leaked_pairs", "pairs": 64, "epochs": 0, "rows": 200},
    {"kind": "matching", "candidates": 300, "rows": 200},
]
scenario = collab.Scenario(
    {
        "name": "frontier",
        "data": {"source": "creatures", "image_size": 16, "classes": 6, "train": 2400, "test": 1600},
        "model": {
            "backbone": "resnet8", "width": 8, "hook": "conv3_1",
            "pretrain": {
                "by": "peer", "epochs": 25, "batch_size": 16, "optimizer": "muon", "learning_rate": 0.1,
                "weight_decay": 0.1, "schedule": "one_cycle",
            },
        },
        "reconstructor": {
            "epochs": 10, "batch_size": 16, "optimizer": "muon", "learning_rate": 0.05, "schedule": "one_cycle",
        },
        "entities": [
            {"name": "peer", "share": 0.1, "defense": "none"},
            {"name": "victim", "share": 0.6, "defense": "none"},
            {"name": "eve", "kind": "auditor", "defense": "none", "options": {"attacks": attacks, "victims": ["victim"]}},
        ],
        "refine": {"epochs": 6, "learning_rate": 0.05},
        "refinements": [{"row": "with_victim", "entity": "peer", "own": "features", "pool": ["victim"]}],
    }
)

# %% [markdown]
# One run for each way. What they share, the pre-training above all, is played once.

# %%
runs = {
    name: collab.run(
        scenario.changed({"entities.victim.defense": way}), backend="inprocess", device="cpu", progress=False
    )
    for name, way in ways.items()
}

# %% [markdown]
# *Leakage* is 0 where the attack shows no more than the best guess without features, and 1 where it shows what R makes of
# plain features. *Found* is how often the right one of 300 candidates comes first; a guess finds .3 %.

# %%
import pandas as pd


def one(run, metric, **where):
    """The value of a metric in a run, the largest if there are several."""
    found = run.results[run.results.metric == metric]
    for column, value in where.items():
        found = found[found[column] == value]
    return found.value.max()


table = pd.DataFrame(
    {
        "gain, points": {name: run.gain("peer").points.value for name, run in runs.items()},
        "by R": {name: one(run, "leakage[ssim_max]", attack="straw_man") for name, run in runs.items()},
        "by 64 pairs": {name: one(run, "leakage[ssim_max]", attack="leaked_pairs[64]") for name, run in runs.items()},
        "found, %": {name: 100 * one(run, "match_top1") for name, run in runs.items()},
    }
)
table.round(2)

# %%
figure, axis = plt.subplots(figsize=(6, 3.6))
for name, line in table.iterrows():
    worst = max(line["by R"], line["by 64 pairs"])
    axis.scatter(worst, line["gain, points"], s=20 + 2 * line["found, %"])
    axis.annotate(name, (worst, line["gain, points"]), xytext=(6, 6), textcoords="offset points")
axis.axhline(0, color="gray", linewidth=1)
axis.set(xlabel="leakage by the better of both attacks (large dots: found among candidates)", ylabel="points that peer gains")
figure.tight_layout()
plt.show()

# %% [markdown]
# Read it with care. These are drawn images, small trainings and one seed: the *picture* is the lesson, not its figures. At the
# sizes of [findings](../findings.md), the same picture says: plain features help and show everything; a DPM hides from R, not
# from who has pairs or candidates; draws of each class show least, and tell who was a member.
