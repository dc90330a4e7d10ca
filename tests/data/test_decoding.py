"""Files that are odd beside their pixels: strange EXIF data, extreme shapes, and what is no image at all."""

import errno
import io
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collab.data.broken import BrokenImages
from collab.data.decoding import Encoded, _Room, decode, decode_all, digest_files
from collab.data.looking import find_strangers
from collab.errors import DataError, ResourceError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234\n"


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_only_the_orientation_is_wanted_of_odd_exif_data() -> None:
    """A width of -1 in a tag that has no sign: Pillow reads it, and cannot write it again."""
    entries = [(0x0100, 8, struct.pack(">hxx", -1)), (0x0112, 3, struct.pack(">Hxx", 3))]
    table = b"".join(struct.pack(">HHI", tag, kind, 1) + value for tag, kind, value in entries)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, len(entries)) + table + bytes(4)
    half = Image.new("L", (16, 16))
    half.paste(255, (0, 0, 16, 8))
    shown = decode(encoded(half, exif=exif), 16, where="x")[0]
    assert shown[0].tolist() == [0] * 16  # upside down
    assert shown[15].tolist() == [255] * 16


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0junkjunkjunk", b"Exif\0\0MM\0*\0\0"])
def test_exif_data_that_cannot_be_read_say_nothing_of_whole_pixels(exif: bytes, kind: str) -> None:
    picture = Image.new("L", (16, 16), 100)
    assert np.abs(decode(encoded(picture, kind, exif=exif), 16, where="x").astype(int) - 100).max() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int) -> None:
    """A corner that is white lands where the EXIF standard puts it: the first row and column of each orientation."""
    picture = Image.new("L", (16, 16))
    picture.paste(255, (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = decode(encoded(picture, exif=exif), 16, where="x")[0]
    top = {1: True, 2: True, 3: False, 4: False, 5: True, 6: True, 7: False, 8: False}[orientation]
    left = {1: True, 2: False, 3: False, 4: True, 5: True, 6: False, 7: False, 8: True}[orientation]
    corner = shown[:8] if top else shown[8:]
    assert ((corner[:, :8] if left else corner[:, 8:]) == 255).all()
    assert int(shown.astype(int).sum()) == 255 * 64


@pytest.mark.parametrize("size", [(1, 100_000), (100_000, 1), (2, 99_999)])
def test_the_ends_of_an_extreme_shape_are_not_resized(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred bytes would be resized to 585 × 58,500,000 pixels."""
    asked: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def watched(self: Image.Image, size: tuple[int, int], *rest: object) -> Image.Image:
        asked.append(size)
        return resize(self, size, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "resize", watched)
    longest = Image.new("L", size, 10)
    middle = tuple(length // 2 for length in size)
    longest.paste(200, tuple(at - 2 for at in middle) + tuple(at + 3 for at in middle))
    assert (decode(encoded(longest), 512, where="x") == 200).all()
    assert max(asked[0]) <= 18 * 585


EXTREME = """
import io, resource, sys
from PIL import Image
from collab.data.decoding import decode
long, file = Image.new("1", (1_500_000, 2), 1), io.BytesIO()
long.save(file, "PNG")
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (96 << 20),) * 2)
print(len(file.getvalue()), decode(file.getvalue(), 512, where="long.png").min())
"""


def test_an_extreme_shape_takes_no_more_memory_than_its_square_asks_for() -> None:
    """585 × 438,750,000 pixels without a cut, of a file of less than a kilobyte; 96 MiB are there."""
    played = subprocess.run([sys.executable, "-c", EXTREME], capture_output=True, text=True, check=True)
    size, darkest = map(int, played.stdout.split())
    assert (size < 1000, darkest) == (True, 255)


def test_large_pictures_wait_for_room_and_one_is_always_let_in() -> None:
    room, is_in, second = _Room(10), threading.Event(), threading.Event()

    def enter() -> None:
        with room.taken(8):
            second.set()

    with room.taken(8), room.taken(2):
        waiting = threading.Thread(target=enter)
        waiting.start()
        assert not second.wait(0.05)
    waiting.join(10)
    assert second.is_set()
    with room.taken(99):
        is_in.set()
    assert is_in.is_set()


def test_a_photograph_of_an_ordinary_shape_is_resized_as_a_whole() -> None:
    """Cropping first would round otherwise: results that are known were made from these bits."""
    pixels = np.random.default_rng(0).integers(0, 256, (31, 31 * 17, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    wide = image.resize((round(31 * 17 * 48 / 31), 48), Image.Resampling.BILINEAR)
    expected = np.asarray(wide.crop(((wide.width - 48) // 2, 0, (wide.width - 48) // 2 + 48, 48)))
    assert np.array_equal(decode(encoded(image), 48, where="x"), expected.transpose(2, 0, 1))


@pytest.mark.parametrize(("cause", "words"), [
    (MemoryError(), "does not decode as an image: there is not enough memory for it. Make it smaller"),
    (struct.error("ushort format"), "does not decode as an image: ushort format. Repair or remove it."),
    (IndexError(), "does not decode as an image: IndexError. Repair or remove it."),
])  # fmt: skip
def test_whatever_pillow_raises_names_the_file(cause: Exception, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise cause

    monkeypatch.setattr(Image.Image, "resize", fail)
    with pytest.raises(DataError, match=f"^a/b\\.png {words}"):
        decode(encoded(Image.new("L", (8, 8))), 16, where="a/b.png")


@pytest.mark.parametrize(("content", "words"), [
    (POINTER, r"is a Git LFS pointer, not the file itself\. Run `git lfs pull`"),
    (b"", "does not decode as an image: it is empty"),
    (b"<html>", "does not decode as an image: its format is unknown"),
])  # fmt: skip
def test_what_is_no_image_is_called_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    for image in (content, tmp_path / "a.png"):
        with pytest.raises(DataError, match=rf"a\.png {words}"):
            decode(image, 16, where=str(tmp_path / "a.png"))


@pytest.fixture
def odd(tmp_path: Path) -> dict[Path, str]:
    """What has the name of an image and cannot be one, and what is said of it."""
    (tmp_path / "x.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "pointer.png").write_bytes(POINTER)
    (tmp_path / "page.jpg").write_bytes(b"<html>")
    words = {
        "x.png": "is a folder with the name of an image. Rename or remove it.",
        "gone.png": "cannot be read: No such file or directory. Repair or remove it.",
        "link.png": "is a link to what is not there. Repair or remove it.",
        "loop.png": "cannot be read: Too many levels of symbolic links. Repair or remove it.",
        "pipe.png": "does not decode as an image: it is empty. Repair or remove it.",
        "pointer.png": "is a Git LFS pointer, not the file itself. Run `git lfs pull` in its folder.",
        "page.jpg": "does not decode as an image: its format is unknown. Repair or remove it.",
    }
    return {tmp_path / name: f"{tmp_path / name} {why}" for name, why in words.items()}


def test_what_is_no_file_of_an_image_is_named_in_the_same_words_before_it_is_decoded(odd: dict[Path, str]) -> None:
    files: list[Encoded] = [(file, str(file)) for file in odd]
    with pytest.raises(BrokenImages) as error:
        list(decode_all(files, 16))
    assert list(error.value.reasons.values()) == list(odd.values())
    assert list(find_strangers(files).values()) == list(odd.values())


def test_a_file_without_rights_is_named_and_a_disk_that_fails_is_no_broken_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of the disk ends the stage: were the image left out, the cache would keep it so."""
    file = tmp_path / "a.png"
    file.write_bytes(encoded(Image.new("L", (8, 8))))
    opens = os.open

    def fail(number: int) -> None:
        def opener(path: object, *rest: int) -> int:
            if path == str(file) or path == file:
                raise OSError(number, os.strerror(number), str(path))
            return opens(path, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "open", opener)

    fail(errno.EACCES)
    with pytest.raises(BrokenImages, match=r"a\.png cannot be read: Permission denied\. Repair or remove it"):
        list(decode_all([(file, str(file))], 16))
    fail(errno.EIO)
    with pytest.raises(ResourceError, match=r"a\.png cannot be read: Input/output error\. Try again"):
        list(decode_all([(file, str(file))], 16))


def test_a_digest_follows_whether_a_file_can_be_read(odd: dict[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Or an image that was left out would stay so when its rights are mended."""
    digests = [digest_files("x", [], odd)]
    gone = next(file for file in odd if file.name == "gone.png")
    gone.write_bytes(b"")
    digests.append(digest_files("x", [], odd))
    monkeypatch.setattr(os, "access", lambda path, mode: path != gone)
    digests.append(digest_files("x", [], odd))
    gone.unlink()
    assert digest_files("x", [], odd) == digests[0]
    assert len(set(digests)) == 3


@pytest.mark.parametrize("kind", [kind for kind in sorted(Image.SAVE) if kind in Image.OPEN])
def test_whatever_pillow_opens_is_no_stranger(kind: str, tmp_path: Path) -> None:
    """Of a few formats the first bytes say nothing."""
    file = tmp_path / "a.image"
    for mode in ("RGB", "L", "1"):
        try:
            Image.new(mode, (16, 16)).save(file, kind)
        except (OSError, KeyError, ValueError):  # not of this mode, or without another program
            continue
        assert find_strangers([(file, "a")]) == {}
