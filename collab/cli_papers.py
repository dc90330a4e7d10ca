"""The command that lists what was replayed of the papers, and plays it again."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from collab.cli_options import AsJson, BackendName, Device, Out
from collab.cli_tables import print_tables
from collab.errors import ExpectationFailed
from collab.plain_json import json_text


def papers(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SCENARIO]...", help="Only what these scenarios play.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Play all of it; exit with 1 where a verdict is not the one on the list.")
    ] = False,
    scenarios: Annotated[Path, typer.Option(help="Folder of the scenarios.")] = Path("scenarios"),
    root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where CIFAR-10 lies (train.parquet, test.parquet).")
    ] = None,
    out: Out = Path("runs"),
    backend: BackendName = "ray",
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Lists the papers' tables: what each is played by, the paper's figures and ours, and the verdict.

    With --check they are played, from the cache where it has them: it says how long first, and can be stopped.
    """
    from collab.front import replays

    picked = replays.pick(names or (), replays.list_replays())
    if not check:
        print(json_text([asdict(each) for each in picked])) if as_json else print_tables(
            [replays.tabulate_in_short(picked)]
        )
        return
    options: dict[str, Any] = {"out": out, "backend": backend, "device": device}
    where = None if root is None else str(root.resolve())
    print(replays.look_ahead(picked, scenarios, where, **options).describe(), file=sys.stderr)
    found = list[replays.Replayed]()
    try:
        for each in replays.play(picked, scenarios, where, **options, progress="lines"):
            found.append(each)
            print(f"{each.replay.item}: {each.verdict}", file=sys.stderr)
    except KeyboardInterrupt:
        print("What was finished is kept; the same command goes on from there.", file=sys.stderr)
        raise
    finally:
        if not as_json and found:
            print_tables([replays.tabulate_replayed(found)])
    if as_json:
        print(json_text([asdict(each) for each in found]))
    if other := [each for each in found if each.verdict != each.replay.verdict]:
        told = "\n".join(f"  {each.replay.item}: {each.verdict}; the list has: {each.replay.verdict}" for each in other)
        raise ExpectationFailed(f"{len(other)} of {len(found)} verdicts are not those of the list:\n{told}")
