"""Every command on a page is one: played by a test, or it says why not, and its options are there."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from collab.cli import app
from collab.errors import ScenarioError
from collab.scenario.reader import read_scenario
from collab.scenario.sweep import read_sweep
from tests.docs.test_plain_english import PAGES
from tests.pages import blocks
from tests.places import ROOT

PLAYED = {
    "docs/add_a_backbone.md": "tests/plugins/test_add_a_backbone.py",
    "docs/add_a_metric.md": "tests/plugins/test_add_a_metric.py",
    "docs/add_a_source.md": "tests/plugins/test_add_a_source.py",
    "docs/add_an_attack.md": "tests/docs/test_start.py",
    "docs/add_an_entity.md": "tests/plugins/test_add_an_entity.py",
    "docs/parties.md": "tests/parties/test_init.py",
    "docs/start/change.md": "tests/docs/test_start.py",
    "docs/start/figure.md": "tests/docs/test_start.py",
    "docs/start/images.md": "tests/docs/test_start.py",
    "docs/start/install.md": "tests/docs/test_start.py",
    "docs/trackers.md": "tests/trackers/test_trackers.py",
}
"""Pages whose commands a test plays as they are written, those excepted that say why not."""

UNPLAYED = re.compile(r"<!-- no command of this page is played: .+ -->")
PLACEHOLDER = re.compile(r"^(?:[A-Z][A-Z_|=.]*|\.\.\.|…)$")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(text: str) -> Iterator[list[str]]:
    """Words of each `collab ...` of a page, in blocks and in sentences."""
    lines = [line for block in blocks(text) if block.language in ("bash", "sh") for line in block.text.split("\n")]
    told = re.findall(r"`(collab [^`\n]+)`", text)
    for line in [*"\n".join(lines).replace("\\\n", " ").split("\n"), *told]:
        for part in re.split(r"&&|;|\|(?!\w)", line.replace("\\|", "|")):
            words = part.strip().replace("[", " ").replace("]", " ")
            if words.startswith("collab "):
                try:
                    yield shlex.split(words, comments=True)[1:]
                except ValueError:  # a quote that a line of its own closes
                    yield words.split()[1:]


def mistakes(words: list[str]) -> Iterator[str]:
    """What of a command is not there: itself, an option, a scenario of ours."""
    command: Any = typer.main.get_command(app)
    given = iter(words)
    for word in given:
        if not hasattr(command, "commands") or word.startswith("-") or PLACEHOLDER.match(word):
            break
        if unknown := sorted(set(word.split("|")) - set(command.commands)):
            yield f"no command {unknown[0]!r}"
            return
        command = command.commands[word.partition("|")[0]]
    known = {"--help", "--install-completion", *(name for each in command.params for name in each.opts)}
    for word in words:
        if word.startswith("--") and word.partition("=")[0] not in known:
            yield f"{command.name} has no {word}"
    if len(words) > 1 and re.fullmatch(r"scenarios/\w+\.yaml", words[1]):
        yield from refused(words)


def refused(words: list[str]) -> Iterator[str]:
    """Why `run` or `sweep` would not take a scenario of ours with the values that are given."""
    sets = [word for option, word in pairwise(words) if option == "--set"]
    axes = [word for option, word in pairwise(words) if option == "--vary"]
    try:
        if words[0] == "sweep":
            read_sweep(ROOT / words[1], axes, overrides=sets)
        else:
            read_scenario(ROOT / words[1], sets, check_paths=False)
    except ScenarioError as error:
        if not any(path in str(error) for path in ("FOLDER", "~/cifar10", "mine.safetensors", "no folder")):
            yield str(error)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_is_played_or_says_why_not(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    silent = [
        block.text
        for block in blocks(text)
        if block.language in ("bash", "sh") and not block.unplayed and block.mark not in ("run", "test")
    ]
    assert not silent or name_of(page) in PLAYED or UNPLAYED.search(text), silent


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name_of
)  # which tells of what was
def test_every_command_and_option_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [(words, told) for words in commands(text) for told in mistakes(words)] == []


def test_the_tests_that_play_pages_are_there() -> None:
    told = [block.unplayed or "" for page in PAGES for block in blocks(page.read_text(encoding="utf-8"))]
    named = [name for reason in told for name in re.findall(r"tests/[\w/]+\.py", reason)]
    assert named
    assert [name for name in [*PLAYED.values(), *named] if not (ROOT / name).is_file()] == []


def test_the_page_of_commands_has_them_all() -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    told = {words[0] for words in commands(page)}
    assert set(typer.main.get_command(app).commands) <= told  # type: ignore[attr-defined]


def test_planted_mistakes_are_found() -> None:
    planted = "```bash\ncollab ruin x.yaml\ncollab run none.yaml \\\n  --sets a=1\n```\n`collab cache gc --kep 1`"
    assert [list(mistakes(words)) for words in commands(planted)] == [
        ["no command 'ruin'"], ["run has no --sets"], ["gc has no --kep"]
    ]  # fmt: skip
    (found,) = mistakes(["run", "scenarios/tiny.yaml", "--set", "model.widht=8"])
    assert "did you mean `width`?" in found
    (found,) = mistakes(["run", "scenarios/none.yaml"])
    assert "none.yaml" in found
