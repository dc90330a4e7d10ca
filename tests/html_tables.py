"""Tables of a page whose lines have other numbers of cells than their heads."""

from html.parser import HTMLParser

from typing_extensions import override


class _Tables(HTMLParser):
    """Cells of each line of each table, `colspan` counted."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[int]] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        stated = dict(attrs)
        assert "rowspan" not in stated, "cells that reach over lines are not counted here"
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append(0)
        elif tag in ("td", "th"):
            self.tables[-1][-1] += int(stated.get("colspan") or 1)


def ragged_tables(page: str) -> list[str]:
    """One sentence for each table of a page whose lines differ; contact sheets without a head are held to it too."""
    parser = _Tables()
    parser.feed(page)
    return [
        f"table {place} of {len(parser.tables)} has lines of {', '.join(map(str, dict.fromkeys(lines)))} cells"
        for place, lines in enumerate(parser.tables, 1)
        if len(set(lines)) > 1
    ]
