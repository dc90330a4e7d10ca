"""Every plugin that can be found, with the options that a scenario may give it, or why it cannot be had."""

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from typing import cast

from collab.architectures import ARCHITECTURES
from collab.errors import PluginError
from collab.meant import did_you_mean
from collab.plugins.discovery import GROUPS, Plugins
from collab.scenario.base import Part
from collab.scenario.kinds import OURS, Kinds
from collab.scenario.sources import Data


@dataclass(frozen=True)
class Offer:
    """A plugin: where it comes from, what its class says of itself, and its options; or what is wrong with it."""

    group: str
    kind: str
    origin: str
    about: str = ""
    options: type[Part] | None = None
    problem: PluginError | None = None


def offers(plugins: Plugins) -> tuple[Offer, ...]:
    """All plugins by group and kind, and ours that are none; imports each plugin, and a broken one hides no other."""
    return tuple(
        offer for group in GROUPS for kind in _list_kinds(plugins, group) for offer in _offers_of(plugins, group, kind)
    )


def find_our_options(*places: Path) -> dict[str, dict[str, type[Part]]]:
    """By group and kind, the options of all plugins of this package, and of those in folders of `places`."""
    plugins, options = Plugins.of(*places), dict[str, dict[str, type[Part]]]()
    for group in GROUPS:
        for kind in plugins.installed(group):
            sources = plugins.origins(group, kind)
            if any(origin.is_ours or isinstance(origin.source, Path) for origin in sources):
                options.setdefault(group, {})[kind] = Kinds(plugins).options(group, kind)
    return options


def find_offers_called(plugins: Plugins, kind: str) -> tuple[Offer, ...]:
    """Those of one kind, in whichever groups. Raises PluginError if there is none."""
    called = tuple(offer for group in GROUPS for offer in _offers_of(plugins, group, kind))
    if not called:
        names = sorted({each for group in GROUPS for each in _list_kinds(plugins, group)})
        raise PluginError(
            f"there is no plugin {kind!r}; there are {', '.join(names)}{did_you_mean(kind, names) or '.'} "
            "--plugin-dir names another folder of them."
        )
    return called


def _list_kinds(plugins: Plugins, group: str) -> list[str]:
    return sorted({*plugins.installed(group), *OURS.get(group, ())})


def _offers_of(plugins: Plugins, group: str, kind: str) -> Iterator[Offer]:
    if group == "backbones" and (ours := ARCHITECTURES.get(kind)):
        low, high = ours.sides
        yield Offer(group, kind, ours.pieces, f"Takes images of {low} to {high} px; hooks: {', '.join(ours.hooks)}.")
    elif part := OURS.get(group, {}).get(kind):
        yield Offer(group, kind, cast(type[Data], part).opens[kind], getdoc(part) or "", part)
    candidates = plugins.installed(group).get(kind, ())
    origin = " and ".join(map(str, candidates))
    try:
        if plugins.origins(group, kind):
            plugin = plugins.load(group, kind)
            options = Kinds(plugins).options(group, kind)
            if getattr(plugin, "Options", options) is not options:
                raise PluginError(
                    f"the plugin {kind!r} ({origin}) takes {plugin.Options.__qualname__} as Options, and a scenario is "
                    f"checked by {options.__module__}.{options.__qualname__}, which says this kind. Let it take that."
                )
            yield Offer(group, kind, origin, getdoc(plugin) or "", options)
    except PluginError as problem:
        if any(each.is_sure for each in candidates) or group == next(iter(GROUPS)):  # else told with the first group
            yield Offer(group, kind, origin, problem=problem)
