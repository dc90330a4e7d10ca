"""A played audit: the first words of report.html and the verdicts of audit.html are one thing."""

import html
import re
from pathlib import Path

import pytest

from collab.report.attack_page.cells import judge_attacks, name_defenses
from collab.report.attack_page.failed import find_failures
from collab.report.attack_page.page import write_audit
from collab.report.attack_page.verdicts import describe_verdicts, find_worst_by_defense, judge_defenses
from collab.report.attack_page.words import CANNOT, NO_SCALE
from collab.report.pages.page import write_page
from collab.results.opened import Opened, open_run
from collab.results.table import read_results
from collab.scenario import attack_suite as audit
from collab.scenario import stage_rows
from collab.scenario.reader import read_scenario
from tests.playing import play_here

SCENARIO = """
name: two_pages
data: {source: creatures, image_size: 16, classes: 4, train: 400, test: 60, public_images: PUBLIC}
model: {backbone: resnet8, width: 4, hook: conv2_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: EPOCHS}
entities:
  - {name: a1, share: 0.2, defense: {kind: dpm, blocks: 1, epochs: 1}}
  - {name: a12, share: 0.2, defense: none}
disclosure: {queries: 16, recognizer: null}
refinements: []
controls: false
"""
SUITE = ({"kind": "straw_man", "rows": 40}, {"kind": "matching", "rows": 40, "candidates": 60, "boost": 0})


def played(folder: Path, *, public: int, epochs: int) -> Opened:
    path = folder / "two_pages.yaml"
    path.write_text(SCENARIO.replace("PUBLIC", str(public)).replace("EPOCHS", str(epochs)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(audit.SUITES, "quick", SUITE)
        stated = read_scenario(path, audit="quick").scenario
    run = play_here(stated, folder).run
    write_page(run)
    write_audit(run)
    return open_run(run)


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return played(tmp_path_factory.mktemp("seeing"), public=256, epochs=30)


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """R is trained for a moment, and makes less of plain features than a guess does."""
    return played(tmp_path_factory.mktemp("blind"), public=64, epochs=1)


def lines(run: Opened, table: str) -> list[list[str]]:
    """The lines of a table of audit.html."""
    page = (run.folder / "audit.html").read_text(encoding="utf-8")
    body = page[page.index(f'id="{table}-caption"') :].partition("</table>")[0]
    cells = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in re.findall(r"<tr[^>]*>(.*?)</tr>", body))
    return [[html.unescape(cell) for cell in line] for line in cells][1:]


def first_words(run: Opened) -> str:
    """What report.html says first of what was disclosed."""
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    return html.unescape(page.partition("<dt>What was disclosed</dt><dd>")[2].partition("</dd>")[0])


@pytest.mark.parametrize("which", ["seeing", "blind"])
def test_both_pages_say_the_same_of_every_defense(which: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(which)
    rank = [CANNOT, "control failed", "not broken by this suite", "leaks", "broken"]
    worst = dict[str, str]()
    for defense, _, word, _ in lines(run, "verdicts"):
        worst[defense] = max(worst.get(defense, CANNOT), word, key=rank.index)
    assert set(worst) == {"dpm", "none"}
    judged = judge_defenses(judge_attacks(run))
    assert worst == {defense: each.cell.word for defense, each in find_worst_by_defense(judged).items()}
    assert first_words(run).startswith(describe_verdicts(judged, name_defenses(run.scenario)))
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    glance = page[page.index('id="glance-caption"') :].partition("</table>")[0]
    for name, defense in (("a1", "dpm"), ("a12", "none")):
        assert re.search(rf'<th scope="row">{name}</th>.*<td>{worst[defense]}</td>', glance)
    onlookers = re.findall(
        r'<th scope="row">auditor.*', glance
    )  # their defense is `none`, as that of a12, who is broken
    assert onlookers
    assert not any(word in line for line in onlookers for word in rank)


@pytest.mark.parametrize("which", ["seeing", "blind"])
def test_both_pages_warn_of_the_same_defenses(which: str, request: pytest.FixtureRequest) -> None:
    """Of a1 where the audit says `leaks` or `broken`; of a12, which has no defense, never."""
    run = request.getfixturevalue(which)
    pages = [(run.folder / name).read_text(encoding="utf-8") for name in ("report.html", "audit.html")]
    one, other = (re.findall(r'<section class="failed".*?</section>', page, re.DOTALL) for page in pages)
    assert one == other
    assert ("The defense of a1 failed" in "".join(one)) == bool(find_failures(run))
    if {word for defense, _, word, _ in lines(run, "verdicts") if defense == "dpm"} & {"leaks", "broken"}:
        assert "The defense of a1 failed (dpm)." in one[0]
    assert "a12" not in "".join(re.findall(r"The defense of \w+", "".join(one)))


def test_matching_breaks_plain_features_and_the_report_says_so_first(seeing: Opened) -> None:
    assert {tuple(line[:3]) for line in lines(seeing, "verdicts")} >= {("none", "outsider", "broken")}
    assert first_words(seeing).startswith("Broken by an outsider: ")
    assert "what a12 publishes (no defense), by " in first_words(seeing)
    assert "No attack" not in first_words(seeing)


def test_a_blind_reconstructor_judges_nobody_and_matching_is_judged_all_the_same(blind: Opened) -> None:
    assert not any(row.metric.startswith("leakage") for row in blind.rows)
    words = {attack: word for attack, *word in lines(blind, "matrix")}
    assert words["straw_man"] == [CANNOT, CANNOT]
    matching = next(word for attack, word in words.items() if attack.startswith("matching"))
    assert matching[1] == "broken"
    assert f"straw_man: {NO_SCALE}" not in str([line for line in lines(blind, "verdicts") if line[2] != CANNOT])


def test_a_cell_counts_exactly_its_own_attack_though_a_name_begins_with_another(seeing: Opened) -> None:
    jobs = seeing.record["jobs"]
    seconds = {cell.victims: cell.seconds for cell in judge_attacks(seeing) if cell.attack == "straw_man"}
    who = next(each["entity"] for each in jobs.values() if each["attack"] == "straw_man")
    assert seconds == {(name,): jobs[f"attack {who} straw_man on {name}"]["seconds"] for name in ("a1", "a12")}


def test_results_hold_the_words_of_the_audit(seeing: Opened) -> None:
    rows = [row for row in read_results(seeing.folder / "results.parquet") if row.metric.startswith("audit: ")]
    assert [(row.defense, row.metric.rpartition(": ")[2], row.verdict) for row in rows] == [
        (each.cell.defense, each.cell.adversary, each.cell.word) for each in judge_defenses(judge_attacks(seeing))
    ]
    assert rows
    assert {row.row for row in rows} == {stage_rows.VERDICT}  # so no page takes them for measured
