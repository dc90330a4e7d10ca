"""Rows of a run are found by what they are of, however their metrics are set."""

import itertools

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


def test_what_is_found_by_row_and_entity_is_what_a_look_at_every_row_finds() -> None:
    metrics = ("top1", "ssim[7]_poisoned", "ssim[11]_poisoned", "ssim[7]_poisoned_worst")
    made = [
        row(name, entity, metric, float(at), attack)
        for at, (name, entity, metric, attack) in enumerate(
            itertools.product(("7", "publish"), (None, "a1", "a2"), metrics, (None, "matching"))
        )
    ]
    results = Results(made)
    for name, entity in itertools.product(("7", "publish", "8"), (None, "a1", "a2", "a3")):
        here = [each for each in made if each.row == name and each.attack is None]
        assert results.of(name, entity) == [each for each in here if entity in (None, each.entity)]
        own = [each for each in here if each.entity == entity]  # nobody's, where no entity is asked for
        assert results.like(name, entity, "ssim", "poisoned") == (own[1] if own else None)
