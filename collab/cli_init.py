"""The command that writes a scenario for parties that have folders of images."""

import re
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from collab.errors import ScenarioError

FOLDER = "NAME=FOLDER"


def init(
    parties: Annotated[
        list[str], typer.Option("--party", metavar=FOLDER, help="A party, and the folder of its images; repeatable.")
    ],
    public: Annotated[Path, typer.Option(metavar="FOLDER", help="Images that anybody may have.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The scenario to write.")] = Path("parties.yaml"),
    asks: Annotated[
        str | None, typer.Option("--for", metavar="NAME", help="Who asks what it would gain; the smallest if not said.")
    ] = None,
) -> None:
    """Writes a scenario: what would a party gain from what others publish, and what would it disclose?

    Looks at names and heads of files; no image is decoded, and nothing is played.
    """
    from collab.results.words import format_duration
    from collab.runtime.draft import write_draft
    from collab.runtime.forecast import MEASURED
    from collab.scenario.base import NAME, PATTERNS

    folders = dict[str, Path]()
    for party in parties:
        name, mark, folder = party.partition("=")
        wrong = "" if mark else f"is not {FOLDER}"
        wrong = wrong or ("is a second party of that name" if name.lower() in folders else "")
        wrong = wrong or ("" if re.match(NAME, name.lower()) else f"has a name that {PATTERNS[NAME]}")
        if wrong:
            raise ScenarioError(f"--party {party} {wrong}. Write --party hospital_a=FOLDER, once for each.")
        folders[name.lower()] = Path(folder).expanduser()
    made = write_draft(folders, public.expanduser(), out, asks.lower() if asks else None)
    for line in made.told:
        print(line)
    takes = format_duration(made.seconds)
    print(f"{out}: written. It takes about {takes} of one core, attacks some minutes more ({MEASURED}).")
    print(f"next:\n  collab check-data {quote(str(out))}\n  collab run {quote(str(out))} --audit quick")
