"""What the runtime costs: a run against the same work as one plain script, in turn, on this machine.

    python benchmarks/overhead.py [--scenario FILE] [--repeats N] [--threads N] [--set path=value ...]

For docs/performance.md. Both play the scenario from this checkout: `collab run` on Ray, as many stages at a time as
there are cores, one thread each; `benchmarks/plain_loop.py` one stage at a time, on all cores unless told otherwise.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from measuring import Timed, describe_machine, time_command

COLLAB = [sys.executable, "-m", "collab"]
PLAIN_LOOP = Path(__file__).with_name("plain_loop.py")


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description="Times a run against the same work as one plain loop, in turn.")
    arguments.add_argument("--scenario", type=Path, default=Path("scenarios/four_entities.yaml"), help="what both play")
    arguments.add_argument("--repeats", type=int, default=1, help="runs of each")
    arguments.add_argument("--threads", type=int, default=os.cpu_count(), help="of the plain loop")
    arguments.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="as of `collab run`")
    given = arguments.parse_args()
    print(describe_machine())
    measure(given.scenario, given.repeats, given.set, given.threads)


def measure(scenario: Path, repeats: int, overrides: list[str], threads: int) -> None:
    """Plays `scenario` both ways `repeats` times in turn and prints medians and their ratio.

    Ends with the last lines of whichever failed.
    """
    even = ["disclosure=null", *overrides]  # the plain loop measures Tables 1, 2 and 5, nothing beyond them
    sets = [part for override in even for part in ("--set", override)]
    runs, plains = list[Timed](), list[Timed]()
    for turn in range(repeats):
        with tempfile.TemporaryDirectory(prefix="collab-bench-") as out:
            ours = [*COLLAB, "run", str(scenario), "--json", "--fresh", "--out", out, *sets]
            theirs = [sys.executable, str(PLAIN_LOOP), str(scenario), *sets]
            plays = [(runs, ours, dict[str, str]()), (plains, theirs, {"OMP_NUM_THREADS": str(threads)})]
            # Who goes first finds a cooler machine and a colder disk.
            for timed, command, settings in reversed(plays) if turn % 2 else plays:
                timed.append(time_command(command, **settings))
        print(f"turn {turn + 1}: collab run {runs[-1].wall:.1f} s, plain {plains[-1].wall:.1f} s", flush=True)
    wall, plain = (statistics.median(each.wall for each in turns) for turns in (runs, plains))
    start = statistics.median(float(run.answer["start_seconds"]) for run in runs)
    print(f"collab run               {wall:8.1f} s")
    print(f"  until work began       {start:8.1f} s")
    print(f"plain loop               {plain:8.1f} s with {plains[0].answer['threads']} threads")
    print(f"computed on              {plains[0].answer['compute']}")
    print(f"CPU time, run            {statistics.median(each.cpu for each in runs):8.1f} s")
    print(f"CPU time, plain loop     {statistics.median(each.cpu for each in plains):8.1f} s")
    print(f"ratio                    {wall / plain:8.2f}")
    print(f"ratio without the start  {(wall - start) / plain:8.2f}")


if __name__ == "__main__":
    main()
