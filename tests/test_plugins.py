from importlib.metadata import EntryPoint

import pytest

from collab import plugins
from collab.defenses.dpm import DpmDefense
from collab.entity import Entity
from collab.errors import PluginError


def test_built_in_kinds_are_found_and_are_what_they_say() -> None:
    assert plugins.load("defenses", "dpm") is DpmDefense
    contributor = plugins.load("entities", "contributor")
    assert issubclass(contributor, Entity)
    assert contributor.kind == "contributor"


def test_an_unknown_kind_names_what_is_installed() -> None:
    with pytest.raises(PluginError, match=r"'dmp'.*dpm"):
        plugins.load("defenses", "dmp")


def test_two_plugins_of_one_kind_are_an_error_that_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = [EntryPoint("dpm", value, "collab.defenses") for value in ("first:A", "second:B")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: twins)
    with pytest.raises(PluginError, match=r"first:A and second:B"):
        plugins.installed("defenses")


def test_a_plugin_that_does_not_import_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "collab.no_such_module:A", "collab.defenses")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [broken])
    with pytest.raises(PluginError, match=r"ModuleNotFoundError.*no_such_module"):
        plugins.load("defenses", "broken")
