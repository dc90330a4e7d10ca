"""The commands about plugins; what plugins themselves import, torch among it, is imported inside the commands."""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from collab.scenario.offers import Offer

plugins_app = typer.Typer(help="What is installed, and where it came from.", no_args_is_help=True)

PluginDirs = Annotated[
    list[Path] | None,
    typer.Option("--plugin-dir", metavar="DIR", help="Another folder of plugins (docs/plugins.md); repeatable."),
]


@plugins_app.command("list")
def plugins_list(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="This kind alone.")] = None,
    plugin_dirs: PluginDirs = None,
) -> None:
    """Every kind with its origin, what it does, and its options; one that cannot be used says why."""
    from collab.plugins.discovery import Plugins
    from collab.scenario.offers import offers, offers_called

    plugins = Plugins.of(Path.cwd(), plugin_dirs=plugin_dirs or ())
    found = offers(plugins) if kind is None else offers_called(plugins, kind)
    print("\n\n".join(map(_described, found)))
    problem = next((offer.problem for offer in found if offer.problem), None)
    if kind is not None and problem:
        raise problem


def schema(
    kind: Annotated[Literal["scenario", "sweep"], typer.Argument(help="Which files it is for.")] = "scenario",
    plugin_dirs: PluginDirs = None,
) -> None:
    """Prints the JSON Schema of scenario files, for editors; plugins of the working directory are in it."""
    from collab.plugins.discovery import Plugins
    from collab.scenario.offers import offers
    from collab.scenario.schema import json_schema
    from collab.scenario.sweep import sweep_schema

    if kind == "sweep":
        print(json.dumps(sweep_schema(), indent=2))
        return
    found = offers(Plugins.of(Path.cwd(), plugin_dirs=plugin_dirs or ()))
    options = {
        group: {offer.kind: offer.options for offer in found if offer.group == group and offer.options}
        for group in ("entities", "defenses")
    }
    print(json.dumps(json_schema(options), indent=2))
    for offer in found:
        if offer.problem:
            print(f"left out: {offer.problem}", file=sys.stderr)


def new(
    what: Annotated[Literal["entity", "defense", "attack"], typer.Argument(help="What to write.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its kind, as scenarios name it.")],
    project: Annotated[Path, typer.Option("--in", metavar="DIR", help="The project's folder.")] = Path(),
) -> None:
    """Writes a plugin that runs as it is, and its test."""
    from collab.plugins.new import write_new

    plugin, test = write_new(what, name, project)
    print(f"{plugin}\n{test}\nnext: python -m pytest {test}")


def _described(offer: "Offer") -> str:
    from collab.plugins.discovery import GROUPS
    from collab.scenario.reference import fields

    lines = [f"{GROUPS[offer.group]} {offer.kind}: {offer.origin}"]
    if offer.problem:
        return "\n".join([*lines, f"    broken: {offer.problem}"])
    lines += [f"    {line}".rstrip() for line in offer.about.splitlines()]
    if offer.options is not None:
        described = [each for each in fields(offer.options.model_json_schema()) if each[0] != "kind"]
        lines += [
            f"    {key} ({_plain(allowed)}{_given(default)}): {about}" for key, allowed, default, about in described
        ]
        lines += [] if described else ["    no options"]
    return "\n".join(lines)


def _given(default: str) -> str:
    return "; required" if default == "required" else f"; default {_plain(default)}" if default else ""


def _plain(markdown: str) -> str:
    return re.sub(r"\[(\w+)\]\(#\w+\)", r"\1", markdown).replace("`", "")
