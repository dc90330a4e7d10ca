"""Files mapped into memory: their pages count as memory of the process that touched them, unless it lets go.

Pages that are touched one by one are read one by one, unless the system is asked for them before.
"""

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
    if (large := _large_map(mapped)) is not None:
        large.madvise(mmap.MADV_DONTNEED)


def ask_for(mapped: np.ndarray, rows: np.ndarray) -> None:
    """Has the system read `rows` of a mapped file of more than LARGE bytes, and waits for none; else nothing.

    Who takes them later finds them in the system's cache of the file. Ascending rows spare a disk its detours.
    """
    large = _large_map(mapped)
    if large is None or not mapped.flags.c_contiguous:
        return
    begin = mapped.ctypes.data - np.frombuffer(large, np.uint8).ctypes.data
    row_bytes = mapped.strides[0]
    ends = begin + (rows + 1) * row_bytes
    starts = (ends - row_bytes) // mmap.PAGESIZE * mmap.PAGESIZE
    for start, length in zip(starts.tolist(), (ends - starts).tolist(), strict=True):
        large.madvise(mmap.MADV_WILLNEED, start, length)


def _large_map(mapped: np.ndarray | mmap.mmap) -> mmap.mmap | None:
    """The map behind an array, if its file has more than LARGE bytes."""
    base: object = mapped
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) and len(base) > LARGE else None
