"""The set-up at the paper's size, on small trees of ImageNet's layout: played with 4 classes, dealt with all 1,000."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collab.cli_validate import validate
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


@pytest.mark.slow
def test_a_tree_of_all_classes_is_dealt_as_the_paper_deals_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """1,000 classes of 100 training images and 10 others, links to one of each: labels are read, no pixels."""
    Image.new("RGB", (260, 240)).save(tmp_path / "one.JPEG")
    for split, count in (("train", 100), ("val", 10)):
        for number in range(1000):
            folder = tmp_path / "tree" / split / f"n{number:08d}"
            folder.mkdir(parents=True)
            (folder / "0.JPEG").write_bytes((tmp_path / "one.JPEG").read_bytes())
            for index in range(1, count):
                (folder / f"{index}.JPEG").hardlink_to(folder / "0.JPEG")
    validate(FILE, overrides=[f"data.root={tmp_path / 'tree'}"])
    told = capsys.readouterr().out
    assert "images: a1 5000, a2 5000, a3 5000, a4 500; held out 5000, public 50000" in told
