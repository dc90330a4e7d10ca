"""Stores that the first version of the format has written are read for ever, value by value."""

import shutil
from pathlib import Path

import pytest
import torch

from collab.store.shards import ShardSpec
from collab.store.signing import Trust, read_keys
from collab.store.store import Store

GOLDEN = Path(__file__).parents[1] / "golden" / "store"
CODECS = {"ann": "float32", "ben": "float16", "cho": "bfloat16", "dee": "int8"}
FEATURIZER = "0123456789abcdef" * 4
VALUES = [[(number % 17 - 8) / 4 for number in range(18 * row, 18 * row + 18)] for row in range(5)]
"""Exact in each of the codecs but int8, which keeps 256 levels of a row."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    shutil.copytree(GOLDEN, tmp_path / "store")
    return Store(tmp_path / "store")


def test_it_is_whole_and_says_what_it_said(store: Store) -> None:
    assert [finding.problem for finding in store.verify()] == [""] * 6
    records = {record.entity: record for record in store.records()}
    assert list(records) == [*CODECS, "eve"]  # fay has withdrawn hers
    for record in records.values():
        assert (record.schema_version, record.run, record.rows, record.shape) == (1, "quiet-lake", 5, (2, 3, 3))
        assert record.featurizer == FEATURIZER
    assert {records[name].histogram for name in CODECS} == {(1, 1, 3)}
    assert records["eve"].target == "binary:2"


@pytest.mark.parametrize("entity", CODECS)
def test_its_rows_are_what_they_were(entity: str, store: Store) -> None:
    (record,) = store.records(entity)
    x, y = store.open(record, ShardSpec((2, 3, 3), CODECS[entity], 3, FEATURIZER)).load()  # type: ignore[arg-type]
    reach = 2 / 255 if CODECS[entity] == "int8" else 0.0  # half of a step of a row, which goes from -2 to 2
    torch.testing.assert_close(x.float().flatten(1), torch.tensor(VALUES), rtol=0, atol=reach + 1e-9)
    assert y.tolist() == [0, 2, 1, 2, 2]


def test_its_lists_of_numbers_are_what_they_were(store: Store) -> None:
    (record,) = store.records("eve")
    x, y = store.open(record, ShardSpec((2, 3, 3), "float16", 2, FEATURIZER, "binary")).load()
    assert x.float().flatten(1).tolist() == VALUES
    assert y.tolist() == [[0, 1], [1, 1], [0, 0], [1, 0], [1, 1]]


def test_what_was_signed_is_believed_for_ever() -> None:
    signed = GOLDEN.parent / "signed"
    trust = Trust(read_keys(signed / "keys.txt"), "quiet-lake", is_strict=True)
    store = Store(signed / "store", trust)
    assert [finding.problem for finding in store.verify()] == ["", ""]
    (record,) = store.records()  # ben has withdrawn
    assert (record.entity, record.sequence, len(record.signature)) == ("ann", 1, 128)
