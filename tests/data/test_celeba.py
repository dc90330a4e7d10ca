"""CelebA as it is distributed, made small: lists, rows, attributes, people, and what is wrong with a list."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collab.data.celeba import CelebA
from collab.data.creatures import Creatures
from collab.data.targets import PLAIN, Asked
from collab.errors import DataError
from collab.participants.assignment import assign
from collab.participants.sources import Sources
from collab.runtime.play import Where, play
from collab.scenario.reader import read_scenario
from tests.places import TINY

ATTRIBUTES = ("Bald", "Eyeglasses", "Male", "Smiling")


def make(root: Path, people: int = 8, each: int = 6, side: int = 24) -> None:
    """`people` with `each` images: the last two people are part 2 (test), the one before them part 1."""
    (root / "img_align_celeba").mkdir(parents=True)
    rng = np.random.default_rng(0)
    names, identities, parts, told = [], [], [], []
    for number in rng.permutation(people * each):
        person, name = int(number) % people, f"{number + 1:06d}.jpg"
        pixels = np.full((side + 4, side, 3), 15 * person, dtype=np.uint8)
        Image.fromarray(pixels).save(root / "img_align_celeba" / name, quality=95)
        names.append(name)
        identities.append(1000 - person)
        parts.append(2 if person >= people - 2 else 1 if person == people - 3 else 0)
        told.append([1 if (person >> bit) & 1 else -1 for bit in range(len(ATTRIBUTES))])
    lists = zip(names, identities, parts, told, strict=True)
    write(root, [(name, who, part, marks) for name, who, part, marks in lists])


def write(root: Path, rows: list[tuple[str, int, int, list[int]]]) -> None:
    (root / "identity_CelebA.txt").write_text("".join(f"{name} {who}\n" for name, who, _, _ in rows))
    (root / "list_eval_partition.txt").write_text("".join(f"{name} {part}\n" for name, _, part, _ in rows))
    lines = [str(len(rows)), " ".join(ATTRIBUTES) + " "]
    lines += [f"{name}  " + " ".join(f"{mark:2d}" for mark in marks) for name, _, _, marks in rows]
    (root / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")


def as_on_the_drive(root: Path) -> None:
    for place, name in (
        ("Anno", "identity_CelebA.txt"),
        ("Anno", "list_attr_celeba.txt"),
        ("Eval", "list_eval_partition.txt"),
    ):
        (root / place).mkdir(exist_ok=True)
        (root / name).rename(root / place / name)
    (root / "Img").mkdir()
    (root / "img_align_celeba").rename(root / "Img/img_align_celeba")


def as_kaggle(root: Path) -> None:
    """Lists with commas and heads, and the folder of images in one of the same name; the identities are added."""
    for name, head in (("list_attr_celeba", ",".join(ATTRIBUTES)), ("list_eval_partition", "partition")):
        old = root / f"{name}.txt"
        lines = old.read_text().splitlines()[2 if "attr" in name else 0 :]
        (root / f"{name}.csv").write_text(
            "\n".join([f"image_id,{head}", *(",".join(line.split()) for line in lines)]) + "\n"
        )
        old.unlink()
    (root / "img_align_celeba").rename(root / "inner")
    (root / "img_align_celeba").mkdir()
    (root / "inner").rename(root / "img_align_celeba/img_align_celeba")


@pytest.mark.parametrize("lay_out", [as_on_the_drive, as_kaggle])
def test_other_layouts_are_the_same_set(lay_out: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path)
    expected = CelebA(image_size=16, seed=0, root=tmp_path)
    rows = np.arange(len(expected.labels("test")))
    images = np.concatenate(list(expected.images("test", rows)))
    lay_out(tmp_path)
    source = CelebA(image_size=16, seed=0, root=tmp_path)
    assert (source.classes, source.attribute_names) == (expected.classes, expected.attribute_names)
    for split in ("train", "test"):
        assert source.names(split) == expected.names(split)
        assert np.array_equal(source.labels(split), expected.labels(split))
    assert np.array_equal(source.attributes("test", rows), expected.attributes("test", rows))
    assert np.array_equal(np.concatenate(list(source.images("test", rows))), images)
    assert len(source.digest()) == 64


def test_kaggles_copy_alone_does_not_say_whom_an_image_shows(tmp_path: Path) -> None:
    make(tmp_path)
    as_kaggle(tmp_path)
    (tmp_path / "identity_CelebA.txt").unlink()
    with pytest.raises(
        DataError, match=r"has no identity_CelebA\.txt, .*Kaggle's copy leaves it out: take it from .*Anno"
    ):
        opened(tmp_path)


def test_a_mistake_in_a_csv_names_its_line(tmp_path: Path) -> None:
    make(tmp_path)
    as_kaggle(tmp_path)
    path = tmp_path / "list_eval_partition.csv"
    path.write_text(path.read_text().replace("\n", "\nnothing,x\n", 1))
    with pytest.raises(DataError, match=r"list_eval_partition\.csv:2: 'nothing x' is not the name of an image"):
        opened(tmp_path)


def opened(root: Path) -> object:
    return CelebA(image_size=16, seed=0, root=root)


def test_rows_follow_the_list_of_splits_and_agree_with_each_other(tmp_path: Path) -> None:
    make(tmp_path)
    source = CelebA(image_size=16, seed=0, root=tmp_path)
    assert len(source.classes) == 8
    assert source.attribute_names == ATTRIBUTES
    files = [line.split() for line in (tmp_path / "list_eval_partition.txt").read_text().splitlines()]
    for split, parts, count in (("train", "0", 30), ("test", "12", 18)):
        listed = [name for name, part in files if part in parts]
        assert len(source.labels(split)) == len(listed) == count
        assert source.names(split) == tuple(listed)
        rows = np.array([count - 1, 0, 7])
        people = [(int(listed[row][:6]) - 1) % 8 for row in rows]
        assert [source.classes[label] for label in source.labels(split)[rows]] == [f"id_{1000 - who}" for who in people]
        shown = np.concatenate(list(source.images(split, rows)))
        assert shown.shape == (3, 3, 16, 16)
        assert np.abs(shown.mean((1, 2, 3)) - 15 * np.array(people)).max() < 3
        marks = [[bool((who >> bit) & 1) for bit in range(4)] for who in people]
        assert source.attributes(split, rows).tolist() == marks
        assert np.array_equal(source.identities(split, rows), source.labels(split)[rows])
    assert not set(source.labels("train")) & set(source.labels("test"))


def test_the_digest_follows_the_lists(tmp_path: Path) -> None:
    make(tmp_path)
    before = CelebA(image_size=16, seed=0, root=tmp_path).digest()
    assert CelebA(image_size=16, seed=0, root=tmp_path).digest() == before
    file = tmp_path / "list_attr_celeba.txt"
    file.write_text(file.read_text().replace(" 1", "-1", 1))
    assert CelebA(image_size=16, seed=0, root=tmp_path).digest() != before


@pytest.mark.parametrize(("file", "old", "new", "told"), [
    ("list_eval_partition.txt", "000001.jpg ", "../1.jpg ", "is not the name of an image"),
    ("list_eval_partition.txt", "000001.jpg ", "000002.jpg ", "each once"),
    ("list_eval_partition.txt", "000001.jpg ", "000001.jpg 3", r"puts 000001.jpg in part 3\d; there are 0, 1 and 2"),
    ("list_eval_partition.txt", "", "version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    ("identity_CelebA.txt", "000003.jpg ", "000003.jpg x", "whole number"),
    ("identity_CelebA.txt", "000003.jpg ", "other.jpg ", "has no line for 000003.jpg"),
    ("list_attr_celeba.txt", "Bald ", "Bald Young ", "5 whole numbers"),
])  # fmt: skip
def test_what_is_wrong_with_a_list_is_told(tmp_path: Path, file: str, old: str, new: str, told: str) -> None:
    make(tmp_path)
    path = tmp_path / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=told):
        opened(tmp_path)


def test_a_missing_list_or_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="img_align_celeba"):
        opened(tmp_path)
    make(tmp_path)
    (tmp_path / "identity_CelebA.txt").unlink()
    with pytest.raises(DataError, match=r"has no identity_CelebA\.txt, which says whom"):
        opened(tmp_path)


def test_the_first_half_of_the_attributes_is_answered_and_the_last_hidden(tmp_path: Path) -> None:
    make(tmp_path)
    source = CelebA(image_size=16, seed=0, root=tmp_path)
    asked = Asked.of(source, "attributes", None, None, identities=True)
    assert (asked.utility, asked.private) == (("Bald", "Eyeglasses"), ("Male", "Smiling"))
    assert Asked.of(source, "attributes", ("Male",), None, identities=False).private == ("Smiling",)
    rows, labels = np.array([3, 1]), np.array([4, 2])
    found = asked.numbers(source, "train", rows, labels)
    truth = source.attributes("train", rows)
    assert found["labels"].tolist() == truth[:, :2].astype(float).tolist()
    assert found["private"].tolist() == truth[:, 2:].astype(float).tolist()
    assert found["groups"].tolist() == [4, 2]
    assert found["identities"].tolist() == source.labels("train")[rows].tolist()
    assert list(PLAIN.numbers(source, "train", rows, labels)) == ["labels"]


def test_what_a_source_does_not_tell_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    faces = CelebA(image_size=16, seed=0, root=tmp_path)
    with pytest.raises(DataError, match="without a pose"):
        Asked.of(faces, "pose", None, None, identities=False)
    with pytest.raises(DataError, match="no attribute 'Hat'"):
        Asked.of(faces, "attributes", ("Hat",), None, identities=False)


def test_creatures_have_twenty_of_forty_and_all_angles() -> None:
    source = Creatures(image_size=16, seed=0, classes=4, train=80, test=8)
    asked = Asked.of(source, "attributes", None, None, identities=False)
    assert asked.utility == source.attribute_names[:20]
    assert asked.private == source.attribute_names[20:]
    pose = Asked.of(source, "pose", None, None, identities=False)
    assert pose.outputs(("a",)) == ("roll", "pitch", "yaw")
    rows = np.arange(5)
    found = pose.numbers(source, "train", rows, rows)["labels"]
    assert found.dtype == np.float32
    assert np.allclose(found, source.pose("train", rows), atol=1e-5)


def test_a_folder_of_faces_is_played_from_files_to_results(tmp_path: Path) -> None:
    make(tmp_path / "celeba", people=16, each=6)
    stated = read_scenario(
        TINY,
        [
            f"data={{source: celeba, root: {tmp_path / 'celeba'}, image_size: 16, task: attributes}}",
            "model.width=4", "model.pretrain.epochs=1", "reconstructor.epochs=1", "entities.*.defense.epochs=1",
            "entities.*.defense.blocks=1", "refine.epochs=1", "expect=null", "entities.*.share=0.25",
            "inference={of: [attributes], epochs: 1}", "controls=false", "seed=1",
        ],
    ).scenario  # fmt: skip
    played = play(stated, Where("inprocess", device="cpu", out=tmp_path / "runs"), lambda event: None)
    found = {(row.row, row.entity, row.metric): row.value for row in played.rows}
    for number, entity in ((7, "a1"), (12, "a4")):
        assert 0 < (found[str(number), entity, "map"] or 0) <= 1
    assert 0 < (found["inference", "a1", "privacy_map_fresh"] or 0) <= 1
    people = {name: np.load(played.run / "private" / name / "groups.npy") for name in ("a1", "a2")}
    public = np.load(played.run / "public" / "identities.npy")
    private = np.concatenate([np.load(played.run / "private" / name / "identities.npy") for name in people])
    assert not set(public) & set(private)


def test_nobody_held_out_is_told_before_anything_is_played(tmp_path: Path) -> None:
    make(tmp_path, people=16)
    source = CelebA(image_size=16, seed=0, root=tmp_path)
    trained = [source.classes[label] for label in np.unique(source.labels("train"))]
    overrides = [
        f"data={{source: celeba, root: {tmp_path}, image_size: 16, task: attributes, "
        f"private_classes: [{trained[0]}, {trained[1]}]}}"
    ]
    stated = read_scenario(TINY, overrides).scenario
    with pytest.raises(DataError, match="no held-out image is of a private class"):
        assign(stated, Sources.open(stated, source))
