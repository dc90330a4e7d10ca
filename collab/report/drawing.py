"""Templates filled in, and figures as parts of a page."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def fill_in(template: str, **parts: Any) -> str:
    """A template of `collab/report/templates` with its parts; all text is escaped, a part that is missing an error."""
    return _open_templates().get_template(template).render(**parts)


@cache  # what several pages share is compiled once
def _open_templates() -> Environment:
    return Environment(
        loader=PackageLoader("collab.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@contextmanager
def same_for_everybody() -> Iterator[None]:
    """Figures are drawn as matplotlib does by itself, whatever style its user has asked for in a `matplotlibrc`."""
    from matplotlib import style

    with style.context("default"):
        yield


def inline_svg(figure: Any) -> str:
    """The figure as an SVG element that stands in a page as it is; equal figures give equal text.

    It names no address: inside HTML an SVG needs no name spaces, and what matplotlib says of itself is left out.
    """
    import matplotlib as mpl

    target = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "collab", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from")  # the reader's fonts draw the text, not these
        warnings.filterwarnings("ignore", r"Creating legend with loc")  # slow is the machine, not the figure
        figure.savefig(target, format="svg", metadata={"Date": None}, transparent=True)
    text = target.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = text.replace("#000000", "currentColor")  # black ink follows the page, also at night
    head, end, rest = text.partition(">")
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", head) + end + rest
