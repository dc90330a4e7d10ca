"""The command as a process: signals that end it, and streams that nobody reads or that cannot be written."""

import os
import signal
import subprocess
import sys

import pytest

MAIN = "from collab.cli import main; main()"
WAITING = """
import signal, sys, time
from collab import cli
cli.app = lambda **options: print("waits", flush=True) or time.sleep(60)
cli.main()
"""


def wait(signals: list[signal.Signals], prefix: str = "") -> tuple[int, str]:
    """Sends signals to a command that waits; its exit code, and what it said."""
    process = subprocess.Popen(
        [sys.executable, "-c", prefix + WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    for each in signals:
        process.send_signal(each)
    said = process.communicate(timeout=30)[1]
    return process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_and_the_code_says_which(number: signal.Signals) -> None:
    assert wait([number]) == (128 + number, "interrupted\n")


def test_a_terminal_that_closes_tells_it_twice() -> None:
    assert wait([signal.SIGHUP, signal.SIGHUP, signal.SIGTERM]) in [(129, "interrupted\n"), (143, "interrupted\n")]


def test_under_nohup_a_terminal_may_close() -> None:
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    assert wait([signal.SIGHUP, signal.SIGTERM], ignoring) == (143, "interrupted\n")


@pytest.mark.parametrize("arguments", [["schema"], ["plugins", "list"], ["cache", "ls"]])
def test_a_reader_that_has_seen_enough_changes_nothing(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_behind_standard_output_is_a_sentence() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "schema"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
        assert done.returncode == 5
        assert done.stderr.startswith("error: standard output cannot be written: No space left on device.")
        assert len(done.stderr.splitlines()) == 1
        unheard = subprocess.run([sys.executable, "-c", MAIN, "run"], stdout=full, stderr=full, check=False)
        assert unheard.returncode == 2
