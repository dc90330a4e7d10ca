import io

import numpy as np
from PIL import Image

from collab.metrics.sizes import MOST_IMAGES, jpeg_bytes


def test_the_mean_is_that_of_files_that_open_to_nearly_the_same_image() -> None:
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 255, (3, 4, 4)), np.ones((8, 8), int)).astype(np.uint8)
    noise = rng.integers(0, 255, (3, 32, 32), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(smooth.transpose(1, 2, 0)).save(file, "JPEG", quality=90)
    assert jpeg_bytes(smooth[None]).value == len(file.getvalue())
    both = jpeg_bytes(np.stack([smooth, noise]))
    assert both.n == 2
    assert both.value == (jpeg_bytes(smooth[None]).value + jpeg_bytes(noise[None]).value) / 2
    assert jpeg_bytes(noise[None]).value > 1.5 * jpeg_bytes(smooth[None]).value


def test_no_more_images_are_looked_at_than_needed() -> None:
    images = np.zeros((MOST_IMAGES + 1, 3, 8, 8), np.uint8)
    images[-1] = np.random.default_rng(0).integers(0, 255, (3, 8, 8))
    found = jpeg_bytes(images)
    assert found.n == MOST_IMAGES
    assert found.value == jpeg_bytes(images[:1]).value
