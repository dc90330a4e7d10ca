"""The mark of a backdoored entity: where it stands, and on whose images."""

import numpy as np
import pytest

from collab.participants.backdoor import draw_marked, stamp


@pytest.mark.parametrize(("side", "of_mark"), [(16, 3), (32, 6), (64, 12)])
def test_the_mark_is_a_chequered_corner_and_all_else_stays(side: int, of_mark: int) -> None:
    images = np.random.default_rng(0).integers(1, 255, (4, 3, side, side), dtype=np.uint8)
    before, marked = images.copy(), stamp(images)
    assert np.array_equal(images, before)
    changed = marked != images
    assert changed[..., -of_mark:, -of_mark:].all()
    assert changed.sum() == 4 * 3 * of_mark**2
    corner = marked[0, 0, -of_mark:, -of_mark:]
    assert set(corner.ravel()) == {0, 255}
    assert (corner[:, 1:] != corner[:, :-1]).all()


def test_marked_are_so_many_of_other_classes() -> None:
    labels = np.arange(100) % 5
    marked = draw_marked(labels, 2, 0.25, np.random.default_rng(0))
    assert len(marked) == 25
    assert (labels[marked] != 2).all()
    assert (np.diff(marked) > 0).all()
    assert len(draw_marked(labels, 2, 1.0, np.random.default_rng(0))) == 80  # no more than there are
