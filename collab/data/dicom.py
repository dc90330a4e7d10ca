"""DICOM images to 8 bits: which values are black and white, as the file or the scenario says."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from collab.data.modes import Window, refuse_dark, spread
from collab.errors import DataError, ResourceError

_DEFLATED = b"1.2.840.10008.1.2.1.99"  # a transfer syntax: all of it is packed, and could unfold to any size
_GRAY, _COLOR = ("MONOCHROME1", "MONOCHROME2"), ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 1 << 27)  # where Pillow refuses other formats


def is_dicom(content: bytes) -> bool:
    """Whether a file says that it is DICOM (PS3.10, 7.1)."""
    return content[128:132] == b"DICM"


class DicomImage:
    """One image, of which `pixels` says how many numbers decoding takes; `size` is width and height.

    Raises DataError with `where` for what is no single image in gray or color, ResourceError without pydicom.
    """

    def __init__(self, content: bytes, *, where: str) -> None:
        self._pydicom, self._where = _import_pydicom(), where
        if _DEFLATED in content[:4096]:
            raise DataError(f"{where} is packed as a whole (deflated). Save it unpacked.")
        try:
            self._set = self._pydicom.dcmread(BytesIO(content))
            self._kind = str(self._set.PhotometricInterpretation)
            frames = int(self._set.get("NumberOfFrames") or 1)
            samples = int(self._set.SamplesPerPixel)
            self._bits = int(self._set.BitsStored)
            self.size = int(self._set.Columns), int(self._set.Rows)
            self.pixels = self.size[0] * self.size[1] * samples
        except Exception as cause:  # pydicom raises whatever it stumbles over
            raise self._damaged(cause) from cause
        if frames != 1:
            raise DataError(f"{where} holds {frames} frames, and nothing says which one counts. Save it as an image.")
        if not (self._kind in _GRAY and 0 < self._bits <= 32) and not (self._kind in _COLOR and self._bits == 8):
            raise DataError(
                f"{where} is {self._kind} of {self._bits} bits; read are gray ({', '.join(_GRAY)}) and color of 8 bits "
                "without a palette. Save it so, or as PNG."
            )
        if not 0 < self.pixels <= _MOST_PIXELS:
            raise DataError(f"{where} says that it has {self.pixels:,} pixels. Make it smaller or remove it.")

    @property
    def mode(self) -> str:
        """Its kind of pixels and their bits: `MONOCHROME2, 12 bits`."""
        return f"{self._kind}, {self._bits} bits"

    def decode(self, window: Window | None) -> Image.Image:
        """The image in 8 bits: color as it is; gray by `window`, or else the file's window, or its full range."""
        try:
            values = self._pydicom.pixels.pixel_array(self._set)
            if self._kind in _COLOR:
                return Image.fromarray(values.astype(np.uint8))
            black, white = window or self._read_window(values)
            bright = spread(self._pydicom.pixels.apply_modality_lut(values, self._set), black, white)
        except DataError:
            raise
        except Exception as cause:
            raise self._damaged(cause) from cause
        return Image.fromarray(255 - bright if self._kind == "MONOCHROME1" else bright)

    def _read_window(self, values: np.ndarray) -> Window:
        """The values that the file shows black and white: its first window (PS3.3, C.11.2.1.2), or what bits allow."""
        center, width = (self._read_first(name) for name in ("WindowCenter", "WindowWidth"))
        if center is not None and width is not None:
            match self._set.get("VOILUTFunction") or "LINEAR":
                case "LINEAR":
                    return center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
                case "LINEAR_EXACT":
                    return center - width / 2, center + width / 2
                case other:
                    raise DataError(f"{self._where} has a window of the form {other}. State `data.window`.")
        if "ModalityLUTSequence" in self._set:
            raise DataError(f"{self._where} has a table of values and no window. State `data.window`.")
        is_signed = bool(self._set.PixelRepresentation)
        refuse_dark(np.abs(values.astype(np.int64)), self._bits, self._where)
        ends = np.array(
            [-(1 << self._bits - 1), (1 << self._bits - 1) - 1] if is_signed else [0, (1 << self._bits) - 1]
        )
        black, white = sorted(
            ends * float(self._set.get("RescaleSlope") or 1) + float(self._set.get("RescaleIntercept") or 0)
        )
        return black, white

    def _read_first(self, name: str) -> float | None:
        value = self._set.get(name)
        if value is None or value == "":
            return None
        return float(value if isinstance(value, int | float | str) else value[0])

    def _damaged(self, cause: Exception) -> DataError:
        return DataError(f"{self._where} does not decode as DICOM: {cause}. Repair or remove it.")


def _import_pydicom() -> Any:
    try:
        import pydicom
        import pydicom.pixels
    except ImportError as cause:
        raise ResourceError(
            f"DICOM images need the package `pydicom`, which does not import ({cause}). Install it: "
            "pip install 'collab[dicom]'."
        ) from cause
    return pydicom
