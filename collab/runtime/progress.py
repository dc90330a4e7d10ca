"""What a run shows while it plays: a live table on a terminal, a line for each event elsewhere."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import StringIO
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from collab.runtime.host import Emit, Event


def show_run(console: Console) -> AbstractContextManager[Emit]:
    """Yields what every event of a run is told to, for as long as the run lasts."""
    return _show(console, _Jobs())


def show_sweep(console: Console) -> AbstractContextManager[Emit]:
    """The same for a sweep: cells done, what is under way, about how long the rest takes; notes of all cells once."""
    return _show(console, _Cells())


def show_nothing() -> AbstractContextManager[Emit]:
    """The same, told to nobody."""
    return nullcontext(lambda event: None)


def show_looks(console: Console) -> AbstractContextManager[Emit]:
    """The same for a look at images: how many of each holder's have been looked at."""
    return _show(console, _Looks())


@contextmanager
def _show(console: Console, board: "_Jobs | _Cells | _Looks") -> Iterator[Emit]:
    noted = set[str]()

    def is_repeated(event: Event) -> bool:
        text = str(event.get("text", ""))
        is_known = text in noted
        noted.update({text} if event["event"] == "note" else ())
        return is_known

    def log(event: Event) -> None:
        board.take(event)
        if board.is_logged(event) and not is_repeated(event):
            line = f"{board.progress}{board.explain(event)}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)

    if console.is_jupyter:
        with _show_in_notebook(board) as tell:
            yield tell
        return
    if not console.is_terminal:
        yield log
        return
    # Streams stay as they are: Ray keeps what it finds, and writes to it at the end.
    with Live(
        board.draw(), console=console, refresh_per_second=4, transient=True, redirect_stdout=False,
        redirect_stderr=False,
    ) as live:  # fmt: skip

        def update(event: Event) -> None:
            # A note stays above the table, and when that has gone; so does how long it will take.
            if event["event"] in ("note", "planned") and not is_repeated(event):
                console.print(board.explain(event), highlight=False, markup=False)
            board.take(event)
            live.update(board.draw())

        yield update


@contextmanager
def _show_in_notebook(board: "_Jobs | _Cells | _Looks") -> Iterator[Emit]:
    """One output that is drawn again, at most four times a second, and notes above it; it stays when all is done."""
    from IPython.display import HTML, display

    def draw() -> Any:
        page = Console(file=StringIO(), record=True, width=100, force_jupyter=False)
        page.print(*notes, board.draw(), sep="\n", markup=False, highlight=False)
        return HTML(page.export_html(inline_styles=True, code_format="<pre>{code}</pre>"))

    notes, last = list[str](), 0.0
    shown = display(draw(), display_id=True)

    def update(event: Event) -> None:
        nonlocal last
        board.take(event)
        if event["event"] in ("note", "planned") and (told := board.explain(event)) not in notes:
            notes.append(told)
        if time.perf_counter() - last > 0.25:
            last = time.perf_counter()
            shown.update(draw())

    try:
        yield update
    finally:
        shown.update(draw())


def _explain(event: Event) -> str:
    match event["event"]:
        case "planned":
            return str(event.get("text", f"{event['jobs']} jobs"))
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


def _say_duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


class _Cells:
    """How far a sweep is; the time left is that of the stages to play at the pace of those that were played."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self._labels: dict[str, str] = {}
        self._news: dict[str, str] = {}
        self._cells = self._todo = self._done = self._keys = self._played = 0

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

    @property
    def progress(self) -> str:
        return f"{self._summarize()}: "

    def _summarize(self) -> str:
        seconds = time.perf_counter() - self.start
        left = ""
        if 0 < self._played <= self._keys and seconds > 5:
            left = f", about {_say_duration(seconds / self._played * (self._keys - self._played))} left"
        before = self._cells - self._todo
        return f"{_say_duration(seconds)}, {before + self._done} of {self._cells} cells{left}"

    def is_logged(self, event: Event) -> bool:
        return event["event"] in ("sweep", "cell", "cell_done", "restart", "failed", "note")

    def explain(self, event: Event) -> str:
        match event["event"]:
            case "sweep":
                return f"{self._cells - self._todo} finished before, {self._keys} stages to play"
            case "cell":
                return f"{event['cell']}: started"
            case "cell_done":
                return f"{event['cell']}: {'failed' if event['failed'] else 'done'}"
            case "note" if not event.get("run"):  # of the images that all cells take
                return _explain(event)
        return f"{self._labels.get(str(event.get('run', '')), '')}: {_explain(event)}"

    def draw(self) -> Table:
        table = Table("cell", "last stage started", title=self._summarize(), title_justify="left", box=None)
        for run, label in self._labels.items():
            table.add_row(label, self._news.get(run, ""))
        return table


class _Looks:
    """How many images of each holder have been looked at."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self._seen: dict[str, tuple[int, int]] = {}

    def take(self, event: Event) -> None:
        if event["event"] == "look":
            seen, images = self._seen.get(str(event["holder"]), (0, 0))
            self._seen[str(event["holder"])] = seen + int(event["images"]), images + int(event["of"])

    @property
    def progress(self) -> str:
        return f"{time.perf_counter() - self.start:7.1f} s  "

    def is_logged(self, event: Event) -> bool:
        return event["event"] == "note" or bool(event.get("of"))

    def explain(self, event: Event) -> str:
        return _explain(event) if event["event"] == "note" else f"{event['holder']}: {event['of']:,} images"

    def draw(self) -> Table:
        seconds = time.perf_counter() - self.start
        seen, images = (sum(counts) for counts in zip(*self._seen.values(), strict=True)) if self._seen else (0, 0)
        title = f"{seen:,} of {images:,} images looked at, {seconds:.0f} s"
        table = Table("whose", "", "", title=title, title_justify="left", box=None)
        for holder, (seen, images) in self._seen.items():
            table.add_row(holder, ProgressBar(max(images, 1), seen, width=30), f"{seen:,} of {images:,}")
        return table


class _Jobs:
    """The last news of each participant of a run, and how many jobs are done."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self._news: dict[str, tuple[str, str]] = {}
        self._done, self._jobs = 0, 0

    def take(self, event: Event) -> None:
        kind = str(event["event"])
        if kind == "planned":
            self._jobs += int(event["jobs"])
        if kind in ("planned", "host", "note"):
            return
        participant, job = str(event["entity"]), str(event["job"]).replace(f" {event['entity']}", "")
        self._done += kind in ("done", "cached")
        news = {"start": "running", "cached": "from the cache", "restart": "started again"}.get(kind, "")
        if kind == "epoch":
            news = f"epoch {event['epoch']}/{event['epochs']}  loss {event['loss']:.3f}"
        self._news[participant] = (job, news or f"{kind} in {event['seconds']} s")

    @property
    def progress(self) -> str:
        return f"{time.perf_counter() - self.start:7.1f} s  "

    def is_logged(self, event: Event) -> bool:
        # With a line for each epoch nobody would find what matters in a log.
        return event["event"] != "epoch"

    def explain(self, event: Event) -> str:
        return _explain(event)

    def draw(self) -> Table:
        seconds = time.perf_counter() - self.start
        title = f"{self._done} of {self._jobs or '…'} jobs done, {seconds:.0f} s"
        table = Table("entity", "stage", "", title=title, title_justify="left", box=None)
        for participant in sorted(self._news):
            table.add_row(participant, *self._news[participant])
        return table
