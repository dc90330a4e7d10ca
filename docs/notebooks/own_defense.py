# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # Your own defense
#
# A defense is one file. Suppose that features are hidden by publishing few of them: of each row the largest values stay, and
# all others become 0.

# %%
from pathlib import Path

Path("defenses").mkdir(exist_ok=True)

# %%
# %%writefile defenses/keep_largest.py
"""A defense that publishes the largest values alone."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from collab.api import DefenseOptions, FixedDefense


class Largest(nn.Module):
    """Keeps a share of the values of each row, and puts 0 for the others."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, features: Tensor) -> Tensor:
        rows = features.flatten(1)
        least = torch.quantile(rows.float(), 1 - self.share, dim=1, keepdim=True).to(rows)
        return torch.where(rows >= least, rows, 0).reshape(features.shape)


@dataclass(frozen=True)
class KeepLargest(FixedDefense):
    """Publishes the largest values of each row."""

    class Options(DefenseOptions):
        """How many."""

        share: float = Field(0.1, gt=0, le=1, description="Share of the values that stays.")

    kind: ClassVar[str] = "keep_largest"
    keeps_values: ClassVar[bool] = True  # what stays is published as it is: the audit is not to wonder

    share: float

    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Largest(self.share)


# %% [markdown]
# `FixedDefense` is a defense that learns nothing; one that trains its module overrides `fit` of `Defense`. The file lies in
# `defenses/` of the working directory, so a scenario may name it by now. A mistake in its options is told where it stands:

# %%
import collab

scenario = collab.Scenario(
    {
        "name": "own_defense",
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
            {"name": "victim", "share": 0.6, "defense": {"kind": "keep_largest", "share": 0.1}},
        ],
        "refine": {"epochs": 6, "learning_rate": 0.05},
        "refinements": [{"row": "with_victim", "entity": "peer", "own": "features", "pool": ["victim"]}],
    }
)
try:
    scenario.changed({"entities.victim.defense.share": 7})
except collab.errors.ScenarioError as mistake:
    print(mistake)

# %% [markdown]
# ## Does it keep the rules?
#
# The conformance kit plays it on small images: same seed, same bits; nothing but plain reports; a kill changes nothing.
# `collab plugins check keep_largest` does the same in a terminal.

# %%
from collab.api import Plugins
from collab.testing import check_defense

for check in check_defense("keep_largest", Plugins.of(Path.cwd())):
    print("FAILED" if check.problem else "ok", check.name, check.problem)

# %% [markdown]
# ## What does it keep, and what does it show?
#
# C on what is published says what it keeps; SSIM of R on what is published says what the weakest opponent sees. Five strengths,
# from everything to one value of a hundred; what does not depend on the strength is played once.

# %%
shares = [1.0, 0.3, 0.1, 0.03, 0.01]
sweep = collab.sweep(
    scenario, vary={"entities.victim.defense.share": shares}, backend="inprocess", device="cpu", progress=False
)
axis = "entities.victim.defense.share"
means = sweep.means.query("entity == 'victim'").pivot_table(index=axis, columns="metric", values="mean")
means[["top1_poisoned", "ssim_max[7]_poisoned"]].sort_index(ascending=False).round(3)

# %%
import matplotlib.pyplot as plt

gains = sweep.means.query("metric == 'gain[top1]' and row == 'with_victim'").sort_values(axis)
plt.figure(figsize=(6, 2.6))
plt.errorbar(gains[axis], 100 * gains["mean"], yerr=100 * (gains.high - gains.low) / 2, fmt="o-", capsize=4)
plt.axhline(0, color="gray", linewidth=1)
plt.xscale("log")
plt.xlabel("share of values that is published")
plt.ylabel("points that peer gains")
plt.tight_layout()
plt.show()

# %% [markdown]
# R has never seen such features: that it fails says little. [The next notebook](frontier.ipynb) asks attackers who know the
# recipe. To give the defense to others, put it into a package with an entry point: [plugins](../plugins.md).
