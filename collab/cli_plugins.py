"""The commands about plugins; what plugins themselves import, torch among it, is imported inside the commands."""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from collab.cli_options import PluginDirs, Settings

if TYPE_CHECKING:
    from collab.scenario.offers import Offer

What = Literal["entity", "defense", "attack", "source", "backbone", "metric", "tracker"]
"""What a plugin can be; `GROUPS` of discovery has the same words, and imports more."""

plugins_app = typer.Typer(help="What is installed, and where it came from.", no_args_is_help=True)


@plugins_app.command("list")
def plugins_list(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="This kind alone.")] = None,
    plugin_dirs: PluginDirs = None,
) -> None:
    """Every kind with its origin, what it does, and its options; one that cannot be used says why."""
    from collab.plugins.discovery import Plugins
    from collab.scenario.offers import find_offers_called, offers

    plugins = Plugins.of(Path.cwd(), plugin_dirs=plugin_dirs or ())
    listed = offers(plugins) if kind is None else find_offers_called(plugins, kind)
    print("\n\n".join(map(_described, listed)))
    problem = next((offer.problem for offer in listed if offer.problem), None)
    if kind is not None and problem:
        raise problem


@plugins_app.command("check")
def plugins_check(
    kind: Annotated[str, typer.Argument(metavar="KIND|PATH", help="A kind, or the file of a plugin.")],
    settings: Settings = None,
    most_times: Annotated[
        float, typer.Option(min=1.0, help="How many times slower than the paper's entity it may be.")
    ] = 20.0,
    plugin_dirs: PluginDirs = None,
) -> None:
    """Runs the conformance kit on a plugin: options, same bits, plain reports, resume, shards, cost, controls."""
    from collab.errors import PluginError
    from collab.plugins.discovery import GROUPS, Plugins
    from collab.scenario.document import read_settings
    from collab.scenario.offers import find_offers_called
    from collab.testing import check_all

    folders = list(plugin_dirs or ())
    if kind.endswith(".py") or "/" in kind:
        path = Path(kind)
        if not path.is_file():
            raise PluginError(f"there is no file {path}. Name a kind, or the file of a plugin.")
        folders, kind = [*folders, path.resolve().parent], path.stem
    plugins = Plugins.of(Path.cwd(), plugin_dirs=folders)
    options = read_settings(settings or ())
    failed = 0
    for offer in find_offers_called(plugins, kind):
        if offer.problem:
            raise offer.problem
        print(f"{GROUPS[offer.group]} {kind}: {offer.origin}")
        for check in check_all(offer.group, kind, plugins, options, most_times=most_times):
            failed += bool(check.problem)
            print(f"  {'FAILED' if check.problem else 'ok    '}  {check.name}{check.figure and f'  ({check.figure})'}")
            for line in check.problem.splitlines():
                print(f"          {line}")
    if failed:
        raise typer.Exit(PluginError.exit_code)


def schema(
    kind: Annotated[Literal["scenario", "sweep"], typer.Argument(help="Which files it is for.")] = "scenario",
    plugin_dirs: PluginDirs = None,
) -> None:
    """Prints the JSON Schema of scenario files, for editors; plugins of the working directory are in it."""
    from collab.plugins.discovery import GROUPS, Plugins
    from collab.scenario.offers import offers
    from collab.scenario.schema import json_schema
    from collab.scenario.sweep import sweep_schema

    if kind == "sweep":
        print(json.dumps(sweep_schema(), indent=2))
        return
    listed = offers(Plugins.of(Path.cwd(), plugin_dirs=plugin_dirs or ()))
    options = {
        group: {offer.kind: offer.options for offer in listed if offer.group == group and offer.options}
        for group in GROUPS
    }
    print(json.dumps(json_schema(options), indent=2))
    for offer in listed:
        if offer.problem:
            print(f"left out: {offer.problem}", file=sys.stderr)


def new(
    what: Annotated[What, typer.Argument(help="What to write.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its kind, as scenarios name it.")],
    project: Annotated[Path, typer.Option("--in", metavar="DIR", help="The project's folder.")] = Path(),
) -> None:
    """Writes a plugin that runs as it is, and its test."""
    from collab.plugins.new import write_new

    plugin, test = write_new(what, name, project)
    print(f"{plugin}\n{test}\nnext: python -m pytest {test}  (pip install pytest, if it is not there)")


def _described(offer: "Offer") -> str:
    from collab.plugins.discovery import GROUPS
    from collab.scenario.reference import fields

    lines = [f"{GROUPS[offer.group]} {offer.kind}: {offer.origin}"]
    if offer.problem:
        return "\n".join([*lines, f"    broken: {offer.problem}"])
    lines += [f"    {line}".rstrip() for line in offer.about.splitlines()]
    if offer.options is not None:
        described = [each for each in fields(offer.options.model_json_schema()) if each[0] not in ("kind", "source")]
        lines += [
            f"    {key} ({_plain(allowed)}{_given(default)}): {about}" for key, allowed, default, about in described
        ]
        lines += [] if described else ["    no options"]
    return "\n".join(lines)


def _given(default: str) -> str:
    return "; required" if default == "required" else f"; default {_plain(default)}" if default else ""


def _plain(markdown: str) -> str:
    return re.sub(r"\[(\w+)\]\(#\w+\)", r"\1", markdown).replace("`", "")
