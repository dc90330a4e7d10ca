"""Plays the pages: files are written, commands run, and what a page says that one sees has to be seen."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.places import ROOT

BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^>]*) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A block of a page, and what the comment before it says of it."""

    language: str
    text: str
    mark: str

    @property
    def file(self) -> str | None:
        """The file that this is, if it is one."""
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else None

    @property
    def unplayed(self) -> str | None:
        """Why this page does not play it, or which test does."""
        kept = re.match(r"(?:not played: |played by )(.+)", self.mark, re.S)
        return kept[1] if kept else None

    @property
    def ends_with(self) -> int:
        """The exit code that is expected."""
        return int(self.mark.removeprefix("fails with ")) if self.mark.startswith("fails with ") else 0


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page in their order."""
    for found in BLOCK.finditer(page):
        yield Block(found["language"], found["text"], found["mark"] or "")


def files(page: str) -> dict[str, str]:
    """The files that a page writes, by name."""
    return {block.file: block.text for block in blocks(page) if block.file}


def environment(*places: Path) -> dict[str, str]:
    """Where `collab` is the one of this interpreter, and packages in `places` are installed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join([*map(str, places), str(ROOT)])}


def play_page(page: str, folder: Path, env: Mapping[str, str] | None = None) -> list[subprocess.CompletedProcess[str]]:
    """What each command of a page did: its files are written into `folder`, and all have to end there as it says."""
    ended: list[subprocess.CompletedProcess[str]] = []
    for block in blocks(page):
        if block.file:
            file = folder / block.file
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        elif block.language in ("bash", "sh") and not block.unplayed:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=folder, env=env or environment(), capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == block.ends_with, f"{block.text}{done.stdout}{done.stderr}"
            ended.append(done)
        elif block.language == "text" and not block.unplayed and ended:
            seen = ended[-1].stdout + ended[-1].stderr
            assert (missing := unseen(block.text, seen)) == [], f"not seen: {missing} in\n{seen}"
    return ended


def unseen(shown: str, seen: str) -> list[str]:
    """Lines that a page shows and a command did not say, in this order; `...` is anything, a number any number."""
    rest, missing = _plain(seen), []
    for line in filter(None, map(str.strip, shown.splitlines())):
        wanted = ".*?".join(re.escape(_plain(part)) for part in line.split("..."))
        if found := re.search(wanted, rest):
            rest = rest[found.end() :]
        else:
            missing.append(line)
    return missing


def _plain(text: str) -> str:
    """Text in one line, without lines of tables; each number is `0`."""
    return re.sub(r"[-+]?\d[\d.,]*\d|[-+]?\d", "0", re.sub(r"[─━\s]+", " ", text)).strip()
