"""What hosts of a scenario take of a cluster, and how little each may reserve so that all have room."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Demand:
    """What hosts take: their participants, threads and GPUs of each, cap of GPU memory in bytes, restarts of each.

    `lanes` sets of these hosts are wanted at most, each with a placement group, so that runs that are played side by
    side never wait for each other's hosts; as many are made as there is room for.
    """

    hosts: tuple[tuple[str, ...], ...]
    threads: int
    gpus: float
    gpu_bytes: int | None
    restarts: int
    lanes: int = 1


def share_of(threads: int, nodes: Sequence[float], hosts: int) -> float:
    """Cores that each of `hosts` reserves: `threads`, or less if otherwise not all have room on nodes of these cores.

    No host lies on two nodes, so what counts is not the sum: five hosts of 0.79 cores do not fit on two nodes of two.
    Idle hosts hold no core, and a job is handed out when there are cores for it, so a small share slows nothing down.
    """
    shares = sorted({cores / most for cores in nodes for most in range(1, hosts + 1) if cores}, reverse=True)
    room = (share for share in shares if sum(int(cores / share + 1e-9) for cores in nodes) >= hosts)
    return min(float(threads), 0.99 * next(room, 0.0))
