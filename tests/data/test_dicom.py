"""DICOM images: which values are black and white, against closed forms and pydicom's windows; what is refused."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collab.data.decoding import decode
from collab.data.folders import ImageFolders
from collab.errors import DataError

pydicom = pytest.importorskip("pydicom", reason="pip install 'collab[dicom]'")
REAL = Path(pydicom.__file__).parent / "data/test_files"
"""Small images of scanners, which come with pydicom."""


def dicom(values: np.ndarray, **changed: Any) -> bytes:
    """Gray `values` [high, wide] as a file of explicit little-endian DICOM; `changed` are elements by keyword."""
    is_signed, bits = values.dtype.kind == "i", 8 * values.dtype.itemsize
    made = pydicom.Dataset()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    made.Rows, made.Columns = values.shape
    told = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": int(is_signed),
            "BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}  # fmt: skip
    for name, value in (told | changed).items():
        setattr(made, name, value)
    made.PixelData = values.tobytes()
    file = io.BytesIO()
    pydicom.dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()


TWELVE = (np.arange(256, dtype=np.uint16) * 16).reshape(16, 16)
"""0, 16, ... 4080."""


def read(content: bytes, window: tuple[float, float] | None = None) -> list[int]:
    image = decode(content, 16, window, where="scan.dcm")
    assert all(np.array_equal(image[0], image[color]) for color in (1, 2))
    return image[0].ravel().tolist()


def test_bits_that_are_stored_are_the_full_range() -> None:
    assert read(dicom(TWELVE, BitsStored=12, HighBit=11)) == np.rint(TWELVE.ravel() / 4095 * 255).tolist()
    signed = (TWELVE.astype(np.int32) - 2048).astype(np.int16)
    assert read(dicom(signed, BitsStored=12, HighBit=11)) == np.rint(TWELVE.ravel() / 4095 * 255).tolist()
    assert read(dicom((TWELVE // 16).astype(np.uint8))) == list(range(256))


def test_a_window_given_counts_in_rescaled_values() -> None:
    units = {"RescaleSlope": 2, "RescaleIntercept": -1000}  # 16 k is 32 k - 1000
    assert read(dicom(TWELVE, **units), (-1000, 7160)) == list(range(256))
    assert read(dicom(TWELVE, PhotometricInterpretation="MONOCHROME1", **units), (-1000, 7160)) == list(
        range(255, -1, -1)
    )
    assert read(dicom(TWELVE, WindowCenter=5, WindowWidth=3), (0, 4080)) == list(range(256))


@pytest.mark.parametrize(
    ("form", "black", "white"), [(None, 1000, 2023), ("LINEAR", 1000, 2023), ("LINEAR_EXACT", 1000, 2024)]
)
def test_the_first_window_of_the_file_is_taken(form: str | None, black: float, white: float) -> None:
    """PS3.3, C.11.2.1.2, of center c and width w: black is c - w / 2; white is c + w / 2 - 1, and exactly c + w / 2."""
    told: dict[str, Any] = {"WindowCenter": [1512, 40], "WindowWidth": [1024, 400]}
    content = dicom(TWELVE, **told, **({"VOILUTFunction": form} if form else {}))
    expected = np.rint(((TWELVE.ravel().astype(float) - black) / (white - black)).clip(0, 1) * 255)
    assert read(content) == expected.tolist()


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "examples_overlay.dcm"])
def test_real_images_are_as_pydicom_shows_them(name: str) -> None:
    content = (REAL / name).read_bytes()
    scan = pydicom.dcmread(REAL / name)
    shown = pydicom.pixels.apply_voi_lut(pydicom.pixels.apply_modality_lut(scan.pixel_array, scan), scan)
    ends = (-(1 << 15), (1 << 15) - 1) if scan.PixelRepresentation else (0, (1 << scan.BitsStored) - 1)
    gray = np.rint((shown - ends[0]) / (ends[1] - ends[0]) * 255).astype(np.uint8)
    assert np.array_equal(decode(content, 64, where="x"), decode(gray, 64, where="x"))


@pytest.mark.parametrize("name", ["SC_rgb_rle.dcm", "SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_jpeg_dcmtk.dcm"])
def test_color_is_read_and_other_color_spaces_become_it(name: str) -> None:
    bands = decode((REAL / name).read_bytes(), 100, where="x")[:, [0, 24, 48, 96], 50].T
    assert np.abs(bands - np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]])).max() <= 1


@pytest.mark.parametrize(("content", "words"), [
    (dicom(TWELVE), r"go up to 4080 of 65535.*`data\.window"),
    (dicom(-TWELVE.astype(np.int16)), r"go up to 4080 of 65535.*`data\.window"),
    (dicom(TWELVE, NumberOfFrames=2), "holds 2 frames, and nothing says which one counts"),
    (dicom(TWELVE, WindowCenter=9, WindowWidth=9, VOILUTFunction="SIGMOID"), r"form SIGMOID\. State `data\.window"),
    (dicom(TWELVE, PhotometricInterpretation="PALETTE COLOR"), "is PALETTE COLOR of 16 bits"),
    (dicom(TWELVE, SamplesPerPixel=3, PhotometricInterpretation="RGB"), "is RGB of 16 bits"),
    (dicom(TWELVE, Rows=65535, Columns=65535), r"says that it has 4,294,836,225 pixels"),
    (dicom(TWELVE, Rows=5000, Columns=5000, BitsStored=12, HighBit=11), "does not decode as DICOM"),
    (dicom(TWELVE)[:-100], "does not decode as DICOM"),
    (dicom(TWELVE)[:200], "does not decode as DICOM"),
    ((REAL / "image_dfl.dcm").read_bytes(), "is packed as a whole"),
    ((REAL / "reportsi.dcm").read_bytes(), "does not decode as DICOM"),
])  # fmt: skip
def test_what_is_no_single_image_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=rf"^scan\.dcm.*{words}"):
        read(content)


def test_a_folder_of_dicom_is_a_source_with_a_window(tmp_path: Path) -> None:
    for name in ("ill", "well"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.DCM").write_bytes(dicom(TWELVE))
    options: dict[str, Any] = {"image_size": 16, "seed": 0, "root": tmp_path}
    source = ImageFolders(**options, window=(0, 4080))
    (images,) = source.images("train", np.array([1]))
    assert images[0, 0].ravel().tolist() == list(range(256))
    digests = {ImageFolders(**options, window=window).digest() for window in (None, (0, 4080), (0, 4081))}
    assert len(digests) == 3
