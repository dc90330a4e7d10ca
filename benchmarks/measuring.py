"""What comparisons here share: what they ran on, and the wall and CPU time of a command."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import psutil

SECONDS_BETWEEN = 0.1
"""Seconds between two looks at the processes of a command."""

PACKAGES = ("collab", "torch", "numpy", "ray", "pyarrow")


@dataclass(frozen=True)
class Timed:
    """What a command took, and the JSON in its last line of output.

    `cpu` sums all processes that it started, each up to the last look at it.
    """

    wall: float
    cpu: float
    answer: Any


def time_command(command: Sequence[str], **settings: str) -> Timed:
    """Plays `command` with `settings` in its environment; where it fails, so does this, with its last lines."""
    spent, start = dict[tuple[int, float], float](), time.perf_counter()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors, env={**os.environ, **settings})
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            with suppress(psutil.Error):
                for each in (watched, *watched.children(recursive=True)):
                    with suppress(psutil.Error):
                        times = each.cpu_times()
                        spent[each.pid, each.create_time()] = times.user + times.system
            with suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_BETWEEN)
        wall = time.perf_counter() - start
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{errors.read()[-3000:]}")
        return Timed(wall, sum(spent.values()), json.loads(output.read().splitlines()[-1]))


def describe_machine() -> str:
    """Versions, processor, cores and how busy they are: what any figure has to be read with."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        facts = dict(line.split(":", 1) for line in file if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    amx = "AMX" if "amx_tile" in facts.get("flags", "") else "no AMX"
    return (
        f"python {platform.python_version()}, {versions}; {facts.get('model name', platform.machine())}, {amx}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
