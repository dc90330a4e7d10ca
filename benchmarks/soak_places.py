"""Where a soak plays: small disks, clocks that can be set, and a Ray cluster whose three nodes have a network each.

All of it lies in namespaces of the process that makes it (see `enter`), so it needs no rights and ends with it.
"""

import importlib.util
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

RUN = Path("/run")
DISK, TEMPORARY, CLOCKS = RUN / "disk", RUN / "t", RUN / "clocks"
NODES = ("n1", "n2", "n3")
"""The first is the head; drivers are there."""

HERE = "here"
"""The network of whoever plays without the cluster."""

PORT = 6379
_ENTERED = "COLLAB_SOAK_ENTERED"
_STARTED = "Ray runtime started"


def enter() -> None:
    """Starts this command again in namespaces of its own, unless it is there; then sets up disks and networks.

    Root inside is whoever called outside: mounts and networks are seen by nobody else, and end with the command.
    """
    if _ENTERED not in os.environ:
        fresh = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork"]
        os.environ[_ENTERED] = "1"
        os.execvp(fresh[0], [*fresh, "--mount-proc", "--kill-child", sys.executable, *sys.argv])
    _call("mount", "-t", "tmpfs", "tmpfs", str(RUN))
    _call("mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", "/dev/shm")
    for folder, size in ((DISK, "96m"), (TEMPORARY, "256m")):
        folder.mkdir()
        _call("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    CLOCKS.mkdir()
    _call("ip", "link", "set", "lo", "up")
    _call("ip", "link", "add", "bridge", "type", "bridge")
    _call("ip", "link", "set", "bridge", "up")
    for number, node in enumerate(NODES, 1):
        _call("ip", "netns", "add", node)
        _call("ip", "link", "add", node, "type", "veth", "peer", "name", "eth0", "netns", node)
        _call("ip", "link", "set", node, "master", "bridge", "up")
        _call("ip", "-n", node, "addr", "add", f"{address_of(number)}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _call("ip", "-n", node, "link", "set", link, "up")
    for place in (HERE, *NODES):
        set_clock(place, 0)


def address_of(number: int) -> str:
    """The address of the node of this number, the first is 1."""
    return f"10.9.0.{number}"


def cut(node: str) -> None:
    """Takes the network of a node away, as a cable that is pulled."""
    _call("ip", "link", "set", node, "down")


def join(node: str) -> None:
    """Puts the cable back."""
    _call("ip", "link", "set", node, "up")


def fill(disk: Path, leave: int) -> int:
    """Takes the room of a disk but for `leave` bytes; returns how many bytes it took."""
    with open(disk / "filler", "wb") as file, suppress(OSError):
        while (free := free_bytes(disk) - leave) > 0:
            os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), min(free, 1 << 20))
    return (disk / "filler").stat().st_size


def make_room(disk: Path) -> None:
    """Takes nothing of a disk any more."""
    (disk / "filler").unlink(missing_ok=True)


def free_bytes(disk: Path) -> int:
    """What may still be written there."""
    told = os.statvfs(disk)
    return told.f_bavail * told.f_frsize


def clock_library() -> str:
    """The library of libfaketime, or "" where the package is not installed."""
    found = importlib.util.find_spec("libfaketime")
    files = Path(found.origin).parent.rglob("libfaketime.so*") if found and found.origin else iter(())
    return next(map(str, files), "")


def set_clock(place: str, seconds: int) -> None:
    """From now on the clock of processes of `place` is off by so much; what measures durations goes on."""
    path = CLOCKS / f"{place}.new"
    path.write_text(f"{seconds:+d}s", encoding="ascii")
    path.replace(CLOCKS / place)


def environment(place: str) -> dict[str, str]:
    """What processes of `place` inherit: their temporary directory and their clock."""
    made = {**os.environ, "TMPDIR": str(TEMPORARY), "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    if library := clock_library():
        made |= {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(CLOCKS / place)}
        made |= {"DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1", "FAKETIME_CACHE_DURATION": "1"}
    return made


def in_network(place: str, program: Sequence[str]) -> list[str]:
    """The command that starts `program` there."""
    return list(program) if place == HERE else ["nsenter", f"--net={RUN}/netns/{place}", *program]


def processes(place: str) -> Iterator[psutil.Process]:
    """Those of a network, whoever started them, but for this one."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid not in (1, os.getpid()) and network_of(process.pid) == place:
                yield process


def network_of(pid: int) -> str:
    """Where a process is."""
    mine = os.stat(f"/proc/{pid}/ns/net").st_ino
    return next((node for node in NODES if os.stat(RUN / "netns" / node).st_ino == mine), HERE)


class Cluster:
    """Three nodes of one core each, every one alone in its network; drivers share that of the head."""

    def __init__(self, logs: Path) -> None:
        self._logs, self._started, self._count = logs, dict[str, subprocess.Popen[bytes]](), 0
        self.tokens = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}

    @property
    def address(self) -> str:
        """Where its head is asked."""
        return f"{address_of(1)}:{PORT}"

    def start_missing(self) -> list[str]:
        """Starts what has ended, all of it where the head has; returns the names of the nodes."""
        if not self._is_up(NODES[0]):
            self.end()
        gone = [node for node in NODES if not self._is_up(node)]
        for node in gone:
            self.lose(node)  # what the death of one part has left of it
            self._start(node)
        return gone

    def lose(self, node: str) -> None:
        """Ends all processes of a node, as a machine does whose power is cut."""
        for process in processes(node):
            with suppress(psutil.Error):
                process.kill()
        if started := self._started.pop(node, None):
            started.wait(60)

    def end(self) -> None:
        """Ends all nodes."""
        for node in reversed(NODES):
            self.lose(node)

    def _is_up(self, node: str) -> bool:
        return node in self._started and self._started[node].poll() is None

    def _start(self, node: str) -> None:
        self._count += 1
        number = NODES.index(node) + 1
        where = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={TEMPORARY}/ray"]
        where = where if number == 1 else [f"--address={self.address}"]
        size = ["--num-cpus=1", "--object-store-memory=80000000", "--block", "--disable-usage-stats"]
        program = [sys.executable, "-m", "ray.scripts.scripts", "start", *where, *size]
        log = self._logs / f"node-{self._count:03d}-{node}.log"
        with log.open("wb") as file:
            self._started[node] = subprocess.Popen(
                in_network(node, [*program, f"--node-ip-address={address_of(number)}"]),
                env=environment(node) | self.tokens, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 180
        while _STARTED not in log.read_text(errors="replace"):
            if time.monotonic() > deadline or self._started[node].poll() is not None:
                raise RuntimeError(f"{node} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)


def stop(process: psutil.Process, number: int = signal.SIGSTOP) -> bool:
    """Sends a process a signal; whether it was there."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


def _call(*program: str) -> None:
    subprocess.run(program, check=True, capture_output=True)
