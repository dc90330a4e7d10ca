"""What an image folder says of itself: its images, their names, and all that is there and not played."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collab.data.folders import ImageFolders
from collab.data.listing import list_endings, list_folder
from collab.data.source import open_source
from collab.errors import DataError
from collab.scenario.sources import SOURCES

COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def paint(file: Path, color: tuple[int, int, int] = COLORS[0], kind: str | None = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), color).save(file, kind)
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        for number in range(3):
            paint(tmp_path / "train" / name / f"{number}.png")
        paint(tmp_path / "val" / name / "0.png")
    return tmp_path


def opened(root: Path, test: str | None = None, kind: str = "imagefolder") -> ImageFolders:
    source = open_source(SOURCES[kind].opens[kind], image_size=16, seed=0, root=root, test=test)
    assert isinstance(source, ImageFolders)
    return source


def decoded(source: ImageFolders, rows: Sequence[int]) -> np.ndarray:
    return np.concatenate(list(source.images("train", np.array(rows))))


def test_a_clean_folder_has_nothing_to_say_and_names_its_rows(root: Path) -> None:
    paint(root / "train/cat/10.png")
    source = opened(root)
    assert source.notices() == ()
    cats = ("cat/0.png", "cat/1.png", "cat/10.png", "cat/2.png")  # by code points, as docs/partition.md has it
    assert source.names("train") == (*cats, "dog/0.png", "dog/1.png", "dog/2.png")
    assert source.names("test") == ("cat/0.png", "dog/0.png")
    assert source.labels("train").tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_of_two_folders_of_held_out_images_one_must_be_named(root: Path) -> None:
    for number in range(4):
        for name in ("cat", "dog"):
            paint(root / "test" / name / f"{number}.png")
    with pytest.raises(
        DataError, match=r"`val` \(2 images\) and `test` \(8 images\).*`data.test: val` or `data.test: t"
    ):
        opened(root)
    assert len(opened(root, "val").labels("test")) == 2
    assert len(opened(root, "test").labels("test")) == 8
    assert opened(root, "test").notices() == ()


def test_imagenet_takes_val_and_says_that_it_does_not_read_test(root: Path) -> None:
    paint(root / "test/cat/a.png")  # of ILSVRC it has no labels
    source = opened(root, kind="imagenet")
    assert len(source.labels("test")) == 2
    assert source.notices() == ("Held-out images are those of `val`; `test` is not read (`data.test: test` would).",)


def test_a_folder_of_held_out_images_that_is_not_there_is_told_with_what_is(root: Path) -> None:
    with pytest.raises(DataError, match=r"must hold the folders `train` and `test`,.* It holds train, val\."):
        opened(root, "test")
    (root / "val").rename(root / "Valid")
    with pytest.raises(DataError, match=r"`train` and `val` or `test`,.* It holds Valid, train\."):
        opened(root)


@pytest.mark.parametrize("ending", ["gif", "pgm", "jfif", "JPG", "tif", "webp", "bmp"])
def test_what_pillow_reads_is_an_image(ending: str, root: Path) -> None:
    kind = {"pgm": "PPM", "jfif": "JPEG"}.get(ending)
    file = root / "train/cat" / f"9.{ending}"
    Image.new("L", (16, 16), 200).save(file, kind)
    source = opened(root)
    assert source.names("train")[3] == f"cat/9.{ending}"
    assert source.notices() == ()
    assert abs(int(decoded(source, [3]).mean()) - 200) < 3


def test_formats_of_which_pillow_reads_no_pixels_are_none() -> None:
    assert {".png", ".jpg", ".gif", ".pgm", ".jfif", ".tiff"} <= list_endings()
    assert not {".eps", ".ps", ".h5", ".mpg", ".wmf", ".grib", ".pdf", ".txt", ""} & list_endings()


def test_of_an_animated_file_the_first_frame_is_taken(root: Path) -> None:
    frames = [Image.new("RGB", (16, 16), color) for color in COLORS[::-1]]
    frames[0].save(root / "train/cat/9.gif", save_all=True, append_images=frames[1:])
    assert decoded(opened(root), [3])[0, :, 8, 8].tolist() == [0, 0, 255]


def test_what_is_passed_over_is_counted_and_no_file_is_named(root: Path) -> None:
    for number in range(12):
        (root / f"train/cat/scan_{number}.HEIC").write_bytes(b"x")
    for name in ("notes.txt", "README", "a.ray of light"):
        (root / "train/dog" / name).write_text("x")
    paint(root / "train/dog/2021/1.png")
    paint(root / "train/loose.png")
    paint(root / "val/zebra/1.png")
    paint(root / "val/zebra/2.png")
    assert opened(root).notices() == (
        "15 files in `train` passed over: Pillow reads no image with such an ending (.heic 12, no ending 2, .txt 1).",
        "1 folder inside classes of `train` not looked into (dog 1): images lie directly in the folder of their class.",
        "1 file in `train` passed over: in no folder of a class.",
        "2 images in `val` passed over: `train` has no such class (zebra 2).",
    )


def test_a_class_without_training_images_is_refused_with_what_lies_there(root: Path) -> None:
    for name in ("bee", "owl"):
        paint(root / "val" / name / "0.png")
    (root / "train/bee").mkdir()
    (root / "train/owl/2021").mkdir(parents=True)
    (root / "train/owl/1.heic").write_bytes(b"x")
    told = r"has no image of class bee, owl\..*\n  bee: empty\n  owl: 1 file .* \(\.heic 1\), 1 folder inside"
    with pytest.raises(DataError, match=told):
        opened(root)


def test_a_class_without_held_out_images_is_told(root: Path) -> None:
    (root / "val/cat/0.png").unlink()
    assert opened(root).notices() == ("`val` has no image of class cat: no figure says anything of it.",)
    (root / "val/cat").rmdir()
    with pytest.raises(DataError, match=r"class cat has a folder in `train` and none in .*val, which has dog\."):
        opened(root)


def test_classes_that_differ_in_capitals_are_told(root: Path) -> None:
    for split in ("train", "val"):
        paint(root / split / "Cat" / "0.png")
    assert opened(root).notices() == ("Cat, cat are 2 classes: they differ in capitals.",)


def test_images_in_no_class_are_told_where_there_is_no_other(tmp_path: Path) -> None:
    paint(tmp_path / "train/1.png")
    (tmp_path / "val").mkdir()
    with pytest.raises(DataError, match=r"train holds no images\. They lie in a folder for each class\. 1 file in `tr"):
        opened(tmp_path)


@pytest.mark.parametrize("name", [".ipynb_checkpoints", "@eaDir", "__MACOSX"])
def test_folders_that_systems_leave_are_no_classes(name: str, root: Path) -> None:
    for place in (root / "train", root / "val", root / "train/cat"):
        paint(place / name / "1.png")
    source = opened(root)
    assert source.classes == ("cat", "dog")
    assert source.notices() == (
        f"2 hidden or system entries in `train` passed over ({name} 2).",
        f"1 hidden or system entry in `val` passed over ({name} 1).",
    )


def test_files_that_systems_leave_are_no_images(root: Path) -> None:
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._0.png", ".hidden.png"):
        for place in (root, root / "train", root / "train/cat", root / "val/dog"):
            (place / name).write_bytes(b"x")
    source = opened(root)
    kinds = "(.* 2, .DS_Store 2, ._* 2, Thumbs.db 2, desktop.ini 2)"
    assert source.notices() == (
        f"10 hidden or system entries in `train` passed over {kinds}.",
        f"5 hidden or system entries in `val` passed over {kinds.replace('2', '1')}.",
    )
    assert len(source.labels("train")) == 6
    assert decoded(source, range(6)).shape == (6, 3, 16, 16)


def test_what_cannot_be_a_class_is_named_all_at_once(root: Path) -> None:
    (root / "train/owl").symlink_to(root / "nowhere")
    (root / "val/loop").symlink_to("loop")
    os.mkfifo(root / "val/pipe")
    paint(root / "train" / os.fsdecode(b"caf\xe9") / "1.png")
    with pytest.raises(DataError) as error:
        opened(root)
    first, *lines = str(error.value).splitlines()
    assert first.startswith("4 entries of the image folders cannot be read.")
    assert sorted(line.removeprefix(f"  {root}/").split(": ")[0] for line in lines) == [
        r"train/caf\xe9 has a name that is not UTF-8, and its class is called by it",
        "train/owl is a link to what is not there",
        "val/loop cannot be looked at",
        "val/pipe is neither a file nor a folder",
    ]


def test_links_to_images_and_classes_are_followed(root: Path) -> None:
    (root / "train/cat/link.png").symlink_to(root / "train/dog/0.png")
    (root / "train/fox").symlink_to(root / "train/dog")
    (root / "val/fox").symlink_to(root / "val/dog")
    source = opened(root)
    assert source.classes == ("cat", "dog", "fox")
    assert decoded(source, [3]).shape == (1, 3, 16, 16)


def test_a_folder_that_cannot_be_read_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refused(path: Path) -> object:  # as for a folder without rights, which root has all the same
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    (root / "train/owl").symlink_to(root / "nowhere")
    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(DataError, match=r"^3 entries .*\n.*train/dog cannot be read: Perm.*\n.*owl is a link to what"):
        opened(root)
    with pytest.raises(DataError, match=r"the folder .*dog cannot be read: Permission denied"):
        list_folder(root / "dog")


def test_a_name_that_is_no_text_is_written_with_its_bytes(root: Path) -> None:
    """An image plays whatever its name is; a list of rows, a terminal and a page need one that can be told apart."""
    (root / "train/cat" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"nothing")
    source = opened(root)
    with pytest.raises(DataError, match=r"train/cat/caf\\xe9\.png does not decode"):
        decoded(source, range(len(source.labels("train"))))


def test_a_file_that_goes_away_is_named(root: Path) -> None:
    source = opened(root)
    (root / "train/dog/1.png").unlink()
    source.digest()
    with pytest.raises(DataError, match=r"train/dog/1\.png cannot be read: No such file"):
        decoded(source, range(6))


def test_broken_images_come_all_at_once(root: Path) -> None:
    for number in range(300):
        paint(root / "train/cat" / f"x{number:03}.png")
    broken = [root / "train/cat" / f"x{number:03}.png" for number in (*range(21), 299)]
    for file in broken:
        file.write_bytes(b"nothing")
    source = opened(root)
    with pytest.raises(DataError) as error:
        decoded(source, range(306))
    lines = str(error.value).splitlines()
    assert lines[0] == "22 of 306 images do not decode:"
    assert [line.split(" does not decode")[0].strip() for line in lines[1:21]] == [str(file) for file in broken[:20]]
    assert lines[21] == "  and 2 more"
    with pytest.raises(DataError, match=r"x299\.png does not decode as an image: .*Repair or remove it\.$"):
        decoded(source, [302, 0])


def test_the_digest_depends_on_each_name_and_its_class(root: Path) -> None:
    for number in (3, 4, 5):
        (root / f"train/dog/{number - 3}.png").rename(root / f"train/dog/{number}.png")
    first = opened(root).digest()
    assert opened(root).digest() == first
    (root / "train/cat/2.png").rename(root / "train/dog/2.png")  # the same sequence of files, sizes and times
    moved = opened(root).digest()
    (root / "train/dog/2.png").rename(root / "train/dog/1.png")
    assert len({first, moved, opened(root).digest()}) == 3


def test_folders_of_classes_without_a_split_are_one_split(root: Path) -> None:
    paint(root / "train/cat/.hidden.png")
    source = opened(root / "train")
    assert source.names("train") == opened(root).names("train")
    assert (source.names("test"), source.labels("test").tolist()) == ((), [])
    assert source.notices() == ("1 hidden or system entry in `train` passed over (.* 1).",)
    assert source.digest() != opened(root).digest()
    assert len(decoded(source, range(6))) == 6
