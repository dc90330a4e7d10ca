"""The tracker a_kind keeps what every tracker must keep, takes its options, and honors them."""

import json
from pathlib import Path
from typing import Any

from collab.api import Plugins
from collab.testing import check_tracker
from collab.testing.scenario import small_scenario

PLUGINS = Plugins.of(Path(__file__).parents[1])


def told(out: Path, epochs: bool) -> list[dict[str, Any]]:
    """What it keeps of a run of two events."""
    plugin = PLUGINS.load("trackers", "a_kind")
    tracker = plugin(plugin.Options(kind="a_kind", epochs=epochs))
    tracker.begin(small_scenario(), out / "small" / "run")
    tracker.log({"event": "start", "job": "pretrain a1"})
    tracker.log({"event": "epoch", "job": "pretrain a1", "epoch": 1, "epochs": 1, "loss": 0.5})
    tracker.end(())
    (file,) = (out / "trackers" / "a_kind").iterdir()
    return list(map(json.loads, file.read_text().splitlines()))


def test_it_keeps_what_every_tracker_must_keep() -> None:
    checks = check_tracker("a_kind", PLUGINS, {"epochs": False})
    assert [check for check in checks if check.problem] == []


def test_a_wrong_option_is_refused() -> None:
    (check,) = check_tracker("a_kind", PLUGINS, {"epochs": 2})
    assert "epochs: Input should be" in check.problem


def test_it_keeps_epochs_if_asked(tmp_path: Path) -> None:
    names = [line["event"] for line in told(tmp_path / "all", epochs=True)]
    assert names == ["start", "epoch", "results"]
    assert [line["event"] for line in told(tmp_path / "few", epochs=False)] == ["start", "results"]
