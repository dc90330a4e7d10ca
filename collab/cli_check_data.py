"""The command that looks at all images of a scenario before it is played."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from collab.cli_options import AsJson, Overrides, PluginDirs, Seed
from collab.cli_tables import print_tables
from collab.errors import DataError
from collab.plain_json import json_text

if TYPE_CHECKING:
    from collab.runtime.check_data import DataCheck


def check_data(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file.")],
    overrides: Overrides = None,
    seed: Seed = None,
    plugin_dirs: PluginDirs = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PAGE", help="A page with contact sheets; it shows private images.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decodes every image once: sizes and modes by party, broken ones in one list, copies, what is cropped.

    It ends with 2 if an image does not decode, and plays nothing.
    """
    from rich.console import Console

    from collab.report.pages.data_page import tabulate_classes, tabulate_holders, tabulate_near, write_data_page
    from collab.runtime import check_data as looking
    from collab.runtime.progress import show_looks
    from collab.scenario.reader import read_scenario

    loaded = read_scenario(scenario, overrides or (), seed, plugin_dirs=plugin_dirs or ())
    with show_looks(Console(stderr=True)) as watch:
        found = looking.check_data(loaded.scenario, watch)
    if out is not None:
        write_data_page(
            out, found.scenario, found.looked, found.broken, found.copies, found.near, found.pairs, found.notices
        )
    if as_json:
        print(json_text(_describe(found)))
    else:
        near = tabulate_near(found.near)
        print_tables([tabulate_holders(found.looked), tabulate_classes(found.looked), *([near] if near else [])])
        for sentence in found.copies:
            print(sentence)
        for whose, why in found.broken:
            print(f"{whose}: {why}")
        print(f"{found.images:,} images, {len(found.broken):,} of them broken")
        if out is not None:
            print(f"page     {out}")
    if found.broken:
        count = f"{len(found.broken):,} of {found.images:,} images do not decode"
        print(f"error: {count}: mend them, or leave them out with `--set data.broken=skip`", file=sys.stderr)
        raise typer.Exit(DataError.exit_code)


def _describe(found: "DataCheck") -> dict[str, Any]:
    holders = [
        {
            "name": each.name,
            "images": each.survey.count,
            "classes": dict(each.counts),
            "sizes": _summarize_sizes(each.survey.sizes()),
            "modes": {
                mode: sum(header.mode == mode for header in each.survey.headers)
                for mode in sorted({header.mode for header in each.survey.headers})
            },
            "cropped": [float(each.lost.min()), float(sorted(each.lost)[len(each.lost) // 2]), float(each.lost.max())]
            if len(each.lost)
            else None,
            "broken": [why for _, why in sorted(each.survey.broken.items())],
        }
        for each in found.looked
    ]
    near = [{"holders": list(pair), "pairs": count} for pair, count in found.near.items()]
    return {
        "images": found.images,
        "broken": len(found.broken),
        "holders": holders,
        "copies": list(found.copies),
        "near_copies": near,
        "notices": list(found.notices),
    }


def _summarize_sizes(sizes: Any) -> dict[str, list[int]] | None:
    if not len(sizes):
        return None
    order = sizes.prod(axis=1).argsort(kind="stable")
    return {name: sizes[order[at]].tolist() for name, at in (("min", 0), ("median", len(order) // 2), ("max", -1))}
