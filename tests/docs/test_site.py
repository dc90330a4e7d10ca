"""The site: built with every warning an error, whole, and asking nothing of a network."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typing_extensions import override

from tests.places import ROOT

pytestmark = pytest.mark.slow  # `scripts/docs` plays it

pytest.importorskip("mkdocs", reason="pip install 'collab[docs]'")


class Asked(HTMLParser):
    """What a browser would fetch from elsewhere to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elsewhere: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get("src") or (given.get("href") if tag == "link" else None) or ""
        if re.match(r"(https?:)?//", address) and given.get("rel") != "canonical":
            self.elsewhere.append(address)


def asked_of(page: str) -> list[str]:
    """Addresses that a page asks a network for."""
    parser = Asked()
    parser.feed(page)
    return parser.elsewhere


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew."""
    folder: Path = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if not (site / page).is_file()} == set()
    assert all((site / name).is_file() for name in ("architecture.html", "changelog.html", "notebooks/frontier.html"))


def test_no_page_asks_a_network(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    assert {page.name: asked for page in pages if (asked := asked_of(page.read_text(encoding="utf-8")))} == {}
    assert "fonts.googleapis" not in (site / "index.html").read_text(encoding="utf-8")


def test_formulas_examples_and_options_are_drawn(site: Path) -> None:
    equations = (site / "equations.html").read_text(encoding="utf-8")
    assert "<math" in equations
    assert "\\mathrm" not in equations
    assert "&gt;&gt;&gt; </span>" in (site / "python.html").read_text(encoding="utf-8")
    assert "<code>--audit</code>" in (site / "commands.html").read_text(encoding="utf-8")


def test_a_planted_address_is_found() -> None:
    assert asked_of('<script src="https://x.org/y.js"></script><a href="https://z.org">z</a>') == ["https://x.org/y.js"]
