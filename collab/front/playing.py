"""What plays: a scenario, a sweep; and what is said beforehand of how long that takes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from collab.errors import StoreError
from collab.front.scenario import UNNAMED, Changes, Scenario, list_overrides

if TYPE_CHECKING:
    from collab.front.run import Run
    from collab.front.sweep import Sweep
    from collab.runtime.host import Emit
    from collab.runtime.sweep import Outlook
    from collab.scenario import sweep as stated

DEMO = Path(__file__).with_name("demo.yaml")
"""The scenario of `collab demo`."""

AnyScenario = str | PathLike[str] | Mapping[str, Any] | Scenario
Backend = Literal["ray", "inprocess"]
Device = Literal["auto", "cpu", "cuda"]
Progress = bool | Literal["lines"]


def run(
    scenario: AnyScenario,
    *,
    set: Changes = (),
    seed: int | None = None,
    on: Literal["heldout", "validation"] | None = None,
    audit: Literal["quick", "full"] | None = None,
    track: Sequence[str] = (),
    plugin_dirs: Sequence[str | PathLike[str]] = (),
    out: str | PathLike[str] = "runs",
    backend: Backend = "ray",
    address: str = "local",
    device: Device = "auto",
    fresh: bool = False,
    only: str | None = None,
    progress: Progress = True,
) -> "Run":
    """Plays a scenario from its images to its report; what an earlier run in `out` has played is taken from its cache.

    >>> import collab
    >>> run = collab.run("scenario.yaml", set={"refine.epochs": 2}, backend="inprocess")
    >>> run.report().name
    'report.html'

    The arguments are the options of `collab run`: `set` changes values, `on` says which images score, `audit` attacks
    what everybody publishes, `only` plays one job and what it needs. `progress` shows how far it is on a terminal and
    in a notebook, `"lines"` elsewhere too. Interrupted, the same call goes on from there.

    Raises ScenarioError, ResourceError, EntityError or StoreError (docs/errors.md), and BoundaryError if something
    private leaked. With `on_failure: continue` what failed is in `failures` of the run.
    """
    changes = [*list_overrides(set), *list_options(on, track)]
    if isinstance(scenario, Scenario) and not (changes or plugin_dirs or audit) and seed is None:
        asked = scenario
    else:
        asked = Scenario(scenario, set=changes, seed=seed, audit=audit, plugin_dirs=plugin_dirs)
    out = Path(out)
    with ExitStack() as stack:
        with _waiting(progress, "starting …"):
            session = None
            if backend == "ray" and (fresh or not (out / "cache").exists()):  # else it may hold all that is needed
                from collab.runtime.ray_session import start_beside_imports

                session = stack.enter_context(start_beside_imports(asked.parts, address))
            from collab.front.run import Run
            from collab.runtime.pages import draw_pages
            from collab.runtime.play import Where, play
        where = Where(backend, address, device, out, fresh, only, asked.plugins)
        with _show("run", progress) as watch:
            played = play(asked.parts, where, watch, session)
    draw_pages(played.run, played.audit)
    return Run(played.run, plugins=asked.plugins, played=played)


def sweep(
    scenario: AnyScenario,
    *,
    vary: Mapping[str, Sequence[Any]] | Sequence[str] = (),
    zip: bool = False,
    seeds: int | None = None,
    set: Changes = (),
    on: Literal["heldout", "validation"] | None = None,
    audit: Literal["quick", "full"] | None = None,
    track: Sequence[str] = (),
    plugin_dirs: Sequence[str | PathLike[str]] = (),
    out: str | PathLike[str] = "runs",
    backend: Backend = "ray",
    address: str = "local",
    device: Device = "auto",
    fresh: bool = False,
    progress: Progress = True,
) -> "Sweep":
    """Plays a scenario, or a sweep file, over the values of axes and over seeds; finished cells are not played again.

    `vary` has the values of each axis, `{"lambda": [0, 1]}`; every combination is played, or with `zip` the first
    values together, the second ones, and so on. The others are as those of `run`.

    >>> import collab
    >>> collab.sweep("scenario.yaml", vary={"refine.epochs": [1, 2]}, backend="inprocess").cells
    2

    Raises ScenarioError if nothing of it can be played; a cell that fails is in `failures` of the sweep.
    """
    spec, cells = read_cells(
        scenario, vary=vary, zip=zip, seeds=seeds, set=set, on=on, audit=audit, track=track, plugin_dirs=plugin_dirs
    )
    with _waiting(progress, "loading torch …"):
        from collab.front.sweep import Sweep
        from collab.runtime import sweep as playing
        from collab.runtime.play import Where
    where = Where(backend, address, device, Path(out), fresh, plugins=cells[0].plugins)
    with _show("sweep", progress) as watch:
        return Sweep(playing.sweep(spec, cells, where, watch).folder)


def forecast(
    scenario: AnyScenario,
    *,
    vary: Mapping[str, Sequence[Any]] | Sequence[str] = (),
    zip: bool = False,
    seeds: int | None = None,
    set: Changes = (),
    on: Literal["heldout", "validation"] | None = None,
    audit: Literal["quick", "full"] | None = None,
    plugin_dirs: Sequence[str | PathLike[str]] = (),
    out: str | PathLike[str] = "runs",
    backend: Backend = "ray",
    device: Device = "auto",
    fresh: bool = False,
) -> "Outlook":
    """What `run` or `sweep` would play, cell by cell, and about how long it would take; plays nothing.

    >>> import collab
    >>> collab.forecast("scenario.yaml").cells[0].is_finished
    False
    """
    from collab.scenario.reader import is_sweep_file

    is_one_run = isinstance(scenario, Mapping | Scenario) or not is_sweep_file(Path(scenario))
    if is_one_run and not vary and seeds is None:
        seeds = 1
    spec, cells = read_cells(
        scenario, vary=vary, zip=zip, seeds=seeds, set=set, on=on, audit=audit, plugin_dirs=plugin_dirs
    )
    from collab.runtime import sweep as playing
    from collab.runtime.prepared import Where

    where = Where(backend, "local", device, Path(out), fresh, plugins=cells[0].plugins)
    return playing.outlook(spec, cells, where)


def load(folder: str | PathLike[str]) -> "Run | Sweep":
    """What lies in the folder of a run or of a sweep that has ended.

    >>> import collab
    >>> collab.load(folder)
    <Run of 'tiny' in ...>

    Raises StoreError for any other folder, and says what is missing.
    """
    from collab.front.run import Run
    from collab.front.sweep import Sweep
    from collab.runtime.sweep import KEPT

    path = Path(folder)
    if not path.is_dir():
        raise StoreError(f"there is no folder {path}. Name that of a run (runs/<scenario>/<run>), or of a sweep.")
    return Sweep(path) if (path / KEPT).is_file() else Run(path)


def read_cells(
    scenario: AnyScenario,
    *,
    vary: Mapping[str, Sequence[Any]] | Sequence[str] = (),
    zip: bool = False,
    seeds: int | None = None,
    set: Changes = (),
    on: Literal["heldout", "validation"] | None = None,
    audit: Literal["quick", "full"] | None = None,
    track: Sequence[str] = (),
    plugin_dirs: Sequence[str | PathLike[str]] = (),
) -> "tuple[stated.Sweep, tuple[stated.Cell, ...]]":
    """What would be played of a sweep. Raises ScenarioError with the mistakes of the file or of its first cells."""
    from collab.scenario.document import Document
    from collab.scenario.sweep import read_sweep

    changes = [*list_overrides(set), *list_options(on, track)]
    folders = list(map(Path, plugin_dirs))
    if isinstance(scenario, Scenario):
        path, document, changes = scenario.path, scenario.document, [*scenario.overrides, *changes]
        folders += scenario.plugin_dirs
        audit = scenario.audit if audit is None else audit
    elif isinstance(scenario, Mapping):
        path, document = UNNAMED, Document.of(scenario)
    else:
        path, document = Path(scenario), None
    axes = list_overrides({axis: list(values) for axis, values in vary.items()} if isinstance(vary, Mapping) else vary)
    return read_sweep(
        path,
        [_unwrap(axis) for axis in axes] if isinstance(vary, Mapping) else axes,
        seeds=seeds,
        combine="zip" if zip else None,
        overrides=changes,
        plugin_dirs=folders,
        document=document,
        audit=audit,
    )


def _unwrap(axis: str) -> str:
    """`path=[a, b]` as the command line has an axis: `path=a, b`."""
    path, _, values = axis.partition("=")
    return f"{path}={values[1:-1]}"


def list_options(on: str | None, track: Sequence[str]) -> list[str]:
    """The changes of a scenario that `on` and `track` are short for."""
    scored = [] if on is None else [f"data.score_on={on}"]
    return [*scored, *([f"trackers=[{', '.join(track)}]"] if track else [])]


@contextmanager
def _waiting(progress: Progress, text: str) -> Iterator[None]:
    """Shows on a terminal that something is being imported or started."""
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner

    console = Console(stderr=True)
    # Streams stay as they are: a library that is imported meanwhile keeps them, and writes to them at the end.
    shown = Live(Spinner("dots", text), console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    with shown if progress and console.is_terminal else nullcontext():
        yield


def _show(what: Literal["run", "sweep"], progress: Progress) -> "AbstractContextManager[Emit]":
    """What events are told to: a table that lives on a terminal or in a notebook, lines where they are wanted."""
    from rich.console import Console

    from collab.runtime.progress import show_nothing, show_run, show_sweep

    console = Console(stderr=True)
    if not progress or (progress != "lines" and not console.is_terminal and not console.is_jupyter):
        return show_nothing()
    return show_run(console) if what == "run" else show_sweep(console)
