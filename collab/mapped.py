"""Files mapped into memory: their pages count as memory of the process that touched them, unless it lets go."""

import mmap

import numpy as np

LARGE = 256 << 20
"""Bytes up to which a mapped file may stay in the memory of a process that has read it."""


def let_go(mapped: np.ndarray | mmap.mmap) -> None:
    """Takes the pages of a file of more than LARGE bytes out of this process; nothing if `mapped` is none.

    Nothing is lost: who reads them again gets them from the system's cache of the file. Of a map whose changes are its
    own (`copy on write`) all stay, since these are nowhere else.
    """
    if isinstance(mapped, np.memmap) and mapped.mode == "c":
        return
    base: object = mapped
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and len(base) > LARGE:
        base.madvise(mmap.MADV_DONTNEED)
