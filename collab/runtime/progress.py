"""What a run shows while it plays: a live table on a terminal, a line for each event elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from collab.runtime.host import Emit, Event


@contextmanager
def watching(console: Console) -> Iterator[Emit]:
    """Yields what every event is told to, for as long as the run lasts."""
    if not console.is_terminal:
        start = time.perf_counter()

        def line(event: Event) -> None:
            if event["event"] != "epoch":  # an epoch each would bury what matters in a log
                console.print(f"{time.perf_counter() - start:7.1f} s  {_told(event)}", highlight=False, soft_wrap=True)

        yield line
        return
    board = _Board()
    with Live(board.table(), console=console, refresh_per_second=4, transient=True) as live:

        def show(event: Event) -> None:
            board.take(event)
            live.update(board.table())

        yield show


def _told(event: Event) -> str:
    match event["event"]:
        case "planned":
            return f"{event['tasks']} tasks"
        case "host":
            return f"{event['entity']}: process ready after {event['seconds']} s"
        case "cached":
            return f"{event['task']}: from the cache"
        case "restart":
            return f"{event['task']}: its process died and is started again ({event['reason']})"
        case "start":
            return f"{event['task']}: started"
        case "done":
            return f"{event['task']}: done in {event['seconds']} s"
    return f"{event.get('task', '')}: {event['event']}"


class _Board:
    """The last news of each participant, and how many tasks are done."""

    def __init__(self) -> None:
        self._news: dict[str, tuple[str, str]] = {}
        self._done, self._tasks = 0, 0
        self._start = time.perf_counter()

    def take(self, event: Event) -> None:
        if event["event"] == "planned":
            self._tasks += int(event["tasks"])
        if event["event"] in ("planned", "host"):
            return
        who, task = str(event["entity"]), str(event["task"]).replace(f" {event['entity']}", "")
        self._done += event["event"] in ("done", "cached")
        news = {"start": "running", "cached": "from the cache", "restart": "started again"}.get(str(event["event"]), "")
        if event["event"] == "epoch":
            news = f"epoch {event['epoch']}/{event['epochs']}  loss {event['loss']:.3f}"
        elif not news:
            news = f"{event['event']} in {event['seconds']} s"
        self._news[who] = (task, news)

    def table(self) -> Table:
        seconds = time.perf_counter() - self._start
        drawn = Table(
            title=f"{self._done} of {self._tasks or '…'} tasks done, {seconds:.0f} s", title_justify="left", box=None
        )
        for column in ("entity", "stage", ""):
            drawn.add_column(column)
        for who in sorted(self._news):
            drawn.add_row(who, *self._news[who])
        return drawn
