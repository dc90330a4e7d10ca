"""The commands about what is kept: the store of a run, the cache of a folder of runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from collab.cli_options import Out, PluginDirs

StorePlace = Annotated[str, typer.Argument(metavar="STORE", help="RUN/store, or where that is as a URI.")]

store_app = typer.Typer(help="What was published to a store.", no_args_is_help=True)
cache_app = typer.Typer(help="Stages that runs have played and others may take.", no_args_is_help=True)


@store_app.command("ls")
def store_ls(store: StorePlace) -> None:
    """What was published and not withdrawn, by whom, how large."""
    with _opened(store) as opened:
        records = opened.records(stage=None)
    for record in records:
        shape = "×".join(map(str, record.shape))
        print(
            f"{record.entity:12} {record.sha256[:16]}  {record.rows:>7} rows  "
            f"{shape} {record.dtype}  {record.bytes:>13,} bytes"
            + (f"  {record.stage}" if record.stage != "publish" else "")
        )
    print(f"{len(records)} shards, {sum(record.bytes for record in records):,} bytes")


@store_app.command("verify")
def store_verify(
    store: StorePlace,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Who must have signed: `NAME KEY` on each line, as RUN/keys.txt has it."),
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="The run that it must be signed for, unless the place of the store says it.")
    ] = None,
) -> None:
    """Hashes and validates every shard again; exit code 5 if one is not what its manifest says.

    With `--keys` also who wrote it: what is not signed by the key of its entity, or for another run, is refused.
    """
    from collab.store.signing import NOBODY, Trust, read_keys

    trust = NOBODY if keys is None else Trust(read_keys(keys), run or _run_of(store), is_strict=True)
    with _opened(store, trust) as opened:
        findings = opened.verify()
    for finding in findings:
        print(f"{finding.path}  {finding.problem or 'ok'}")
    bad = sum(1 for finding in findings if finding.problem)
    print(f"{len(findings)} files, {bad} refused")
    if bad:
        raise typer.Exit(5)


@store_app.command("key")
def store_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Made with mode 0600 if it is not there.")],
) -> None:
    """Makes a private key for `signing_key` of an entity, or reads one, and prints its public key for `--keys`."""
    from collab.store.signing import Signer, make_key

    print((Signer(file) if file.exists() else make_key(file)).public)


@store_app.command("audit")
def store_audit(run: Annotated[Path, typer.Argument(metavar="RUN")], plugin_dirs: PluginDirs = None) -> None:
    """Looks for images, unpoisoned features and defenses of a run outside of its private folders; exit code 6 if found.

    Every run ends with this; here for one that was killed before its end, or that somebody has added files to.
    """
    from collab.errors import StoreError
    from collab.runtime.leak_check import LeakCheck, refuse
    from collab.scenario.reader import read_scenario

    if not (run / "scenario.yaml").is_file():
        raise StoreError(f"{run} is no run directory: there is no scenario.yaml. Name one as `collab run` prints it.")
    loaded = read_scenario(run / "scenario.yaml", plugin_dirs=plugin_dirs or (), check_paths=False)
    audit = LeakCheck(run, loaded.scenario, loaded.plugins)
    refuse(audit.search_run() + audit.search_store(), run)
    print(f"{run}: nothing private was found outside of {run / 'private'}")


@cache_app.command("ls")
def cache_ls(out: Out = Path("runs")) -> None:
    """What stages the cache of a folder of runs holds, least recently used first."""
    import time

    entries = _cache(out).entries()
    for entry in entries:
        days = (time.time() - entry.used) / 86400
        place = "private" if entry.is_private else "shared"
        print(f"{entry.stage:18} {entry.participant:12} {place:8} {entry.bytes:>14,} bytes  {entry.seconds:8.1f} s "
              f"to make  used {days:5.1f} days ago")  # fmt: skip
    print(f"{len(entries)} stages, {sum(entry.bytes for entry in entries):,} bytes")


@cache_app.command("gc")
def cache_gc(
    out: Out = Path("runs"),
    older_than: Annotated[float | None, typer.Option(min=0, metavar="DAYS", help="Not used for so long.")] = None,
    keep: Annotated[str | None, typer.Option(metavar="SIZE", help="Most that may stay, such as 20GiB.")] = None,
) -> None:
    """Removes stages by age and size, least recently used first; finished runs keep their files."""
    from collab.errors import ScenarioError
    from collab.scenario.base import bytes_of

    if older_than is None and keep is None:
        raise ScenarioError("say what may go: --older-than DAYS, --keep SIZE, or both.")
    gone = _cache(out).gc(
        older_than=None if older_than is None else older_than * 86400,
        keep_bytes=None if keep is None else bytes_of(keep),
    )
    print(f"{len(gone)} stages removed, {sum(entry.bytes for entry in gone):,} bytes")


def _run_of(place: str) -> str:
    """The run whose store lies there: RUN/store, or URI/SCENARIO/RUN."""
    return place.rstrip("/").rpartition("/")[2] if "://" in place else Path(place).resolve().parent.name


@contextmanager
def _opened(place: str, trust: Any = None) -> Iterator[Any]:
    """The store in a folder, or at a URI, then with copies in a temporary folder; `trust` is whose signature counts."""
    from collab.errors import StoreError
    from collab.scratch import Scratch
    from collab.store.remote import RemoteStore
    from collab.store.shelves import shelf_at
    from collab.store.signing import NOBODY
    from collab.store.store import Store

    if "://" not in place:
        if not (Path(place) / "manifest").is_dir():
            raise StoreError(f"{place} is no store: it has no folder `manifest`. A run's store is RUN/store.")
        yield Store(Path(place), trust or NOBODY)
        return
    shelf = shelf_at(place)
    if not shelf.names("manifest"):
        raise StoreError(f"{place} is no store: it has no manifest. A run's store is URI/SCENARIO/RUN.")
    with Scratch() as folder:
        yield RemoteStore(folder / "own", folder / "copies", shelf, trust or NOBODY)


def _cache(out: Path) -> Any:
    from collab.runtime.cache import Cache

    return Cache(out / "cache")
