"""Templates of pages: everything that is filled in is escaped, and a part that is missing is an error."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def drawn(template: str, **parts: Any) -> str:
    """A template of `collab/report/templates` with its parts."""
    environment = Environment(
        loader=PackageLoader("collab.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**parts)
