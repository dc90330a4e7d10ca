"""References between code, tests and pages lead somewhere: sections, links, and what `docs/science.md` names."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import ROOT

PAGES = {"SCIENCE": ROOT / "docs" / "science.md", "ATTACKS": ROOT / "docs" / "threats.md"}
FOLDERS = ("collab", "entities", "tests", "scenarios", "docs", "benchmarks")
LINKING = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]
ELSEWHERE = re.compile(r"\b(SCIENCE|ATTACKS|DESIGN|ENGINEERING|STYLE)\.md\b")
"""Names of pages that are not in the repository."""

SECTION = r"[AVD]?\d+(?:\.\d+)*[a-d]?(?:\(\d+\))?"
REFERENCE = re.compile(rf"\b(SCIENCE|ATTACKS)\s+({SECTION}(?:(?:,| and| to)\s+{SECTION})*)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")

DEFAULT_MODULES = {
    **dict.fromkeys(("1.1", "1.2", "1.3", "1.4"), ("collab.training.losses", "tests/training/test_losses.py")),
    "1.5": ("collab.training.adversarial", "tests/training/test_adversarial.py"),
    "1.6": ("collab.defenses.obfuscation", "tests/training/test_obfuscator.py"),
}
"""Where the functions and tests of a section's equations are, unless a name says its module."""


def texts() -> list[Path]:
    """Code, scenarios and pages, without this file, which holds dead references."""
    found = [
        path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md", ".yaml")
    ]
    return sorted({*found, *ROOT.glob("*.md")} - {Path(__file__)})


def sections_of(page: str) -> set[str]:
    """What can be referred to: numbers of headings, first cells of tables such as A4a, rules such as 3.2(6)."""
    found, current = set[str](), ""
    for line in page.splitlines():
        if heading := re.match(rf"#+ ({SECTION}) ", line):
            current = heading[1]
            found.add(current)
        elif cell := re.match(r"\| ([AVD]\d[a-d]?) \|", line):
            found.add(cell[1])
        elif rule := re.match(r"(\d+)\. ", line):
            found.add(f"{current}({rule[1]})")
    return found


def dead_references(text: str, sections: dict[str, set[str]]) -> list[str]:
    """References in `text` to sections that are not there."""
    return [
        f"{page} {section}"
        for page, listed in REFERENCE.findall(text)
        for section in re.findall(SECTION, listed)
        if section not in sections[page]
    ]


def anchors_of(page: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    found = set[str]()
    for title in re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
        count = next(n for n in range(1000) if (f"{slug}-{n}" if n else slug) not in found)
        found.add(f"{slug}-{count}" if count else slug)
    return found


def without_code(page: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)


def dead_links(page: Path, text: str) -> list[str]:
    """Relative links in the `text` of a page that lead to no file, or to no heading of one."""
    dead = []
    for target in LINK.findall(re.sub(r"`[^`\n]*`", "", without_code(text))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        there = text if file == page else file.read_text() if file.suffix == ".md" and file.is_file() else ""
        if not file.exists() or (anchor and anchor not in anchors_of(there)):
            dead.append(target)
    return dead


def sections() -> dict[str, set[str]]:
    return {name: sections_of(page.read_text()) for name, page in PAGES.items()}


def test_references_are_found_at_all() -> None:
    referring = [path for path in texts() if REFERENCE.search(path.read_text())]
    assert len(referring) > 50


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_reference_leads_to_a_section(path: Path) -> None:
    text = path.read_text()
    assert dead_references(text, sections()) == []
    assert ELSEWHERE.findall(text) == []


def test_a_planted_dead_reference_is_found() -> None:
    planted = "As in (SCIENCE 5.3 and 9.9), ATTACKS A5, A9; ATTACKS 3.2(6), and\n ATTACKS 3.2(66)."
    assert dead_references(planted, sections()) == ["SCIENCE 9.9", "ATTACKS A9", "ATTACKS 3.2(66)"]


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert dead_links(page, page.read_text()) == []


def test_a_planted_dead_link_is_found() -> None:
    text = (
        "# One word\n[a](#one-word) [b](#two) [c](docs/science.md#11-step-1-pre-train-split-release) [d](docs/none.md)"
    )
    assert dead_links(ROOT / "README.md", text) == ["#two", "docs/none.md"]


def equations() -> Iterator[tuple[str, str, str]]:
    """Section, functions and tests of each line of the tables of equations in `docs/science.md`."""
    section = ""
    for line in PAGES["SCIENCE"].read_text().splitlines():
        section = heading[1] if (heading := re.match(rf"#+ ({SECTION}) ", line)) else section
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if section in DEFAULT_MODULES and line.startswith("| ") and len(cells) == 3 and "`" in cells[1]:
            yield section, cells[1], cells[2]


@pytest.mark.parametrize(("section", "functions", "test"), list(equations()))
def test_an_equation_names_a_function_and_a_test_that_exist(section: str, functions: str, test: str) -> None:
    module, file = DEFAULT_MODULES[section]
    for name in re.findall(r"`([\w.]+)`", functions):
        assert is_there(name if "." in name else f"{module}.{name}"), name
    path, _, name = re.findall(r"`([^`]+)`", test)[0].rpartition("::")
    assert f"def {name}(" in (ROOT / (path or file)).read_text()


def test_every_equation_that_is_a_function_stands_in_a_table() -> None:
    assert len(list(equations())) > 15


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    try:
        importlib.import_module(dotted)
    except ModuleNotFoundError:
        module, _, name = dotted.rpartition(".")
        return hasattr(importlib.import_module(module), name)
    return True


def test_names_of_code_and_tests_on_the_page_exist() -> None:
    pages = [*PAGES.values(), ROOT / "docs" / "reliability.md"]
    named = [name for page in pages for name in re.findall(r"`([^`]+)`", page.read_text())]
    assert sum(name.startswith("tests/") for name in named) > 30
    for name in named:
        if re.fullmatch(r"collab(\.\w+)+", name):
            assert is_there(name), name
        elif re.fullmatch(r"(collab|tests|scenarios)/[\w/.*]+(::\w+)?", name):
            path, _, test = name.partition("::")
            files = list(ROOT.glob(path))
            assert files, name
            assert not test or f"def {test}(" in files[0].read_text(), name
