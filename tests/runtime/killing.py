"""Plays a scenario in this process and kills it, without a chance to clean up, at its n-th event."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from collab.runtime.play import Where, play
from collab.scenario.reader import read_scenario
from collab.training import progress
from tests.places import SCENARIOS
from tests.playing import SMALL


def play_until_killed(out: Path, last_event: int, overrides: Sequence[str]) -> None:
    """Plays the smallest scenario, changed by `overrides`, until the event of this number, the first is 1."""
    progress.SECONDS_BETWEEN = 0.0
    left = last_event

    def watch(event: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    scenario = read_scenario(SCENARIOS / "tiny.yaml", [*SMALL, *overrides]).scenario
    play(scenario, Where("inprocess", out=out), watch)
