"""Plays sweeps for a stated time while things break, and ends with whether anything was lost, doubled or changed.

    scripts/soak --minutes 60 --seed 0

Each round plays one small sweep in a folder of its own: on a Ray cluster of three nodes with a network each, on a Ray
of its own, or in one process. Meanwhile faults happen that are drawn from the seed (`soak_faults.FAULTS`). A command
that ended is given again, as a user would, until the sweep is done; then everything must be what an undisturbed sweep
left. Prints a table of figures, writes OUT/soak.jsonl with a line for each event, and fails if there is a finding.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from soak_faults import Arena, Fault, Kind, command_of, draw
from soak_judge import Sweep, differences, open_to_others, read_sweep, refused_in_stores
from soak_places import (
    DISK,
    HERE,
    NODES,
    TEMPORARY,
    Cluster,
    clock_library,
    enter,
    environment,
    in_network,
    join,
    make_room,
    processes,
    set_clock,
)  # fmt: skip

ROOT = Path(__file__).parents[1]
NAME = "soak"
SETS = [
    "data.classes=4", "data.train=160", "data.test=40", "data.public_images=32", "model.width=4",
    "model.pretrain.epochs=6", "reconstructor.epochs=1", "entities.*.defense.epochs=12", "entities.*.defense.blocks=1",
    "refine.epochs=2", "entities.a4.share=0.05", "resources.workers=3",
]  # fmt: skip
"""What makes `tiny.yaml` smaller, with stages that last long enough to be hit."""

TOLD = (3, 4, 5, 129, 130, 143)
"""Codes that a command may end with while things break: docs/errors.md has a sentence on each."""

PATIENCE = 400
"""Seconds that a sweep of half a minute may take when nothing breaks any more."""

TRIES = 3
"""How often a command may have to be given again after the last fault."""


class Soak:
    """The rounds of one soak, its log and its figures."""

    def __init__(self, logs: Path, seed: int) -> None:
        self._logs, self._seed, self._start = logs, seed, time.monotonic()
        self.cluster = Cluster(logs)
        self.counts, self.findings = Counter[str](), list[str]()
        self._file = logs / "sweep.yaml"
        axes = [{"vary": "lambda", "values": [0.5, 1.0]}]
        spec = {"name": NAME, "scenario": str(ROOT / "scenarios/tiny.yaml"), "axes": axes, "seeds": 2, "set": SETS}
        self._file.write_text(json.dumps(spec), encoding="utf-8")

    def play_calm(self) -> None:
        """The sweep that all others are compared with."""
        driver, _ = self._begin("inprocess", DISK / "calm", 0, 0)
        assert driver.wait() == 0, "the undisturbed sweep failed: see the log"
        self.expected: Sweep = read_sweep(DISK / "calm", NAME)
        shutil.rmtree(DISK / "calm")

    def play_round(self, number: int) -> None:
        """One sweep with its faults, until it is done; then looks at all that it left."""
        kind, faults = draw(self._seed, number)
        out, began = DISK / f"round{number}", time.monotonic()
        self._say("round", number=number, where=kind, faults=[fault.name for fault in faults])
        self._heal(kind)
        left, tries, starts = list(faults), 0, 0
        while tries <= TRIES:
            starts += 1
            code = self._play(kind, out, number, starts, left)
            if code == 0:
                break
            tries += not left
            self._heal(kind)
        self.counts["rounds"] += 1
        self.counts[f"rounds, {kind}"] += 1
        if tries > TRIES:
            self._find(number, f"{kind}: did not end well after {TRIES} more commands without a fault")
        else:
            self._judge(number, kind, out)
        left_over = sorted(path.name for path in TEMPORARY.iterdir())
        self._say(
            "judged", number=number, starts=starts, seconds=round(time.monotonic() - began, 1), temporary=left_over
        )
        self._end_all(number, kind)
        shutil.rmtree(out, ignore_errors=True)

    def close(self) -> None:
        """Ends the cluster."""
        self.cluster.end()

    def _play(self, kind: Kind, out: Path, number: int, starts: int, left: list[Fault]) -> int:
        """Gives the command once and lets what is `left` happen to it; answers its code, negative for a signal."""
        driver, log = self._begin(kind, out, number, starts)
        arena = Arena(kind, self.cluster, psutil.Process(driver.pid))
        undo = list[tuple[float, Callable[[], None]]]()
        quiet_since = due = time.monotonic()
        due += left[0].after if left else 0
        while driver.poll() is None:
            now = time.monotonic()
            for entry in [each for each in undo if each[0] <= now]:
                undo.remove(entry)
                entry[1]()
                quiet_since = now
            if left and now >= due:
                fault = left.pop(0)
                happened = arena.inflict(fault)
                self._say(
                    "fault", number=number, fault=fault.name, seconds=fault.seconds, what=happened and happened[0]
                )
                if happened:
                    self.counts[f"fault: {fault.name}"] += 1
                    undo.append((now + fault.seconds, happened[1]))
                due = now + (left[0].after if left else 0)
                quiet_since = now
            if not undo and not left and now - quiet_since > PATIENCE:
                self._find(number, f"{kind}: still plays {PATIENCE} s after the last fault; it was killed")
                arena.signaled.add(9)
                driver.kill()
            time.sleep(0.1)
        for _, end in undo:
            end()
        self._look_at_end(number, kind, driver.returncode, arena, log)
        return driver.returncode

    def _look_at_end(self, number: int, kind: Kind, code: int, arena: Arena, log: Path) -> None:
        """A command ends with a code of ours and a sentence, or by a signal that it was sent."""
        self.counts["commands"] += 1
        self.counts[f"code {code}"] += 1
        text = log.read_text(errors="replace")
        self._say("ended", number=number, code=code, log=log.name, last=text.strip().splitlines()[-1:])
        is_told = code == 0 or code in TOLD or -code in arena.signaled or (code == 1 and arena.has_lost_its_raylet)
        self.counts["commands that Ray ended with its raylet"] += code == 1 and arena.has_lost_its_raylet
        if not is_told:
            self._find(number, f"{kind}: a command ended with {code}: see {log.name}")
        if "Traceback" in text or "^^^^" in text:
            self._find(number, f"{kind}: a traceback: see {log.name}")

    def _begin(self, kind: Kind, out: Path, number: int, starts: int) -> tuple["subprocess.Popen[bytes]", Path]:
        place = NODES[0] if kind == "cluster" else HERE
        program = [sys.executable, "-c", "from collab.cli import main; main()", "sweep", str(self._file)]
        program += ["--out", str(out), "--device", "cpu"]
        program += {"cluster": ["--address", self.cluster.address], "local": [], "inprocess": ["--backend", kind]}[kind]
        log = self._logs / f"round-{number:03d}-{starts}.log"
        inherited = environment(place) | (self.cluster.tokens if kind == "cluster" else {})
        with log.open("wb") as file:  # a umask of 0: nothing is closed but what closes itself
            return subprocess.Popen(
                in_network(place, program), env=inherited, stdout=file, stderr=subprocess.STDOUT, umask=0,
                start_new_session=True,
            ), log  # fmt: skip

    def _heal(self, kind: Kind) -> None:
        """Everything works again, and a cluster has three nodes."""
        make_room(DISK)
        make_room(TEMPORARY)
        for place in (HERE, *NODES):
            set_clock(place, 0)
        for node in NODES:
            join(node)
        if kind == "cluster" and (started := self.cluster.start_missing()):
            self._say("cluster", started=started)

    def _judge(self, number: int, kind: Kind, out: Path) -> None:
        problems = differences(read_sweep(out, NAME), self.expected)
        refused, unfinished = refused_in_stores(out)
        for problem in [*problems, *refused, *open_to_others(out), *open_to_others(TEMPORARY)]:
            self._find(number, f"{kind}: {problem}")
        events = [line for file in out.glob("*/*/metrics.jsonl") for line in file.read_bytes().splitlines()]
        for name in ("restart", "done", "failed"):
            self.counts[f"jobs: {name}"] += sum(f'"event": "{name}"'.encode() in line for line in events)
        self.counts["runs"] += len(list(out.glob("*/*/scenario.yaml")))
        self.counts["unfinished files of killed writers"] += unfinished
        self.counts["rounds equal to the undisturbed one"] += not problems

    def _end_all(self, number: int, kind: Kind) -> None:
        """Nothing of a command outlives it: neither processes nor, but for the last that was killed, folders."""
        deadline = time.monotonic() + 60
        while (left := [*self._left_over()]) and time.monotonic() < deadline:
            time.sleep(0.5)
        for process in left:
            about = f"{command_of(process).strip()[:60]}, {process.status()}, child of {process.ppid()}"
            self._find(number, f"{kind}: a process outlives its command by 60 s: {about}")
            process.kill()

    def _left_over(self) -> list[psutil.Process]:
        ours = ("ray::_RemoteHost", "collab.cli", "gcs_server")
        here = [each for each in processes(HERE) if any(name in command_of(each) for name in ours)]
        return here + [
            each for node in NODES for each in processes(node) if any(name in command_of(each) for name in ours[:2])
        ]

    def _find(self, number: int, text: str) -> None:
        self.findings.append(f"round {number}: {text}")
        self._say("finding", number=number, text=text)

    def _say(self, event: str, **told: Any) -> None:
        line = json.dumps({"at": round(time.monotonic() - self._start, 1), "event": event, **told})
        with (self._logs / "soak.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)


def main() -> None:
    """Plays rounds until the time is over, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=1, help="The number of the first round, to play one again.")
    parser.add_argument("--out", type=Path, required=True, help="A folder for the log; not below /run or /dev/shm.")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    enter()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # or under `nohup` no driver would hear it
    start, number, soak = time.monotonic(), asked.first, Soak(asked.out.resolve(), asked.seed)
    try:
        soak.play_calm()
        while time.monotonic() - start < 60 * asked.minutes:
            soak.play_round(number)
            number += 1
    finally:
        soak.close()
        minutes = (time.monotonic() - start) / 60
        print(f"\n{minutes:.0f} minutes, seed {asked.seed}, clocks {'set' if clock_library() else 'left alone'}")
        print("\n".join(f"| {name} | {count} |" for name, count in sorted(soak.counts.items())))
        print("\n".join([f"{len(soak.findings)} findings", *soak.findings]))
    if soak.findings:
        sys.exit(1)


if __name__ == "__main__":
    main()
