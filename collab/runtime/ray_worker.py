"""What a process of Ray's is, from its start on: whoever imports this module ends soon after the process's parent.

Ray imports it into each worker that it starts, before the worker has anything to do: some outlive their raylet by
minutes, and a host among them would hold what is private meanwhile.
"""

import os
import time
from threading import Thread

LOOK_SECONDS = 5.0
"""Between two looks. A signal of the system (`PR_SET_PDEATHSIG`) would come at once, and too early.

A driver that is being interrupted would find its hosts dead, and start them again.
"""


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
