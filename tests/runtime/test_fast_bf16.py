"""The switch that says what the hardware is taken for: it stands in the record, and reaches every process."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from collab.report.pages.facts import tabulate_environment
from collab.runtime.play import Where, play
from collab.scenario.model import Scenario
from collab.training.precision import SWITCH, resolve_compute


@pytest.mark.parametrize("backend", ["inprocess", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_run_tells_what_the_hardware_was_taken_for(
    backend: str, small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker on Ray that did not inherit the switch would compute otherwise than the driver, which is refused."""
    monkeypatch.delenv(SWITCH, raising=False)
    is_fp32 = str(resolve_compute("auto", "cpu")) == "cpu float32"
    monkeypatch.setenv(SWITCH, str(int(is_fp32)))  # the opposite of what is the case
    played = play(small(), Where(backend, device="cpu", out=tmp_path, only="pretrain a1"), lambda event: None)
    assert not played.failures
    record = json.loads((played.run / "record.json").read_text())
    assert record[SWITCH] == str(int(is_fp32))
    assert record["compute"] == ("cpu bfloat16" if is_fp32 else "cpu float32")
    assert (SWITCH, str(int(is_fp32))) in tabulate_environment(record).lines


def test_without_the_switch_the_record_has_no_word_of_it(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    played = play(small(), Where("inprocess", device="cpu", out=tmp_path, only="decode a1"), lambda event: None)
    assert SWITCH not in (played.run / "record.json").read_text()
