# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # Your own images
#
# Two parties have some photographs each. Would the smaller one gain from what the larger one publishes, and what would the
# larger one disclose? Here the photographs are drawn, so that the notebook plays anywhere in seconds. Put your own folder
# in the place of `photos`: a folder of images for each class.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import collab
from collab.data.creatures import Creatures

drawn = Creatures(image_size=16, seed=1, classes=6, train=1800, test=6)
numbers = np.arange(1800)
pictures = (picture for block in drawn.images("train", numbers) for picture in block)
for number, label, picture in zip(numbers, drawn.labels("train"), pictures, strict=True):
    folder = Path("photos") / drawn.classes[label]
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture.transpose(1, 2, 0)).save(folder / f"{number}.png")

# %% [markdown]
# ## A scenario
#
# It says whose images there are, which network is trained and where it is cut, who poisons with what, and what is compared.
# Half of the classes are private; the others are the public images that R learns on. A fifth of each private class is held
# out: on these everything is scored.

# %%
scenario = collab.Scenario(
    {
        "name": "own_images",
        "data": {"source": "imagefolder", "root": "photos", "image_size": 16, "hold_out": 0.2},
        "model": {
            "backbone": "resnet8", "width": 8, "hook": "conv3_1",
            "pretrain": {
                "by": "large", "epochs": 25, "batch_size": 16, "optimizer": "muon", "learning_rate": 0.1,
                "weight_decay": 0.1, "schedule": "one_cycle",
            },
        },
        "reconstructor": {
            "epochs": 10, "batch_size": 16, "optimizer": "muon", "learning_rate": 0.05, "schedule": "one_cycle",
        },
        "entities": [
            {"name": "large", "share": 0.6, "defense": {"kind": "dpm", "blocks": 2, "epochs": 4}},
            {"name": "small", "share": 0.2, "defense": {"kind": "dpm", "blocks": 2, "epochs": 4}},
        ],
        "refine": {"epochs": 6, "learning_rate": 0.05},
        "refinements": [
            {"row": "alone", "entity": "small", "own": "images"},
            {"row": "with_large", "entity": "small", "own": "features", "pool": ["large"]},
        ],
    }
)
scenario.write("own_images.yaml")  # `collab run own_images.yaml` plays the same

# %%
run = collab.run(scenario, backend="inprocess", device="cpu", progress=False)
print(run)

# %% [markdown]
# Mind the last lines: drawn or real, one run of one seed with few images says little.
#
# ## The gain, and its controls
#
# `c_own_small` is the released network refined on the small party's own features alone. `c_unpoisoned_with_large` is the
# same pool without poison, which no real party would publish: it is what there was to gain.

# %%
rows = ["alone", "c_public", "c_own_small", "with_large", "c_unpoisoned_with_large"]
top1 = run.results.query("metric == 'top1'").set_index("row").loc[rows, ["value", "low", "high"]]
print(run.gain("small"))
(100 * top1).round(1)

# %%
plt.figure(figsize=(6, 2.4))
plt.errorbar(100 * top1.value, rows, xerr=100 * np.array([top1.value - top1.low, top1.high - top1.value]), fmt="o", capsize=4)
plt.xlabel("right answers on held-out images, %")
plt.gca().invert_yaxis()
plt.tight_layout()
plt.show()

# %% [markdown]
# ## What the released reconstructor sees
#
# Held-out images, what R makes of their features, and what it makes of them behind the module. A fooled R is no evidence
# that nothing is left: the third notebook attacks.

# %%
pictures = run.pictures["large"]
shown = np.stack([pictures.original[:6], pictures.from_original[:6], pictures.from_poisoned[:6]])
figure, axes = plt.subplots(3, 6, figsize=(6, 3))
for line, (name, images) in enumerate(zip(["image", "plain", "poisoned"], shown, strict=True)):
    for place, image in enumerate(images):
        axes[line, place].imshow(image.transpose(1, 2, 0))
        axes[line, place].set(xticks=[], yticks=[])
    axes[line, 0].set_ylabel(name)
plt.tight_layout()
plt.show()

# %% [markdown]
# `run.report()` draws the page to read and to send. Next: [a defense of your own](own_defense.ipynb), and
# [gain against disclosure](frontier.ipynb). What goes wrong silently: [sharp edges](../sharp_edges.md).
