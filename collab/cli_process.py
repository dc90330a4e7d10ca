"""The command as a process among others: the signals that end it, and who reads what it writes."""

import errno
import io
import signal
import sys
from types import FrameType
from typing import TextIO

from typing_extensions import Buffer, override

from collab.errors import INTERRUPTED, StoreError

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""What `timeout`, `docker stop`, a scheduler of jobs and a terminal that closes send: they end a run as Ctrl-C does."""


class Interruption:
    """Makes a KeyboardInterrupt of every signal that ends a command, and knows which it was (`exit_code`)."""

    exit_code = INTERRUPTED

    def listen(self) -> None:
        """From now on; a signal that whoever started us has us ignore, as `nohup` does, stays ignored."""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts us in the background ignores this one
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code == INTERRUPTED:  # the end of a terminal is told by its shell and by the system
            self.exit_code = 128 + number
            raise KeyboardInterrupt


def open_streams() -> None:
    """From now on nobody who stops reading standard output or standard error ends what this process does.

    Raises StoreError, out of whatever prints, where standard output cannot be written for another reason.
    """
    if sys.stdout is sys.__stdout__ and sys.stdout is not None:  # a test or a notebook has put another there
        sys.stdout = _reopen(sys.stdout, is_for_results=True)
    if sys.stderr is sys.__stderr__ and sys.stderr is not None:
        sys.stderr = _reopen(sys.stderr, is_for_results=False)


def _reopen(stream: TextIO, *, is_for_results: bool) -> TextIO:
    stream.flush()
    raw = io.BufferedWriter(_Stream(stream.fileno(), is_for_results))
    is_by_lines = not is_for_results or stream.isatty()
    return io.TextIOWrapper(raw, encoding=stream.encoding, errors=stream.errors, line_buffering=is_by_lines)


class _Stream(io.FileIO):
    """A stream of this process that swallows what nobody takes any more."""

    def __init__(self, descriptor: int, is_for_results: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_for_results, self._is_open = is_for_results, True

    @override
    def write(self, content: Buffer, /) -> int:
        if self._is_open:
            try:
                return super().write(content)
            except OSError as cause:
                self._is_open = False
                if self._is_for_results and cause.errno not in (errno.EPIPE, errno.EIO):  # EIO: the terminal is gone
                    raise StoreError(
                        f"standard output cannot be written: {cause.strerror}. What was played is kept; "
                        "send the output elsewhere and run again."
                    ) from cause
        return memoryview(content).nbytes
