"""The command that says which defense to take."""

from pathlib import Path
from typing import Annotated

import typer

import collab
from collab.cli_options import Address, AsJson, BackendName, Device, Out, Overrides, PluginDirs, Seed
from collab.cli_tables import print_tables
from collab.plain_json import json_text


def advise(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file with a row that reads a pool.")],
    leak: Annotated[
        float, typer.Option(min=0, max=1, help="The most that attacks may get: a share of images, rows or members.")
    ] = 0.1,
    defenses: Annotated[
        list[str] | None,
        typer.Option(
            "--defense", metavar="DEFENSE", help="Try this one, as in --set; repeatable. Else one of each kind."
        ),
    ] = None,
    hooks: Annotated[
        list[str] | None,
        typer.Option("--hook", metavar="HOOK", help="Cut the network here; repeatable. `all`: wherever it can be cut."),
    ] = None,
    overrides: Overrides = None,
    seed: Seed = None,
    out: Out = Path("runs"),
    backend: BackendName = "ray",
    address: Address = "local",
    device: Device = "auto",
    plugin_dirs: PluginDirs = None,
    as_json: AsJson = False,
) -> None:
    """Plays a scenario with one defense after the other, attacks what is published, and says which to take.

    The one that brings a peer most among those of which no attack got more than --leak, with its price.
    """
    advice = collab.advise(
        scenario, leak=leak, defenses=defenses, hooks=hooks or (), set=overrides or (), seed=seed,
        plugin_dirs=plugin_dirs or (), out=out, backend=backend, address=address, device=device, progress="lines",
    )  # fmt: skip
    if as_json:
        print(json_text(advice.to_dict()))
        return
    print_tables([advice.table])
    print(advice)
