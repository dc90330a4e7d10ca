"""Tar files of samples: rows and labels, ranges of files, and members that are no images or worse."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collab.data.decoding import decode
from collab.data.shard_files import find_split_files
from collab.data.webdataset import WebDataset
from collab.errors import DataError
from tests.data import keeping
from tests.data.keeping import encode, pack


def opened(root: Path, **changed: Any) -> WebDataset:
    options = {"train": "train-*.tar", "test": None, "image": None, "label": "cls"}
    return WebDataset(image_size=16, seed=0, root=root, **options | changed)


def sample(name: str = "a", number: int = 0, label: bytes = b"x") -> dict[str, bytes]:
    return {f"{name}.png": encode(number), f"{name}.cls": label}


def test_rows_follow_the_files_and_are_named_by_their_members(tmp_path: Path) -> None:
    keeping.tars(tmp_path)
    source = opened(tmp_path, test="test-0.tar")
    assert source.classes == ("clear", "crack")
    assert source.labels("train").tolist() == [0, 1] * 4
    assert source.names("train")[5] == "train-001.tar/0005.png"
    images = np.concatenate(list(source.images("train", np.array([5, 0, 6, 6]))))
    assert np.array_equal(images, [decode(encode(number), 16, where="") for number in (5, 0, 6, 6)])
    assert np.array_equal(next(source.images("test", np.array([3])))[0], decode(encode(11), 16, where=""))
    by_json = opened(tmp_path, label="json.finding")
    assert (by_json.classes, by_json.labels("train").tolist()) == (("0", "1"), [0, 1] * 4)


def test_a_name_ends_at_the_first_dot_of_its_file_and_image_says_which_member_counts(tmp_path: Path) -> None:
    members = {"v1.0/a.left.PNG": encode(1), "v1.0/a.right.png": encode(2), "v1.0/a.cls": b" dog\n", "v1.0/a.txt": b"?"}
    pack(tmp_path / "train-0.tar", members)
    with pytest.raises(DataError, match=r"sample v1\.0/a of .* has 2 images among its members cls, left\.png, right"):
        opened(tmp_path)
    source = opened(tmp_path, image="right.png")
    assert (source.classes, source.names("train")) == (("dog",), ("train-0.tar/v1.0/a.right.png",))
    assert np.array_equal(next(source.images("train", np.array([0])))[0], decode(encode(2), 16, where=""))


def test_a_range_stands_for_all_its_files(tmp_path: Path) -> None:
    for number in (8, 9, 10):
        (tmp_path / f"a-{number:03d}.tar").touch()
    files = find_split_files(tmp_path, "a-{008..010}.tar", ".tar", key="train")
    assert [file.name for file in files] == ["a-008.tar", "a-009.tar", "a-010.tar"]
    for name, words in (("a-{008..011}.tar", r"no file .*a-011\.tar"), ("a-{9..8}.tar", "Count upwards"),
                        ("a-{0..999999999}.tar", "Count upwards")):  # fmt: skip
        with pytest.raises(DataError, match=words):
            find_split_files(tmp_path, name, ".tar", key="train")


@pytest.mark.parametrize(("members", "words"), [
    ({"a.png": encode(0)}, r"sample a of .*train-0\.tar has no label: of `cls`"),
    ({"a.cls": b"x"}, "sample a of .* has 0 images among its members cls"),
    ({**sample(), "./a.PNG": b""}, r"sample \./a of .* has no label"),
    ({**sample(), "a.CLS": b""}, r"member a\.CLS of .* stands there twice"),
    (sample(label=b"\xff"), "sample a of .* has a `cls` that has no label"),
    (sample(label=b""), "has the label '', of 0 letters"),
    (sample(label=b"\x1b[2J"), "all of them printable"),
    (sample(label=b"x" * (1 << 20 | 1)), "has a label of 1,048,577 bytes"),
    ({}, "has no rows"),
])  # fmt: skip
def test_samples_that_are_not_whole_are_named(tmp_path: Path, members: dict[str, bytes], words: str) -> None:
    pack(tmp_path / "train-0.tar", members)
    with pytest.raises(DataError, match=words):
        opened(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"k": null}', b'{"k": [1]}', b"[" * 100_000, b'{"k": 0.5}'])
def test_labels_in_json_are_texts_and_whole_numbers(tmp_path: Path, content: bytes) -> None:
    pack(tmp_path / "train-0.tar", {"a.png": encode(0), "a.json": content})
    with pytest.raises(DataError, match=r"sample a of .*train-0\.tar has"):
        opened(tmp_path, label="json.k")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
        member = tarfile.TarInfo("a.png")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(DataError, match=r"member a\.png of .* is no plain file, but a link or a device"):
        opened(tmp_path)


def test_names_that_lead_elsewhere_lead_nowhere(tmp_path: Path) -> None:
    pack(tmp_path / "in/train-0.tar", sample("../../a") | sample("/etc/b", 1))
    source = opened(tmp_path / "in")
    assert source.names("train") == ("train-0.tar/../../a.png", "train-0.tar//etc/b.png")
    assert sum(len(block) for block in source.images("train", np.arange(2))) == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "train-0.tar"]  # nothing is unpacked


def with_size(content: bytes, at: int, size: bytes) -> bytes:
    """The head at `at` says `size`, under a checksum that fits."""
    head = bytearray(content[at : at + 512])
    head[124:136] = size
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return content[:at] + bytes(head) + content[at + 512 :]


def test_damaged_and_hostile_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "train-0.tar"
    pack(path, sample("a") | sample("b", 1, b"y"))
    content = path.read_bytes()
    second = content.index(b"b.png")
    negative = b"\xff" * 11 + b"\0"  # base 256: -256
    for spoiled, words in (
        (b"", "no readable tar file"),
        (b"nothing" * 1000, "no readable tar file"),
        (gzip.compress(content), "It may not be compressed"),
        (content[: second + 200], "no readable tar file|damaged"),
        (content[: second + 700], "has no more bytes"),
        (content[:second] + b"\1" * 100 + content[second + 100 :], f"is damaged at byte {second:,}"),
        (with_size(content, second, b"77777777777\0"), "has no more bytes"),
        (with_size(content, second, negative), "has no more bytes|damaged"),
        (with_size(content, 0, negative), "has no more bytes|no readable|damaged"),
    ):
        path.write_bytes(spoiled)
        with pytest.raises(DataError, match=words):
            opened(tmp_path)


def test_broken_images_are_told_together(tmp_path: Path) -> None:
    members = {**sample("a"), **sample("b"), **sample("c")} | {"a.png": b"nothing", "c.png": b""}
    pack(tmp_path / "train-0.tar", members)
    with pytest.raises(DataError, match=r"(?s)train-0\.tar/a\.png does not decode.*train-0\.tar/c\.png"):
        list(opened(tmp_path).images("train", np.arange(3)))


def test_a_file_that_shrinks_meanwhile_is_told(tmp_path: Path) -> None:
    pack(tmp_path / "train-0.tar", sample())
    source = opened(tmp_path)
    (tmp_path / "train-0.tar").write_bytes(io.BytesIO().getvalue())
    with pytest.raises(DataError, match=r"train-0\.tar/a\.png does not decode"):
        list(source.images("train", np.arange(1)))
