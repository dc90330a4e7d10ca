"""The examples in docstrings of the Python interface are played."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import collab
from collab import front
from collab.runtime.play import Played
from tests.playing import lend

MODULES = [f"collab.front.{module.name}" for module in pkgutil.iter_modules(front.__path__)]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples(name: str) -> list[doctest.DocTest]:
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    return [each for each in found if each.examples]


@pytest.fixture(scope="module")
def there(played: Played, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a scenario that was played."""
    folder = tmp_path_factory.mktemp("there")
    (folder / "scenario.yaml").write_bytes((played.run / "scenario.yaml").read_bytes())
    lend(played, folder / "runs")
    return folder


@pytest.mark.parametrize("name", [name for name in MODULES if examples(name)])
def test_examples_say_what_comes_out(
    name: str, played: Played, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(there)
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for each in examples(name):
        each.globs["folder"] = played.run
        runner.run(each)
    assert runner.failures == 0, capsys.readouterr().out


def test_an_example_that_is_wrong_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    def wrong() -> None:
        """
        >>> 1 + 1
        3
        """

    (planted,) = doctest.DocTestFinder().find(wrong, "wrong", module=False)  # type: ignore[arg-type]
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    runner.run(planted)
    assert runner.failures == 1


def test_everything_that_is_called_has_an_example() -> None:
    told = {each.name.rpartition(".")[2] for name in MODULES for each in examples(name)}
    assert {*collab.__all__} - {"__version__", "api", "errors"} <= told
