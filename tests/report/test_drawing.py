"""Pages look the same for everybody, whatever a user's matplotlibrc says."""

from itertools import count
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from collab.report.drawing import inline_svg
from collab.report.pages.page import write_comparison, write_page
from tests.report.made_up import rows, scenario, write_run
from tests.report.tables.test_over_seeds import cells, page

STYLES = {
    "latex, which may not be there": {"text.usetex": True},
    "talk": {"font.size": 22.0, "axes.facecolor": "black", "axes.grid": True, "lines.linewidth": 6.0},
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_a_users_style_changes_no_page(style: dict[str, object], tmp_path: Path) -> None:
    stated = scenario()
    runs = [write_run(tmp_path / name, stated, rows(stated, {"7": 0.6})) for name in ("one", "two")]

    def draw_pages() -> tuple[str, ...]:
        drawn = write_page(runs[0], tmp_path / "page.html"), write_comparison(runs, tmp_path / "both.html")
        swept = page(tmp_path, ("refine.epochs",), cells("refine.epochs", 0.1, 0.2))
        return (*(file.read_text() for file in drawn), swept)

    expected = draw_pages()
    assert "<svg" in expected[0]
    assert "<svg" in expected[2]
    with mpl.rc_context(style):
        assert draw_pages() == expected
        assert mpl.rcParams[next(iter(style))] == next(iter(style.values()))


def test_a_machine_that_is_slow_has_its_legends_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """matplotlib warns of a legend that it needed more than a second to place; warnings are errors here."""
    figure = Figure()
    panel = figure.subplots()
    panel.plot([0, 1], [0, 1], label="a line")
    panel.legend()
    seconds = count(step=10)
    monkeypatch.setattr("matplotlib.legend.time.perf_counter", lambda: next(seconds))
    assert "a line" in inline_svg(figure)
