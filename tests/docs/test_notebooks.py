"""The notebooks play from the first cell to the last, and are what their scripts say; on drawn images."""

from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="pip install 'collab[docs]'")

import nbformat

from tests.docs.notebooks import SCRIPTS, make, play


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_is_what_its_script_says_and_small(script: Path) -> None:
    written = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    assert [(cell.cell_type, cell.source) for cell in written.cells] == [
        (cell.cell_type, cell.source) for cell in make(script).cells
    ]
    assert all(cell.outputs or cell.execution_count for cell in written.cells if cell.cell_type == "code")
    assert script.with_suffix(".ipynb").stat().st_size < 200_000


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_plays(script: Path, tmp_path: Path) -> None:
    notebook = make(script)
    play(notebook, tmp_path)
    assert not [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if output.output_type == "error"
    ]


def test_there_are_notebooks() -> None:
    assert len(SCRIPTS) == 3
