"""The commands that measure this machine."""

from pathlib import Path
from typing import Annotated

import typer

from collab.cli_options import Overrides

bench_app = typer.Typer(
    help="Figures of docs/performance.md, measured side by side on this machine.", no_args_is_help=True
)


@bench_app.command("overhead")
def bench_overhead(
    scenario: Annotated[Path, typer.Option(help="The scenario that both play.")] = Path("scenarios/four_entities.yaml"),
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, in turn.")] = 1,
    overrides: Overrides = None,
) -> None:
    """Times a run against the same work as one plain loop without Ray or Arrow, in turn, and prints the ratio."""
    from collab.runtime.overhead import measure

    measure(scenario, repeats, overrides or [])


@bench_app.command("sweep")
def bench_sweep(
    scenario: Annotated[Path, typer.Option(help="The reduced scenario that is swept.")] = Path("scenarios/tiny.yaml"),
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each of four subset sizes.")] = 3,
    cells: Annotated[int, typer.Option(min=0, help="Cells of the memory measurement; 0 leaves it out.")] = 100,
    overrides: Overrides = None,
) -> None:
    """Times a sweep against separate runs of its cells, and watches the memory of many cells."""
    from collab.runtime.sweep_cost import measure_memory, measure_saving

    measure_saving(scenario, seeds, overrides or [])
    if cells:
        measure_memory(scenario, cells, overrides or [])
