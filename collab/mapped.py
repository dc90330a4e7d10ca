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
    if large is not None and mapped.flags.c_contiguous:
        begin = mapped.ctypes.data - np.frombuffer(large, np.uint8).ctypes.data
        ask_for_bytes(large, begin + rows * mapped.strides[0], mapped.strides[0])


def ask_for_bytes(mapped: mmap.mmap, begins: np.ndarray, length: int) -> None:
    """Has the system read `length` bytes from each of `begins`, int64, of a file of more than LARGE; else nothing."""
    if _large_map(mapped) is None:
        return
    starts = begins // mmap.PAGESIZE * mmap.PAGESIZE
    for start, count in zip(starts.tolist(), (begins + length - starts).tolist(), strict=True):
        mapped.madvise(mmap.MADV_WILLNEED, start, count)


def _large_map(mapped: np.ndarray | mmap.mmap) -> mmap.mmap | None:
    """The map behind an array, if its file has more than LARGE bytes."""
    base: object = mapped
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) and len(base) > LARGE else None
