"""What each held-out image got: packed, read back to the last bit, refused where it is something else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from collab.errors import StoreError
from collab.store.answers import Answers, place_answers, read_answers, take_answers, write_answers

RNG = np.random.default_rng(0)
HITS = Answers("hits", RNG.random((2, 37)) < 0.5)
ERRORS = Answers("errors", RNG.random((1, 37)).astype(np.float16))
SCORES = Answers("scores", RNG.normal(size=(1, 37, 3)).astype(np.float16), RNG.random((37, 3)) < 0.5)


def same(a: Answers, b: Answers) -> bool:
    is_true = a.truth is b.truth is None or np.array_equal(a.truth, b.truth)  # type: ignore[arg-type]
    return (
        (a.kind, a.images, a.digest) == (b.kind, b.images, b.digest) and np.array_equal(a.values, b.values) and is_true
    )


@pytest.mark.parametrize("answers", [HITS, ERRORS, SCORES])
def test_they_come_back_to_the_last_bit(answers: Answers, tmp_path: Path) -> None:
    digest = place_answers(tmp_path / "a1", answers)
    assert same(take_answers(tmp_path / "a1", digest), answers)
    assert place_answers(tmp_path / "a1", answers) == digest
    assert len(list((tmp_path / "a1").iterdir())) == 1


def test_a_run_keeps_them_by_the_result_that_they_belong_to(tmp_path: Path) -> None:
    kept = {("7", "a1", "top1"): replace(HITS, images="x"), ("c_public", "", "map"): SCORES}
    write_answers(tmp_path / "answers.parquet", kept)
    found = read_answers(tmp_path / "answers.parquet")
    assert list(found) == list(kept)
    assert all(same(found[key], kept[key]) for key in kept)
    assert read_answers(tmp_path / "nothing.parquet") == {}


def test_a_thousand_hits_take_125_bytes() -> None:
    assert len(Answers("hits", np.ones((1, 1000), bool)).row()["values"]) == 125


def test_who_is_asked_about_other_images_has_another_digest() -> None:
    assert Answers("hits", HITS.values.reshape(1, 74)).digest != HITS.digest
    assert replace(HITS, images="x").digest == HITS.digest  # the same answers; the run says to which images


@pytest.mark.parametrize(
    "make",
    [
        lambda: Answers("hits", np.ones((1, 5))),  # numbers where bits belong: they could hold anything
        lambda: Answers("errors", np.ones((1, 5), np.float32)),
        lambda: Answers("hits", np.ones((1, 0), bool)),
        lambda: Answers("hits", np.ones(5, bool)),
        lambda: Answers("scores", np.ones((1, 5, 2), np.float16)),
        lambda: Answers("scores", np.ones((1, 5, 2), np.float16), np.ones((4, 2), bool)),
        lambda: Answers("hits", np.ones((1, 5), bool), np.ones((5, 2), bool)),
        lambda: Answers.of_row(HITS.row() | {"values": HITS.row()["values"] + b"more"}),
        lambda: Answers.of_row(ERRORS.row() | {"shape": [1, 36]}),
    ],
)
def test_what_is_no_answers_is_refused(make: object) -> None:
    with pytest.raises(StoreError, match="answers"):
        make()  # type: ignore[operator]


def test_a_file_that_holds_others_than_its_name_says_is_refused(tmp_path: Path) -> None:
    first, second = (place_answers(tmp_path, each) for each in (HITS, ERRORS))
    (tmp_path / f"{first}.parquet").write_bytes((tmp_path / f"{second}.parquet").read_bytes())
    with pytest.raises(StoreError, match="others than its name says"):
        take_answers(tmp_path, first)
    for name in ("../other", "0" * 63):
        with pytest.raises(StoreError, match="no digest"):
            take_answers(tmp_path, name)
