from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from collab.errors import StoreError
from collab.store.pictures import FILE, Pictures, read_pictures, write_pictures


def some(count: int = 3) -> Pictures:
    images = np.arange(count * 3 * 4 * 4, dtype=np.uint8).reshape(count, 3, 4, 4)
    score = np.linspace(0.4, 0.1, count)
    return Pictures(
        "ssim[5]", 40, np.arange(count), np.zeros(count, np.int64), np.arange(count) < 1,
        score, score / 2, images, images + 1, images + 2,
    )  # fmt: skip


def test_pictures_come_back_and_equal_ones_give_equal_bytes(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a", some())
    write_pictures(tmp_path / "b", some())
    found = read_pictures(tmp_path / "a")
    assert found is not None
    for field in fields(Pictures):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(some(), field.name))
    assert (tmp_path / "a" / FILE).read_bytes() == (tmp_path / "b" / FILE).read_bytes()


def test_a_run_without_pictures_has_none(tmp_path: Path) -> None:
    assert read_pictures(tmp_path / "a1") is None


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"PK torn"),
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        lambda path: write_pictures(path.parent, replace(some(), original=np.zeros((3, 3, 4, 4)))),
        lambda path: write_pictures(path.parent, replace(some(), labels=np.zeros(2))),
        lambda path: np.savez(path, rows=np.array([{"an": "object"}], dtype=object)),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, harm) -> None:  # type: ignore[no-untyped-def]
    write_pictures(tmp_path, some())
    (tmp_path / FILE).chmod(0o644)
    harm(tmp_path / FILE)
    with pytest.raises(StoreError, match="holds no pictures"):
        read_pictures(tmp_path)
