"""Names that become folders and files: checked here, whoever checked them before."""

import re
from pathlib import Path

from collab.errors import StoreError

NAME = r"[a-z][a-z0-9_-]{0,31}"
"""What an entity or a network may be called."""


def check_name(name: str) -> str:
    """Returns `name` if it may name an entity or a network, else raises StoreError.

    Lower case only, so that no two names are one on a file system that ignores case.
    """
    if not re.fullmatch(NAME, name):
        raise StoreError(
            f"{name!r} cannot be a name in the store. Take 1 to 32 of a-z, 0-9, '_' and '-', a letter first."
        )
    return name


def inside(root: Path, relative: str | Path) -> Path:
    """`root / relative`, or StoreError if that leads out of `root`, be it by `..`, as an absolute path or by a link."""
    path = root / relative
    if not path.parent.resolve().is_relative_to(root.resolve()) or path.name in ("", ".", ".."):
        raise StoreError(f"{str(relative)!r} leads out of the store {root}. Nothing outside of it is read or written.")
    return path
