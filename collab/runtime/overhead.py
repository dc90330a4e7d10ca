"""What the runtime costs: a run against the same work as one plain script, in turn, on this machine."""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from collab.errors import CollabError, ScenarioError


def measure(scenario: Path, repeats: int, overrides: list[str]) -> None:
    """Plays `scenario` both ways `repeats` times in turn and prints medians and their ratio.

    Raises ScenarioError outside a checkout, where there is no `benchmarks/plain_loop.py`, and CollabError with the last
    lines of whichever failed.
    """
    places = (Path.cwd(), Path(__file__).parents[2])
    plain_loop = next((place / "benchmarks" / "plain_loop.py" for place in places
                       if (place / "benchmarks" / "plain_loop.py").is_file()), None)  # fmt: skip
    if plain_loop is None:
        raise ScenarioError("benchmarks/plain_loop.py is neither here nor beside the package. Run this in a checkout.")
    even = ["disclosure=null", *overrides]  # the plain loop measures Tables 1, 2 and 5, nothing beyond them
    sets = [part for override in even for part in ("--set", override)]
    ours = [
        sys.executable,
        "-c",
        "from collab.cli import main; main()",
        "run",
        str(scenario),
        "--json",
        "--fresh",
        *sets,
    ]
    theirs = [sys.executable, str(plain_loop), str(scenario), *sets]
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
        raise CollabError(f"{' '.join(command[1:3])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
