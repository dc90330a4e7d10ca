"""Runs a command of collab where the kernel refuses to lock files: `flock` answers ENOLCK, whoever calls it.

So do file systems without locks (some of Lustre, NFS without its lock daemon); there is none to mount in a test.
"""

import ctypes
import errno
import fcntl
import os
import struct
import sys
import tempfile

FLOCK = {"x86_64": 73, "aarch64": 32}
"""Numbers of the system call, by machine."""

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # of classic BPF
ALLOW, ANSWER = 0x7FFF0000, 0x00050000


def refuse_locks() -> None:
    """From now on, in this process and those that it starts; OSError where the kernel does not take the filter."""
    program = b"".join(
        struct.pack("HBBI", *line)
        for line in [
            (LOAD_WORD, 0, 0, 0),  # the number of the call
            (JUMP_IF_EQUAL, 0, 1, FLOCK[os.uname().machine]),
            (RETURN, 0, 0, ANSWER | errno.ENOLCK),
            (RETURN, 0, 0, ALLOW),
        ]
    )
    lines = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(lines))
    library = ctypes.CDLL(None, use_errno=True)
    for option, *arguments in [(PR_SET_NO_NEW_PRIVS, 1, None), (PR_SET_SECCOMP, FILTER, head)]:
        if library.prctl(option, *arguments, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "the kernel takes no filter of calls")
    if can_lock():
        raise OSError("files can still be locked")


def can_lock() -> bool:
    """Whether the system locks a file."""
    with tempfile.TemporaryFile() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            return False
    return True


if __name__ == "__main__":
    refuse_locks()
    from collab.cli import main

    sys.exit(main())
