"""The source a_kind keeps what every source must keep, takes its options, and names what is wrong."""

from pathlib import Path

import numpy as np
import pytest

from collab.api import DataError, Plugins, Source
from collab.testing import check_source

PLUGINS = Plugins.of(Path(__file__).parents[1])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 8)):
        images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        np.savez(tmp_path / f"{split}.npz", images=images, labels=np.arange(count) % 4)
    return tmp_path


def opened(root: Path, brighter: float = 1.0) -> Source:
    kind = PLUGINS.load("sources", "a_kind")
    source = kind(image_size=32, seed=0, root=str(root), brighter=brighter)
    assert isinstance(source, kind)
    return source


def test_it_keeps_what_every_source_must_keep(root: Path) -> None:
    checks = check_source("a_kind", PLUGINS, {"root": str(root)})
    assert [check for check in checks if check.problem] == []


def test_a_wrong_option_is_refused(root: Path) -> None:
    (check,) = check_source("a_kind", PLUGINS, {"root": str(root), "brighter": -1})
    assert "brighter: Input should be" in check.problem


def test_it_honors_its_options(root: Path) -> None:
    plain, bright = (next(opened(root, times).images("train", np.array([3]))) for times in (1.0, 2.0))
    np.testing.assert_array_equal(bright, np.minimum(plain.astype(int) * 2, 255))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.npz has no array 'labels'"):
        opened(tmp_path)
