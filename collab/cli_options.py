"""Options that several commands have."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change one value of the scenario; repeatable.")
]
ScoredOn = Annotated[
    Literal["heldout", "validation"] | None,
    typer.Option("--on", help="Score on held-out images, or on validation images to choose by: data.score_on."),
]
Seed = Annotated[int | None, typer.Option(help="Another seed than the scenario's.")]
Out = Annotated[Path, typer.Option(help="Folder for run directories and their cache.")]
BackendName = Annotated[Literal["ray", "inprocess"], typer.Option(help="Actors side by side, or one process.")]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")]
Address = Annotated[str, typer.Option(help="Ray cluster: local (a new one), auto, or HOST:PORT.")]
AuditDepth = Annotated[
    Literal["quick", "full"] | None, typer.Option("--audit", help="Attack what everybody publishes: audit.html.")
]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where networks are computed.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Play every stage, whatever the cache holds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Results as JSON on standard output.")]

Track = Annotated[
    list[str] | None,
    typer.Option(metavar="TRACKER", help="Also tell tensorboard, mlflow, wandb or a plugin; repeatable: trackers."),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the plugin; repeatable.")
]

PluginDirs = Annotated[
    list[Path] | None,
    typer.Option("--plugin-dir", metavar="DIR", help="Another folder of plugins (docs/plugins.md); repeatable."),
]
