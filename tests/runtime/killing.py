"""Plays a scenario in this process and ends it by a signal at its n-th event."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from collab.cli_process import Interruption
from collab.runtime.play import Where, play
from collab.scenario.reader import read_scenario
from collab.training import progress
from tests.places import SCENARIOS
from tests.playing import SMALL


def play_until_killed(out: Path, last_event: int, overrides: Sequence[str], number: int = signal.SIGKILL) -> None:
    """Plays the smallest scenario, changed by `overrides`, until the event of this number, the first is 1.

    Without a chance to clean up, or by another signal with that of the command. No `umask` closes a file.
    """
    os.umask(0)
    Interruption().listen()
    progress.SECONDS_BETWEEN = 0.0
    left = last_event

    def watch(event: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)

    scenario = read_scenario(SCENARIOS / "tiny.yaml", [*SMALL, *overrides]).scenario
    play(scenario, Where("inprocess", out=out), watch)
