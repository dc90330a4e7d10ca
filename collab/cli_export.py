"""The command that sends a finished run to a tracker."""

from pathlib import Path
from typing import Annotated, cast

import typer

from collab.cli_options import PluginDirs, Settings


def export(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    to: Annotated[str, typer.Option("--to", metavar="TRACKER", help="tensorboard, mlflow, wandb, or a plugin.")],
    settings: Settings = None,
    plugin_dirs: PluginDirs = None,
) -> None:
    """Sends finished runs to a tracker, from their files, as if it had been told while they were played."""
    from pydantic import ValidationError

    from collab.errors import ScenarioError
    from collab.plugins.discovery import Plugins
    from collab.runtime.tracking import export_run
    from collab.scenario.base import TrackerOptions
    from collab.scenario.document import read_settings
    from collab.scenario.kinds import Kinds
    from collab.scenario.reader import with_tuples

    plugins = Plugins.of(Path.cwd(), plugin_dirs=plugin_dirs or ())
    content = with_tuples({"kind": to, **read_settings(settings or ())})
    try:
        options = cast(TrackerOptions, Kinds(plugins).options("trackers", to).model_validate(content))
    except ValidationError as cause:
        wrong = [f"--set {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in cause.errors()]
        raise ScenarioError("\n".join(wrong)) from None
    for run in runs:
        export_run(run, options, plugins)
        print(f"{run}: sent to {to}")
