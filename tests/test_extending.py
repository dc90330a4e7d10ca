"""docs/extending.md and add_a_paper.md: their blocks, applied to a copy, add what they say in as many files."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
DIGESTS = "tests/stages/stage_code.py"
PAGE, PAPER = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("extending.md", "add_a_paper.md"))
BLOCK = re.compile(
    r"^```\w+\n# (?P<file>[^\s,]+)(?:, (?P<side>before|after): (?P<line>[^\n]*))?\n(?P<text>.*?)^```$", re.M | re.S
)
SECTION = re.compile(r"^## (?P<title>[^\n:]+): (?P<files>\d+) files?\n(?P<body>.*?)(?=^## )", re.M | re.S)


def apply(block: re.Match[str], tree: Path) -> None:
    """Writes a block as a new file, or beside the one line of a file that it names."""
    file = tree / block["file"]
    if not block["side"]:
        assert not file.exists(), f"{block['file']} is there already: say before or after which line this belongs"
        file.write_text(block["text"], encoding="utf-8")
        return
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    places = [place for place, line in enumerate(lines) if line.rstrip("\n") == block["line"]]
    assert len(places) == 1, f"{block['file']} has the line {block['line']!r} {len(places)} times, not once"
    is_definition = block["side"] == "before" and not block["text"][0].isspace()
    lines.insert(places[0] + (block["side"] == "after"), block["text"] + "\n\n" * is_definition)
    file.write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and what belongs to it, with all blocks of the page."""
    tree: Path = tmp_path_factory.mktemp("extended")
    skipped = shutil.ignore_patterns("__pycache__")
    for folder, name in (("collab", "collab"), ("entities", "collab_entities"), ("docs", "docs"), ("scenarios",) * 2):
        shutil.copytree(ROOT / folder, tree / name, ignore=skipped)
    (tree / DIGESTS).parent.mkdir(parents=True)
    for name in (DIGESTS, DIGESTS.replace(".py", ".json")):
        shutil.copy(ROOT / name, tree / name)
    shutil.copy(ROOT / "pyproject.toml", tree)
    for block in BLOCK.finditer(PAGE + PAPER):
        apply(block, tree)
    state_entry_points(tree)
    return tree


def state_entry_points(tree: Path) -> None:
    """What `pip install -e .` would do: the metadata of `collab` with its entry points, before the installed ones."""
    stated = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    lines = [
        line for group, kinds in stated.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in kinds.items()))
    ]
    metadata = tree / "collab-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: collab\nVersion: 0.1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def command(tree: Path, *arguments: str) -> str:
    """What `python ARGUMENTS` says with the extended package in place of the installed one."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_section_touches_as_many_files_as_it_says() -> None:
    sections = list(SECTION.finditer(PAGE))
    assert len(sections) == len(re.findall(r"^## .*\d+ files?$", PAGE, re.M)) == 6
    for section in sections:
        files = {block["file"] for block in BLOCK.finditer(section["body"])}
        assert len(files) == int(section["files"]), f"{section['title']}: {sorted(files)}"
    assert len(list(BLOCK.finditer(PAGE))) == len(re.findall(r"^```\w+$", PAGE, re.M)), "a block names no file"
    assert len({block["file"] for block in BLOCK.finditer(PAPER)}) == 3


@pytest.mark.long
def test_a_scenario_with_all_of_it_plays(tree: Path) -> None:
    command(tree, "-m", "collab", "run", "extended.yaml", "--backend", "inprocess", "--device", "cpu", "--check")
    (results,) = tree.glob("runs/extended/*/results.parquet")
    rows = pd.read_parquet(results).set_index(["row", "metric"])
    assert 0.4 < rows.loc[("brightness", "brightness"), "value"].item() < 0.6  # a sine around 128 of 255
    assert "top1" not in rows.index.get_level_values("metric")
    assert 0 <= rows.loc[("1", "grades_off"), "value"].item() <= 3  # of the 4 private classes
    assert {"a1", "a2"} == set(rows.loc[("tables_1_2", "sharpness_poisoned"), "entity"])
    assert {"dpm", "bottleneck"} == set(rows.loc[("tables_1_2", "sharpness_poisoned"), "defense"])
    page = (results.parent / "report.html").read_text(encoding="utf-8")
    assert "grades" in page
    assert "sharpness" in page
    assert "anything about photographs" in page  # drawn, as the part says


@pytest.mark.long
def test_a_table_of_a_paper_gets_its_verdicts(tree: Path) -> None:
    command(tree, "-m", "collab", "run", "filtered.yaml", "--tables", "--backend", "inprocess", "--device", "cpu")
    (results,) = tree.glob("runs/filtered/*/results.parquet")
    page = (results.parent / "report.html").read_text(encoding="utf-8")
    assert "filtering costs accuracy" in page
    assert (
        "ff_table1" in (results.parent / "results.parquet").read_bytes().decode("latin-1")
        or "Filtered Features" in page
    )


@pytest.mark.long
def test_what_a_program_writes_knows_it_too(tree: Path) -> None:
    assert f"`python {DIGESTS}`" in PAGE
    command(tree, "-m", "collab.scenario.reference")
    command(tree, DIGESTS, "--same-results")
    schema = (tree / "scenarios" / "scenario.schema.json").read_text(encoding="utf-8")
    assert all(f'"{word}"' in schema for word in ("stripes", "plain8", "grades", "brightness"))
    assert "### Stripes" in (tree / "docs" / "scenario.md").read_text(encoding="utf-8")
    assert '"brightness"' in (tree / DIGESTS.replace(".py", ".json")).read_text(encoding="utf-8")
