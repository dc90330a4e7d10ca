"""Plays a scenario in this process and kills it, without a chance to clean up, at its n-th event."""

import os
import signal
import sys
from pathlib import Path

from collab.runtime.play import Where, play
from collab.scenario.reader import read_scenario
from collab.training import progress
from tests.places import SCENARIOS
from tests.playing import SMALL


def main(out: str, last_event: int, overrides: list[str]) -> None:
    progress.SECONDS_BETWEEN = 0.0
    left = last_event

    def watch(event: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    scenario = read_scenario(SCENARIOS / "tiny.yaml", [*SMALL, *overrides]).scenario
    play(scenario, Where("inprocess", out=Path(out)), watch)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
