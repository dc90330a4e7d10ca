"""Makes notebooks of the scripts in docs/notebooks; `python -m tests.docs.notebooks [NAME]` plays and writes them."""

import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

from tests.places import ROOT

FOLDER = ROOT / "docs/notebooks"
SCRIPTS = sorted(FOLDER.glob("*.py"))


def make(script: Path) -> nbformat.NotebookNode:
    """The notebook of a script, without outputs; its cells are numbered, so that it is the same each time."""
    notebook = jupytext.read(script)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell["metadata"] = {}
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.from_dict(notebook)


def play(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Plays every cell in `folder`; raises what a cell raises."""
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell["metadata"] = {}  # when each was played
        for output in cell.get("outputs", ()):
            for kind, shown in output.get("data", {}).items():
                output["data"][kind] = shown.replace(str(folder), "") if isinstance(shown, str) else shown
            if "text" in output:
                output["text"] = output["text"].replace(str(folder), "")


def write(script: Path) -> None:
    """Plays the notebook of a script and writes it beside it."""
    notebook = make(script)
    with tempfile.TemporaryDirectory() as folder:
        play(notebook, Path(folder).resolve())
    nbformat.write(notebook, script.with_suffix(".ipynb"))


if __name__ == "__main__":
    for each in SCRIPTS:
        if each.stem in sys.argv[1:] or len(sys.argv) == 1:
            write(each)
