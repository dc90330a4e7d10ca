"""What the runtime costs: a run against the same work as one plain script, in turn, on this machine.

    python benchmarks/overhead.py [--scenario FILE] [--repeats N] [--set path=value ...]

For docs/performance.md. Both play the scenario from this checkout: `collab run`, and `benchmarks/plain_loop.py`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COLLAB = [sys.executable, "-m", "collab"]
PLAIN_LOOP = Path(__file__).with_name("plain_loop.py")


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description="Times a run against the same work as one plain loop, in turn.")
    arguments.add_argument("--scenario", type=Path, default=Path("scenarios/four_entities.yaml"), help="what both play")
    arguments.add_argument("--repeats", type=int, default=1, help="runs of each")
    arguments.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="as of `collab run`")
    given = arguments.parse_args()
    measure(given.scenario, given.repeats, given.set)


def measure(scenario: Path, repeats: int, overrides: list[str]) -> None:
    """Plays `scenario` both ways `repeats` times in turn and prints medians and their ratio.

    Ends with the last lines of whichever failed.
    """
    even = ["disclosure=null", *overrides]  # the plain loop measures Tables 1, 2 and 5, nothing beyond them
    sets = [part for override in even for part in ("--set", override)]
    ours = [*COLLAB, "run", str(scenario), "--json", "--fresh", *sets]
    theirs = [sys.executable, str(PLAIN_LOOP), str(scenario), *sets]
    walls: list[float] = []
    starts: list[float] = []
    plains: list[float] = []
    for turn in range(repeats):
        with tempfile.TemporaryDirectory(prefix="collab-bench-") as out:
            commands = [[*ours, "--out", out], theirs]
            if turn % 2:  # whoever goes first finds a cooler machine and a colder disk
                plain, run = (_played(command) for command in reversed(commands))
            else:
                run, plain = (_played(command) for command in commands)
        walls.append(run["seconds"])
        starts.append(run["start_seconds"])
        plains.append(plain["seconds"])
        print(f"turn {turn + 1}: collab run {walls[-1]:.1f} s ({starts[-1]:.1f} s to start), plain {plains[-1]:.1f} s")
    wall, start, plain_wall = (statistics.median(figures) for figures in (walls, starts, plains))
    print(f"collab run               {wall:8.1f} s")
    print(f"  until work began       {start:8.1f} s")
    print(f"plain loop               {plain_wall:8.1f} s")
    print(f"ratio                    {wall / plain_wall:8.2f}")
    print(f"ratio without the start  {(wall - start) / plain_wall:8.2f}")


def _played(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
