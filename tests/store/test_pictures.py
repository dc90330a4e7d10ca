from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from collab.errors import StoreError
from collab.store.pictures import (
    Exhibit,
    Pictures,
    read_pictures,
    write_pictures,
)


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
    found = read_pictures(tmp_path / "a", Pictures)
    assert found is not None
    for field in fields(Pictures):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(some(), field.name))
    assert (tmp_path / "a" / Pictures.file).read_bytes() == (tmp_path / "b" / Pictures.file).read_bytes()


def test_a_run_without_pictures_has_none(tmp_path: Path) -> None:
    assert read_pictures(tmp_path / "a1", Pictures) is None


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
    (tmp_path / Pictures.file).chmod(0o644)
    harm(tmp_path / Pictures.file)
    with pytest.raises(StoreError, match="holds no pictures"):
        read_pictures(tmp_path, Pictures)


def exhibit(count: int = 3) -> Exhibit:
    images = np.arange(count * 3 * 4 * 4, dtype=np.uint8).reshape(count, 3, 4, 4)
    return Exhibit(
        np.arange(count), images, images + 1, images + 2, np.array(["plain", "gan"]), np.stack([images, images + 3]),
        np.array(["smile"]), np.zeros((5, 2), np.float32), np.ones((5, 1), bool),
    )  # fmt: skip


def test_an_exhibit_comes_back(tmp_path: Path) -> None:
    write_pictures(tmp_path, exhibit())
    found = read_pictures(tmp_path, Exhibit)
    assert found is not None
    for field in fields(Exhibit):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(exhibit(), field.name))


@pytest.mark.parametrize(
    "harm",
    [
        {"decoded": np.zeros((1, 3, 3, 4, 4), np.uint8)},
        {"is_true": np.ones((4, 1), bool)},
        {"positions": np.zeros((5, 3), np.float32)},
        {"from_published": np.zeros((2, 3, 4, 4), np.uint8)},
    ],
    ids=lambda harm: next(iter(harm)),
)
def test_an_exhibit_that_does_not_fit_is_refused(tmp_path: Path, harm: dict[str, np.ndarray]) -> None:
    write_pictures(tmp_path, replace(exhibit(), **harm))
    with pytest.raises(StoreError, match=rf"{Exhibit.file} holds no pictures.*expose stage"):
        read_pictures(tmp_path, Exhibit)
