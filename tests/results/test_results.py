"""Rows of a run are found by what they are of, however their metrics are set."""

from collab.results.results import Results, name_adversary
from collab.results.table import Result


def row(name: str, entity: str | None, metric: str, value: float = 0.5, attack: str | None = None) -> Result:
    return Result("s", name, entity, None, attack, metric, value)


ROWS = [
    row("7", "a1", "top1"),
    row("c_public", None, "top1"),
    row("c_public", None, "ssim[7]_prior_class_mean", 0.1),
    row("tables_1_2", "a1", "ms_ssim[2,7]_poisoned", 0.4),
    row("tables_1_2", "a1", "ssim[7]_original", 0.9),
    row("tables_1_2", "a1", "ssim[7]_poisoned", 0.2),
    row("tables_1_2", "a2", "ssim[7]_poisoned", 0.3),
    row("by a4", "a1", "top1", 0.7, "straw_man"),
]
FOUND = Results(ROWS)


def test_a_row_is_found_by_its_key_and_nobodys_by_none() -> None:
    assert FOUND.find("7", "a1", "top1") is ROWS[0]
    assert FOUND.find("c_public", None, "top1") is FOUND.find("c_public", "", "top1") is ROWS[1]
    assert FOUND.find("7", "a2", "top1") is None


def test_a_quantity_is_found_without_its_window_and_no_other_that_begins_alike() -> None:
    assert FOUND.like("tables_1_2", "a2", "ssim", "poisoned") is ROWS[6]
    assert FOUND.like("c_public", None, "ssim", "prior_class_mean") is ROWS[2]
    assert FOUND.like("tables_1_2", "a1", "ssim", "published") is None
    assert FOUND.like("tables_1_2", "a1", "ssim") is None
    assert [each.value for each in FOUND.of("tables_1_2", "a1", "ssim")] == [0.9, 0.2]
    assert len(FOUND.of("tables_1_2")) == 4
    assert not FOUND.of("disclosure")


def test_attacks_stand_apart() -> None:
    assert FOUND.attacks == (ROWS[-1],)
    assert name_adversary(ROWS[-1]) == "a4"
    assert FOUND.find("by a4", "a1", "top1") is None
    assert ROWS[-1] not in FOUND.rows
    assert FOUND.all == tuple(ROWS)
