"""Pages are plain to read: no line of prose over 140 characters, sentences under 25 words on the average."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
WIDTH, WORDS = 140, 25
ITEM = re.compile(r"\s*(?:[-*+]|\d+\.) +")
END = re.compile(r"(?<=[.!?])[\"”)\]*_]*\s+(?=[\"“(*_\[]*[A-Z0-9`.])")
"""Between two sentences: a mark, then what begins like one. A colon or a semicolon ends none."""


def prose(page: str) -> Iterator[str]:
    """Lines of a page that are neither code nor a table nor a comment; an empty one for each of those."""
    page = re.sub(r"^( *)(```|~~~|\$\$).*?^\1\2\s*$|<!--.*?-->", "", page, flags=re.M | re.S)
    for line in page.splitlines():
        yield "" if line.lstrip().startswith(("|", "$$")) else line


def paragraphs(page: str) -> Iterator[str]:
    """Each paragraph and each item of a list as one line, without headings."""
    current: list[str] = []
    for line in [*prose(page), ""]:
        if not line.strip() or line.startswith("#") or ITEM.match(line):
            yield from filter(None, [" ".join(current)])
            current = []
        if not line.startswith("#"):
            current.append(ITEM.sub("", line, count=1).strip())


def sentences(page: str) -> list[int]:
    """Words in each sentence of a page; code and a formula are one."""
    found = []
    for paragraph in paragraphs(page):
        said = re.sub(r"`[^`]*`|\$[^$]+\$", "Code", re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", paragraph))
        found += [len(re.findall(r"\S*\w\S*", sentence)) for sentence in END.split(said)]
    return [words for words in found if words]


def too_long(page: str) -> list[str]:
    """Lines of prose that run over the edge of a screen."""
    return [line for line in prose(page) if len(line) > WIDTH]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_and_sentences_are_short(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert too_long(text) == []
    words = sentences(text)
    assert sum(words) < WORDS * max(len(words), 1), f"{sum(words) / len(words):.1f} words a sentence"


def test_words_are_counted_sentence_by_sentence() -> None:
    page = (
        "# A heading of five words\n\nOne two. `three words here` four, (see [five six](seven/eight.md)).\n"
        "Of 2.5 no end\n\n"
        "- An item; it goes\n  on here.\n| a | table |\n```\nA. B. C.\n```\n<!-- Not. This. -->Last one, e.g. this!"
    )
    assert sentences(page) == [2, 5, 4, 6, 4]


def test_a_planted_long_line_is_found_and_code_may_be_wide() -> None:
    wide = "word " * 40
    assert too_long(f"{wide}\n| {wide} |\n```\n{wide}\n```\n    {wide}") == [wide, f"    {wide}"]


def test_there_are_pages() -> None:
    assert len(PAGES) > 25
