"""Who holds which rows, in a file: what hosts in other processes are told by it where it is too much for a message."""

from dataclasses import dataclass, replace

import numpy as np

from collab.participants.assignment import ORACLE
from collab.participants.holding import Holding
from collab.runtime.host import RunSpec
from collab.store.files import place_file
from collab.store.private import private_folder

MOST_BYTES = 1 << 20
"""Of rows and labels in a message: each job of a run comes with one."""

NAME = "rows.npy"
_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True)
class Handed:
    """What a host is handed of a run: all of it, or all but rows and labels of holdings, and how many each has."""

    run_spec: RunSpec
    sizes: tuple[int, ...] | None = None

    def open(self) -> RunSpec:
        """All of it; rows and labels that lie in a file are mapped, not read."""
        if self.sizes is None:
            return self.run_spec
        assignment, end = self.run_spec.assignment, np.cumsum(self.sizes)
        numbers = np.load(private_folder(self.run_spec.run, ORACLE) / NAME, mmap_mode="r", allow_pickle=False)
        rows, labels = (np.split(np.asarray(part), end[:-1]) for part in numbers)
        holdings = map(Holding, (holding.split for holding in assignment.holdings), rows, labels)
        return replace(self.run_spec, assignment=assignment.with_holdings(list(holdings)))


def hand(run_spec: RunSpec) -> Handed:
    """`run_spec` for hosts in other processes; rows and labels beyond `MOST_BYTES` go to a file of the run.

    The file lies in the oracle's private folder, since nobody outside the simulator may learn who holds what.
    """
    assignment = run_spec.assignment
    holdings = assignment.holdings
    if sum(holding.rows.nbytes + holding.labels.nbytes for holding in holdings) <= MOST_BYTES:
        return Handed(run_spec)
    parts = ([holding.rows for holding in holdings], [holding.labels for holding in holdings])
    numbers = np.stack([np.concatenate(part).astype(np.int64) for part in parts])
    place_file(private_folder(run_spec.run, ORACLE), NAME, lambda file: np.save(file, numbers), what="rows", mode=0o400)
    empty = assignment.with_holdings([Holding(holding.split, _NOTHING, _NOTHING) for holding in holdings])
    return Handed(replace(run_spec, assignment=empty), tuple(map(len, holdings)))


def take_back(run_spec: RunSpec) -> None:
    """Removes the file, if there is one."""
    (private_folder(run_spec.run, ORACLE) / NAME).unlink(missing_ok=True)
