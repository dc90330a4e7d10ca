"""Which tables there are is said once: in `papers.json`, and in the one file of each paper that answers it."""

import ast
import re
from pathlib import Path

import pytest

from collab.errors import CollabError
from collab.papers import expectable, paper_tables
from collab.scenario.expect import PaperTable
from collab.scenario.reader import read_scenario
from collab.scenario.sweep import Sweep
from collab.verdicts import registry
from collab.verdicts.evidence import Evidence
from collab.verdicts.papers import deep_obfuscator
from collab.verdicts.registry import SWEEP_TABLES, TABLES

ROOT = Path(__file__).parents[2]


def test_registry_and_data_file_have_the_same_tables() -> None:
    assert TABLES.keys() == expectable("scenario").keys()
    assert SWEEP_TABLES.keys() == expectable("sweep").keys()
    assert len(TABLES) == 12
    assert len(SWEEP_TABLES) == 2


def test_every_table_of_the_registry_may_be_expected() -> None:
    assert [PaperTable(paper=table).paper for table in TABLES] == list(TABLES)
    assert [Sweep(name="s", scenario="s.yaml", axes=(), expect=table).expect for table in SWEEP_TABLES] == list(
        SWEEP_TABLES
    )
    told = PaperTable.model_fields["paper"].description or ""
    assert "; dp_table5: who gains by refining; " in told
    assert all(f"{table}: {about}" in told for table, about in expectable("scenario").items())


def test_no_table_is_named_outside_of_its_papers_file() -> None:
    """Neither a list by hand nor a branch by table: where an id is a string of its own, one of both would be."""
    rooms = [*(ROOT / "collab" / "verdicts").glob("*.py"), *(ROOT / "collab" / "scenario").glob("*.py")]
    spelled = {
        f"{path.name}:{node.lineno}"
        for path in [*rooms, ROOT / "collab" / "papers.py"]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in paper_tables().keys() | TABLES.keys()
    }
    assert len(rooms) > 25
    assert spelled == set()


def test_a_table_that_two_files_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep_obfuscator, "TABLES", deep_obfuscator.TABLES * 2)
    with pytest.raises(CollabError, match="do_headline: listed twice"):
        registry.find_tables()


def claims_on_the_page() -> dict[str, list[str]]:
    """Claims by table, as `docs/verdicts.md` lists them; a table stands once, before its first claim."""
    found, table = dict[str, list[str]](), ""
    for line in (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8").splitlines():
        if cells := re.match(r"\| (?:`(\w+)`(?: \(sweep\))?)? ?\| ([^|]+) \| ", line):
            table = cells[1] or table
            found.setdefault(table, []).append(cells[2].removesuffix(" (ours)"))
    return found


def test_the_page_lists_every_claim_of_every_table() -> None:
    evidence = Evidence(read_scenario(ROOT / "scenarios" / "tiny.yaml").scenario, [])
    said = {name: [judge(evidence).name for judge in table.claims] for name, table in TABLES.items()}
    said |= {name: [judge("hook", []).name for judge in table.claims] for name, table in SWEEP_TABLES.items()}
    listed = claims_on_the_page()
    assert {name: listed.get(name) for name in said} == said
