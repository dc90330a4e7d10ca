"""Three parties with a folder of images each, of other sizes, spellings and classes, and a folder of public images."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario

COUNTS: Mapping[str, Mapping[str, int]] = {
    "A": {"cat": 30, "dog": 30, "frog": 20},
    "B": {"Cat": 20, "dogs": 16},
    "C": {"cats": 10, "dog": 24},
    "Q": {"ship": 24, "car": 24},
}
"""Images of each class in the folder of each party, and in the public one."""

SCENARIO = """
name: three_parties
data:
  source: own
  image_size: 16
  hold_out: 0.25
  group: '^[^/]+/(p\\d+)_'
  public: {source: imagefolder, root: Q}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a, epochs: 1, batch_size: 16}}
reconstructor: {epochs: 1, batch_size: 16}
entities:
  - {name: a, data: {source: imagefolder, root: A}, defense: {kind: dpm, blocks: 1, epochs: 1, batch_size: 16}}
  - name: b
    data: {source: imagefolder, root: B, class_names: {Cat: cat, dogs: dog}}
    defense: {kind: dpm, blocks: 1, epochs: 1, batch_size: 16}
  - name: c
    data: {source: imagefolder, root: C, class_names: {cats: cat}}
    defense: {kind: dpm, blocks: 1, epochs: 1, batch_size: 16}
refine: {epochs: 1, batch_size: 16}
refinements:
  - {row: 1, entity: b, own: images}
  - {row: 2, own: images, share: 1.0, epochs: 1}
  - {row: 3, entity: b, own: features, pool: [a, c]}
"""
"""B refines on what A and C publish; two images are of one patient, `p3_0.png` and `p3_1.png`."""


def make_folders(root: Path) -> Path:
    """Writes the folders and the scenario; images are 14 to 30 px wide, every fifth of them gray."""
    rng = np.random.default_rng(0)
    for party, counts in COUNTS.items():
        for name, count in counts.items():
            (root / party / name).mkdir(parents=True)
            for number in range(count):
                wide, high = rng.integers(14, 30, 2).tolist()
                pixels = rng.integers(0, 255, (high, wide, 3), dtype=np.uint8)
                picture = Image.fromarray(pixels).convert("L" if number % 5 == 0 else "RGB")
                picture.save(root / party / name / f"p{number // 2}_{number % 2}.png")
    (root / "parties.yaml").write_text(SCENARIO)
    return root


def read_parties(root: Path, *overrides: str) -> Scenario:
    """The scenario in such a folder."""
    return read_scenario(root / "parties.yaml", overrides).scenario
