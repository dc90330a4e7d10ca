"""A defense that does not hide is told in red and first, in the same words on both pages; one that hides is not."""

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest

from collab.report.attack_page.failed import PAGE, find_failures, tell_failures, tell_failures_of_cells, write_own_pages
from collab.report.attack_page.page import write_audit
from collab.report.pages.page import write_page
from collab.results.opened import Opened, open_run
from collab.results.table import Result
from tests.report.made_up import pictures, row, rows, scenario, write_run

SCENARIO = scenario()


def shown(value: float, *, entities: tuple[str, ...] = ("a2",), reach: float = 0.01) -> list[Result]:
    """Rows of a run in which R rebuilds images of `entities` with this SSIM; a guess has .15, others .02."""
    return [
        replace(each, value=value, low=value - reach, high=value + reach)
        if each.row == "tables_1_2" and each.entity in entities and each.metric == "ssim[7]_poisoned"
        else each
        for each in rows(SCENARIO)
    ]


def opened(folder: Path, made: list[Result]) -> Opened:
    run = write_run(folder / "run", SCENARIO, made, shown=pictures())
    for entity in SCENARIO.entities:
        (run / "private" / entity.name).mkdir(parents=True)
    return open_run(run)


def attack(name: str, victim: str, metric: str, value: float, reach: float = 0.02) -> Result:
    return row("by a1", victim, metric, value, reach, attack=name)


def warned(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    found = re.findall(r'<section class="failed".*?</section>', text, re.DOTALL)
    assert len(found) <= 1
    assert not found or text.index(found[0]) < text.index("<nav" if "<nav" in text else "<main")  # before all else
    return html.unescape("".join(found))


def test_a_module_that_hides_brings_no_warning(tmp_path: Path) -> None:
    run = opened(tmp_path, [*rows(SCENARIO), attack("straw_man", "a2", "leakage[ssim_max]", 0.01)])
    assert find_failures(run) == ()
    audit = write_audit(run)
    assert audit is not None
    assert warned(write_page(run)) == warned(audit) == ""


def test_what_the_reconstructor_rebuilds_is_told_with_what_to_do(tmp_path: Path) -> None:
    run = opened(tmp_path, shown(0.6))
    (failure,) = find_failures(run)
    assert failure.title == "The defense of a2 failed (dpm)."
    assert failure.happened == (
        "The released reconstructor rebuilds held-out images from what it publishes with SSIM 0.600 "
        "(1: the same image); a guess that knows only the class has 0.150.",
    )
    page = warned(write_page(run))
    assert failure.title in page
    assert failure.happened[0] in page
    assert "Do not publish" in page


@pytest.mark.parametrize(
    ("value", "reach", "is_clear"), [(0.16, 0.02, False), (0.19, 0.01, True), (0.149, 0.001, False)]
)
def test_what_chance_may_have_made_is_no_warning(tmp_path: Path, value: float, reach: float, is_clear: bool) -> None:
    assert bool(find_failures(opened(tmp_path, shown(value, reach=reach)))) is is_clear


def test_of_four_entities_one_that_is_clear_only_by_itself_is_not(tmp_path: Path) -> None:
    """z of .0145 ± .01 and ± .01 is 2.01: above 1.96, below the 2.50 that four entities ask of the first."""
    assert find_failures(opened(tmp_path / "one", shown(0.1645))) == ()
    everybody = tuple(entity.name for entity in SCENARIO.entities)
    assert find_failures(opened(tmp_path / "all", shown(0.1645, entities=everybody))) == ()
    assert len(find_failures(opened(tmp_path / "more", shown(0.17, entities=everybody)))) == 4  # z of 2.77


def test_entities_without_a_defense_have_none_that_could_fail(tmp_path: Path) -> None:
    plain = scenario("entities.*.defense=none")
    run = write_run(tmp_path / "run", plain, shown(0.6))
    assert find_failures(open_run(run)) == ()


def test_the_page_of_the_run_that_of_the_audit_and_the_warnings_agree(tmp_path: Path) -> None:
    run = opened(tmp_path, [*shown(0.6, entities=("a3",)), attack("matching", "a2", "match_top1", 0.9),
                            attack("matching", "a2", "match_chance", 0.01, 0.0)])  # fmt: skip
    failures = find_failures(run)
    assert [failure.entity for failure in failures] == ["a2", "a3"]
    assert failures[0].happened == (
        "The attack matching of an adversary whose class this run did not record breaks it: 90 % of the rows matched.",
    )
    audit = write_audit(run)
    assert audit is not None
    assert warned(write_page(run)) == warned(audit)
    for failure in failures:
        assert failure.title in warned(audit)
        assert all(sentence in warned(audit) for sentence in failure.happened)
        assert failure.told.startswith(failure.title)


def test_pictures_stand_in_the_folder_of_the_entity_alone(tmp_path: Path) -> None:
    run = opened(tmp_path, shown(0.6))
    (page,) = write_own_pages(run, find_failures(run))
    assert page == run.folder / "private" / "a2" / PAGE
    assert page.read_text(encoding="utf-8").count("<img") == 32  # 16 held-out images and what R makes of them
    assert list(run.folder.rglob(PAGE)) == [page]


def test_entities_of_which_the_same_is_true_share_a_warning(tmp_path: Path) -> None:
    failures = find_failures(opened(tmp_path, shown(0.6, entities=("a1", "a3"))))
    (told,) = tell_failures(failures)
    assert told.startswith("The defenses of a1 and a3 failed (dpm). The released reconstructor ")
    assert told.endswith(f"Pictures: private/a1/{PAGE} and private/a3/{PAGE}")
    assert tell_failures(failures[:1]) == (failures[0].told,)


def test_a_sweep_tells_in_which_cells_a_defense_failed(tmp_path: Path) -> None:
    failures = find_failures(opened(tmp_path, shown(0.6, entities=("a1", "a3"))))
    first, second = tell_failures_of_cells(3, [("x=1", failures[0]), ("x=2", failures[0]), ("x=2", failures[1])])
    assert first.startswith("The defense of a1 failed (dpm) in 2 of 3 cells: x=1 and x=2. In x=1: The released ")
    assert second.startswith("The defense of a3 failed (dpm) in 1 of 3 cells: x=2.")
    assert tell_failures_of_cells(3, []) == ()
