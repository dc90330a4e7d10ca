"""The papers' figures, from one data file, to stand beside ours."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _tables() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files("collab.report").joinpath("papers.json").read_text())
    return found


def paper_figure(table: str, row: str, metric: str) -> float | None:
    """The published accuracy as a share of 1, or None where the table has no such row or metric."""
    printed = _tables()[table]["rows"].get(row)
    column = {"top1": 0, "top5": 1}.get(metric)
    return None if printed is None or column is None else printed[column] / 100
