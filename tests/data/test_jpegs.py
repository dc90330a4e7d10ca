"""JPEGs of the size that is asked for take a way of their own: nobody may see it but by the clock."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageOps

from collab.data import decoding
from collab.errors import DataError

SIDE = 24


def encoded(mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE), turn: int = 0, **options: object) -> bytes:
    """Coarse noise, made larger: it has edges and slopes. `turn` is an orientation in EXIF data, if there are any."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    file, exif = io.BytesIO(), Image.Exif()
    if turn:
        exif[0x0112] = turn
        options["exif"] = exif
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def xmp(orientation: int) -> bytes:
    return f'<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"/>'.encode()


@pytest.mark.parametrize("options", [
    *({"quality": quality} for quality in (1, 50, 75, 95, 100)),
    *({"subsampling": kind, "quality": 80} for kind in ("4:4:4", "4:2:2", "4:2:0", "4:1:1")),
    {"mode": "L"}, {"mode": "CMYK"}, {"keep_rgb": True}, {"progressive": True}, {"optimize": True},
    {"restart_marker_blocks": 1}, {"comment": b"\xff\xc0\xff\xe1"}, {"icc_profile": b"none" * 99},
    *({"turn": turn} for turn in range(1, 9)), {"xmp": xmp(6)}, {"turn": 1, "mode": "L"},
    {"size": (SIDE, SIDE + 1)}, {"size": (2 * SIDE, SIDE // 2)}, {"size": (1, 1)},
], ids=str)  # fmt: skip
def test_a_jpeg_has_the_pixels_that_pillow_reads(options: dict[str, object]) -> None:
    content = encoded(**options)  # type: ignore[arg-type]
    with Image.open(io.BytesIO(content)) as opened:
        expected = ImageOps.exif_transpose(opened).convert("RGB")
    scale = SIDE / min(expected.size)
    wide, high = (max(SIDE, round(length * scale)) for length in expected.size)
    left, top = (wide - SIDE) // 2, (high - SIDE) // 2
    fitting = expected.resize((wide, high), Image.Resampling.BILINEAR).crop((left, top, left + SIDE, top + SIDE))
    assert np.array_equal(decoding.decode(content, SIDE, where="x"), np.asarray(fitting).transpose(2, 0, 1))


def outcome(content: bytes) -> bytes | str:
    try:
        return decoding.decode(content, SIDE, where="x").tobytes()
    except DataError as broken:
        return str(broken)


def damaged() -> Iterator[bytes]:
    """Cut, with a byte changed, or with bytes in between; in the header as often as in the pixels."""
    rng = np.random.default_rng(1)
    whole = [encoded(), encoded("L"), encoded("CMYK"), encoded(subsampling="4:2:0"), encoded(turn=3)]
    for number in range(400):
        content = bytearray(whole[number % len(whole)])
        at = int(rng.integers(2, content.rfind(b"\xff\xda") + 12 if number % 2 else len(content)))
        kind = number % 3
        if kind == 0:
            content[at] = int(rng.integers(0, 256))
        elif kind == 1:
            content[at:at] = rng.bytes(int(rng.integers(1, 5)))
        else:
            del content[at : at + int(rng.integers(1, 5))]
        yield bytes(content)
        yield bytes(content[:at])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning", "ignore:Corrupt EXIF:UserWarning")
def test_a_damaged_jpeg_ends_as_pillow_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    files = list(damaged())
    ours = list(map(outcome, files))
    monkeypatch.setattr(decoding, "simplejpeg", None)
    assert [number for number, file in enumerate(files) if outcome(file) != ours[number]] == []
    assert {type(end) for end in ours} == {bytes, str}


def test_a_jpeg_that_says_it_is_huge_takes_no_memory() -> None:
    content = bytearray(encoded())
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = b"\xfd\xe8\xfd\xe8"  # 65,000 x 65,000 pixels
    with pytest.raises(DataError, match=r"^x does not decode as an image: Image size .* Make it smaller"):
        decoding.decode(bytes(content), SIDE, where="x")
