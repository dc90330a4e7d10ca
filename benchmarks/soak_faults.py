"""The faults of a soak: what each does, how it ends by itself, and how they are drawn from a seed."""

import random
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import psutil
from soak_places import (
    DISK,
    HERE,
    NODES,
    TEMPORARY,
    Cluster,
    clock_library,
    cut,
    fill,
    join,
    make_room,
    network_of,
    processes,
    set_clock,
)  # fmt: skip

Kind = Literal["cluster", "local", "inprocess"]

ROUNDS: Mapping[Kind, int] = {"cluster": 6, "local": 3, "inprocess": 2}
"""How often sweeps are played on the three nodes, on a Ray of their own, in one process: weights."""

ENDING = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT, "hup": signal.SIGHUP}

FAULTS: Mapping[str, tuple[int, tuple[Kind, ...]]] = {
    **{f"driver {name}": (2, ("cluster", "local", "inprocess")) for name in ENDING},
    "driver stopped": (2, ("cluster", "local", "inprocess")),
    "actor killed": (5, ("cluster", "local")),
    "actor stopped": (3, ("cluster", "local")),
    "raylet killed": (2, ("cluster", "local")),
    "raylet stopped": (2, ("cluster", "local")),
    "node lost": (3, ("cluster",)),
    "head lost": (1, ("cluster",)),
    "network cut": (5, ("cluster",)),
    "disk full": (4, ("cluster", "local", "inprocess")),
    "temporary disk full": (2, ("cluster", "local", "inprocess")),
    "clock jumps": (3, ("cluster", "local", "inprocess")),
}
"""What may happen: how often, as a weight, and where."""

YEAR = 365 * 86400


@dataclass(frozen=True)
class Fault:
    """What, how many seconds after the one before it, for how long, and a share that picks whom or how much."""

    name: str
    after: float
    seconds: float
    share: float


def draw(seed: int, number: int) -> tuple[Kind, tuple[Fault, ...]]:
    """Where the sweep of this number is played and what happens to it; the same for the same seed."""
    rng = random.Random(f"{seed} {number}")
    (kind,) = rng.choices(list(ROUNDS), list(ROUNDS.values()))
    names = [name for name, (_, kinds) in FAULTS.items() if kind in kinds]
    drawn = rng.choices(names, [FAULTS[name][0] for name in names], k=rng.randint(1, 5))
    least = 1 if kind == "inprocess" else 4
    return kind, tuple(
        Fault(name, least + rng.expovariate(1 / (4 * least)), rng.choice((1, 3, 10, 40)), rng.random())
        for name in drawn
    )


@dataclass
class Arena:
    """What faults are done to: the driver, where it is, and its cluster if it has one."""

    kind: Kind
    cluster: Cluster
    driver: psutil.Process
    signaled: set[int] = field(default_factory=set)
    """What the driver was sent that ends it."""
    has_lost_its_raylet: bool = False
    """Whether that of the driver's node was killed or stopped: Ray then ends the driver, with 1 and its own words."""

    @property
    def networks(self) -> Sequence[str]:
        """Where processes of this sweep are."""
        return NODES if self.kind == "cluster" else (HERE,)

    def inflict(self, fault: Fault) -> tuple[str, Callable[[], None]] | None:
        """Lets it happen; answers what happened and what ends it, None where there was nobody for it to happen to."""
        what, _, how = fault.name.partition(" ")
        if what == "driver" and how in ENDING:
            self.signaled.add(ENDING[how])
            return self._send(self.driver, ENDING[how])
        match fault.name:
            case "driver stopped":
                return self._stop(self.driver)
            case "actor killed" | "actor stopped" | "raylet killed" | "raylet stopped":
                victim = self._pick(fault.share, "ray::_RemoteHost" if what == "actor" else "raylet/raylet")
                if victim is None:
                    return None
                self.has_lost_its_raylet |= what == "raylet" and network_of(victim.pid) == self.networks[0]
                return self._send(victim, signal.SIGKILL) if how == "killed" else self._stop(victim)
            case "node lost" | "head lost":
                node = NODES[0] if what == "head" else NODES[1 + int(fault.share * 2)]
                self.cluster.lose(node)
                self.signaled |= {signal.SIGKILL} if what == "head" else set()  # drivers are there
                return node, lambda: None
            case "network cut":
                node = NODES[1 + int(fault.share * 2)]
                cut(node)
                return node, lambda: join(node)
            case "disk full" | "temporary disk full":
                disk = DISK if what == "disk" else TEMPORARY
                taken = fill(disk, leave=(0, 4 << 10, 64 << 10, 300 << 10)[int(fault.share * 4)])
                return f"{disk}: {taken:,} bytes taken", lambda: make_room(disk)
            case _:
                if not clock_library():
                    return None
                place = self.networks[int(fault.share * len(self.networks))]
                jump = (-YEAR, -3600, 3600, YEAR)[int(fault.share * 1000) % 4]
                set_clock(place, jump)
                return f"{place} by {jump:+,} s", lambda: set_clock(place, 0)

    def _pick(self, share: float, command: str) -> psutil.Process | None:
        found = sorted(
            (each for network in self.networks for each in processes(network) if command in command_of(each)),
            key=lambda process: process.pid,
        )
        return found[int(share * len(found))] if found else None

    def _send(self, process: psutil.Process, number: signal.Signals) -> tuple[str, Callable[[], None]] | None:
        with suppress(psutil.NoSuchProcess):
            name = command_of(process)[:40]
            process.send_signal(number)
            return f"{number.name} to {process.pid} ({name})", lambda: None
        return None

    def _stop(self, process: psutil.Process) -> tuple[str, Callable[[], None]] | None:
        told = self._send(process, signal.SIGSTOP)
        return told and (told[0], lambda: self._send(process, signal.SIGCONT) and None)


def command_of(process: psutil.Process) -> str:
    """Its command line; "" of one that has ended."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
