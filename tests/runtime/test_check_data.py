"""A look at all images before anything is played: what each party has, which are broken, which stand twice."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collab.cli import app
from collab.data.near_copies import find_near_copies, make_thumbnails
from collab.data.survey import measure_loss
from collab.runtime.check_data import check_data
from collab.scenario.reader import read_scenario
from tests.places import SCENARIOS


def smooth(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4)):
        for name in ("a", "b", "c", "d"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                smooth(rng, (40, 20)).save(tmp_path / split / name / f"{number:02}.png")
    first = tmp_path / "train/a/00.png"
    Image.open(first).convert("L").save(tmp_path / "train/a/01.png")
    for name in "abcd":
        shutil.copy(tmp_path / f"train/{name}/02.png", tmp_path / f"val/{name}/00.png")
        Image.open(tmp_path / f"train/{name}/03.png").resize((90, 45)).save(tmp_path / f"val/{name}/01.png")
        (tmp_path / f"train/{name}/04.png").write_bytes(first.read_bytes()[:200])
        (tmp_path / f"train/{name}/05.png").unlink()
        (tmp_path / f"train/{name}/05.png").symlink_to("nowhere")
    return [
        f"data={{source: imagefolder, root: {tmp_path}, image_size: 16, private_classes: [a, b]}}",
        "entities.*.share=0.25",
    ]


def test_all_that_is_wrong_comes_in_one_look(data: list[str], tmp_path: Path) -> None:
    found = check_data(read_scenario(SCENARIOS / "tiny.yaml", data).scenario, lambda event: None)
    assert sum("04.png does not decode" in why for _, why in found.broken) == 4
    assert sum("05.png is a link to what is not there" in why for _, why in found.broken) == 4
    assert found.images == 4 * 12 + 2 * 4 == sum(sum(each.counts.values()) for each in found.looked)
    assert any("2 private images are also held-out" in text for text in found.copies)
    assert sum(found.near.values()) == sum(
        "held-out images" in pair for pair in found.near for _ in range(found.near[pair])
    )
    assert sum(found.near.values()) >= 2  # of each private class one, saved larger
    public = next(each for each in found.looked if each.name == "public images")
    assert public.counts == {"c": 12, "d": 12}
    assert public.survey.sizes().tolist() == [[40, 20]] * 20
    assert {header.mode for header in public.survey.headers} == {"RGB, 8 bits"}
    assert np.allclose(public.lost, 0.5)  # of 40 × 20 pixels 20 × 20 are seen
    assert public.shown.shape == (20, 3, 16, 16)
    assert public.shown.reshape(20, -1).any(axis=1).all()


def test_the_command_ends_with_two_and_only_its_owner_reads_the_page(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "private/page.html"
    words = ["check-data", str(SCENARIOS / "tiny.yaml"), "--out", str(page), "--json"]
    assert app([*words, *(word for each in data for word in ("--set", each))], standalone_mode=False) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["broken"]) == (56, 8)
    assert (page.stat().st_mode & 0o777, page.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    text = page.read_text()
    assert "This page shows private images" in text
    assert text.count("04.png does not decode") == 4


def test_what_lies_outside_the_square_has_a_closed_form() -> None:
    sizes = np.array([[10, 10], [20, 10], [10, 40]])
    assert measure_loss(sizes, 32).tolist() == [0.0, 0.5, 0.75]
    assert np.allclose(measure_loss(sizes, 224), 1 - (224 / 256) ** 2 * np.array([1, 0.5, 0.25]))


def test_resized_and_brighter_pictures_are_near_and_others_are_not() -> None:
    rng = np.random.default_rng(1)
    pictures = [smooth(rng, (32, 32)) for _ in range(40)]
    changed = [each.resize((28, 28)).resize((32, 32)) for each in pictures[:20]]
    changed += [each.point(lambda value: int(value * 0.9 + 10)) for each in pictures[20:]]
    images = np.stack([np.asarray(each).transpose(2, 0, 1) for each in (*pictures, *changed)])
    near = find_near_copies(make_thumbnails(images), [bytes([at]) for at in range(80)])
    assert sorted(zip(near.first.tolist(), near.second.tolist(), strict=True)) == [(at, at + 40) for at in range(40)]
