"""A worker of Ray's ends with its parent, also one that has been given nothing to do."""

import subprocess
import sys

import psutil

LOOK_SECONDS = 5.0  # of collab.runtime.ray_worker, which the process of the tests must not import

CHILD = "import collab.runtime.ray_worker, time; print('ready', flush=True); time.sleep(100)"

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
child.stdout.readline()
print(child.pid)
"""


def test_a_process_that_has_imported_it_ends_soon_after_its_parent() -> None:
    told = subprocess.run([sys.executable, "-c", PARENT, CHILD], capture_output=True, text=True, check=True).stdout
    try:
        child = psutil.Process(int(told))
    except psutil.NoSuchProcess:
        return
    child.wait(3 * LOOK_SECONDS)
