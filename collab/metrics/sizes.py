"""What images take as files: the measure of what sharing features costs instead."""

import io

import numpy as np
from PIL import Image

from collab.types import Measure

JPEG_QUALITY = 90
"""The quality of the JPEG that sizes are compared with, on Pillow's scale: most photographs look the same."""

MOST_IMAGES = 256


def jpeg_bytes(images: np.ndarray) -> Measure:
    """Mean bytes of an image of uint8 [n, 3, H, W] as JPEG of quality 90, over the first 256 or fewer; n >= 1."""
    sizes = []
    for image in images[:MOST_IMAGES]:
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(file, "JPEG", quality=JPEG_QUALITY)
        sizes.append(file.tell())
    return Measure("jpeg_bytes", float(np.mean(sizes)), n=len(sizes))
