from pathlib import Path

import numpy as np
from PIL import Image

from collab.runtime.play import Where, play
from collab.scenario.reader import read_scenario
from tests.places import SCENARIOS

FILE = SCENARIOS / "imagenet_four_entities.yaml"


def test_the_set_up_of_the_paper_runs_on_a_small_tree_of_its_layout(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 1)):
        for number in range(4):
            folder = tmp_path / "tree" / split / f"n0000000{number}"
            folder.mkdir(parents=True)
            for index in range(count):
                picture = rng.integers(0, 255, (7, 9, 3), dtype=np.uint8)
                Image.fromarray(picture).resize((260, 240)).save(folder / f"{index}.JPEG")
    overrides = [  # two images for each entity, one of each private class
        f"data.root={tmp_path / 'tree'}", "data.public_images=4", "model.pretrain.epochs=1",
        "model.pretrain.batch_size=8", "model.pretrain.learning_rate=1e-4",
        "reconstructor.epochs=1", "reconstructor.batch_size=4", "entities.*.share=0.25", "entities.*.defense.epochs=1",
        "entities.*.defense.batch_size=4", "refine.epochs=1", "controls=false",
    ]  # fmt: skip
    scenario = read_scenario(FILE, overrides).scenario
    assert (scenario.model.backbone, scenario.model.hook, scenario.data.image_size) == ("resnet101", "conv4_1", 224)
    some = scenario.model_copy(update={"refinements": (scenario.refinements[5], scenario.refinements[11])})
    played = play(some, Where("inprocess", out=tmp_path / "runs"), lambda event: None)
    assert {"6", "12"} <= {row.row for row in played.rows if row.metric == "top1"}
    published = [row for row in played.rows if row.metric == "bytes_published"]
    assert published
    assert all(row.value and row.value > 2 * 2 * 1024 * 14 * 14 for row in published)  # 2 rows of float16 features
