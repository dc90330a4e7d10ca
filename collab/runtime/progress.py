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
                seconds = time.perf_counter() - start
                console.print(f"{seconds:7.1f} s  {_told(event)}", highlight=False, markup=False, soft_wrap=True)

        yield line
        return
    board = _Board()
    with Live(board.table(), console=console, refresh_per_second=4, transient=True) as live:

        def show(event: Event) -> None:
            if event["event"] == "note":  # stays above the table, and when that has gone
                console.print(_told(event), highlight=False, markup=False)
            board.take(event)
            live.update(board.table())

        yield show


def _told(event: Event) -> str:
    match event["event"]:
        case "planned":
            return f"{event['jobs']} jobs"
        case "host":
            return f"{event['entity']}: process ready after {event['seconds']} s"
        case "cached":
            return f"{event['job']}: from the cache"
        case "note":
            return f"note: {event['text']}"
        case "restart":
            return f"{event['job']}: its process died and is started again ({event['reason']})"
        case "start":
            return f"{event['job']}: started"
        case "done":
            return f"{event['job']}: done in {event['seconds']} s"
    return f"{event.get('job', '')}: {event['event']}"


@contextmanager
def watching_sweep(console: Console) -> Iterator[Emit]:
    """The same for a sweep: cells done, what is under way, about how long the rest takes; notes of all cells once."""
    board, noted = _Cells(), set[str]()

    def is_new(event: Event) -> bool:
        is_noted = str(event.get("text", "")) in noted
        noted.update({str(event["text"])} if event["event"] == "note" else ())
        return not is_noted

    if not console.is_terminal:

        def line(event: Event) -> None:
            board.take(event)
            if event["event"] in ("sweep", "cell", "cell_done", "restart", "failed", "note") and is_new(event):
                console.print(f"{board.summary()}: {board.told(event)}", highlight=False, markup=False, soft_wrap=True)

        yield line
        return
    with Live(board.table(), console=console, refresh_per_second=4, transient=True) as live:

        def show(event: Event) -> None:
            if event["event"] == "note" and is_new(event):
                console.print(board.told(event), highlight=False, markup=False)
            board.take(event)
            live.update(board.table())

        yield show


class _Cells:
    """How far a sweep is; the time left is that of the stages to play at the pace of those that were played."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._news: dict[str, str] = {}
        self._cells = self._todo = self._done = self._keys = self._played = 0
        self._start = time.perf_counter()

    def take(self, event: Event) -> None:
        run = str(event.get("run", ""))
        match event["event"]:
            case "sweep":
                self._cells, self._todo, self._keys = (int(event[key]) for key in ("cells", "todo", "keys"))
            case "cell":
                self._labels[run] = str(event["cell"])
            case "cell_done":
                self._done += 1
                self._labels.pop(run, None)
                self._news.pop(run, None)
            case "start":
                self._news[run] = str(event["job"])
            case "done":
                self._played += 1

    def summary(self) -> str:
        seconds = time.perf_counter() - self._start
        left = ""
        if 0 < self._played <= self._keys and seconds > 5:
            left = f", about {_duration(seconds / self._played * (self._keys - self._played))} left"
        before = self._cells - self._todo
        return f"{_duration(seconds)}, {before + self._done} of {self._cells} cells{left}"

    def told(self, event: Event) -> str:
        match event["event"]:
            case "sweep":
                return f"{self._cells - self._todo} finished before, {self._keys} stages to play"
            case "cell":
                return f"{event['cell']}: started"
            case "cell_done":
                return f"{event['cell']}: {'failed' if event['failed'] else 'done'}"
            case "note" if not event.get("run"):  # of the images that all cells take
                return _told(event)
        return f"{self._labels.get(str(event.get('run', '')), '')}: {_told(event)}"

    def table(self) -> Table:
        drawn = Table(title=self.summary(), title_justify="left", box=None)
        for column in ("cell", "last stage started"):
            drawn.add_column(column)
        for run, label in self._labels.items():
            drawn.add_row(label, self._news.get(run, ""))
        return drawn


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


class _Board:
    """The last news of each participant, and how many jobs are done."""

    def __init__(self) -> None:
        self._news: dict[str, tuple[str, str]] = {}
        self._done, self._jobs = 0, 0
        self._start = time.perf_counter()

    def take(self, event: Event) -> None:
        if event["event"] == "planned":
            self._jobs += int(event["jobs"])
        if event["event"] in ("planned", "host", "note"):
            return
        who, job = str(event["entity"]), str(event["job"]).replace(f" {event['entity']}", "")
        self._done += event["event"] in ("done", "cached")
        news = {"start": "running", "cached": "from the cache", "restart": "started again"}.get(str(event["event"]), "")
        if event["event"] == "epoch":
            news = f"epoch {event['epoch']}/{event['epochs']}  loss {event['loss']:.3f}"
        elif not news:
            news = f"{event['event']} in {event['seconds']} s"
        self._news[who] = (job, news)

    def table(self) -> Table:
        seconds = time.perf_counter() - self._start
        drawn = Table(
            title=f"{self._done} of {self._jobs or '…'} jobs done, {seconds:.0f} s", title_justify="left", box=None
        )
        for column in ("entity", "stage", ""):
            drawn.add_column(column)
        for who in sorted(self._news):
            drawn.add_row(who, *self._news[who])
        return drawn
