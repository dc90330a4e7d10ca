"""Writes a plugin that runs as it is, and its test."""

import keyword
import re
from pathlib import Path

from collab.errors import ScenarioError
from collab.plugins.discovery import GROUPS, KIND, OPTIONS_MODULE, Plugins

TEMPLATES = Path(__file__).parent / "templates"
"""What is written: plugins of the kind `a_kind`, class `AKind`, and their tests.

Ruff and mypy read them as any file of ours. The folder has no `__init__.py`: they are data, and no module imports them.
"""


def write_new(what: str, name: str, project: Path) -> tuple[Path, Path]:
    """Writes `entities/<name>.py` (or `defenses/`, `attacks/`) and `tests/test_<name>.py` of `project`, and says where.

    Raises ScenarioError, and writes nothing, where there are no such plugins, where `name` is none or is taken, and
    where either file exists or cannot be written.
    """
    group = next((group for group, word in GROUPS.items() if word == what), "")
    if not group:
        raise ScenarioError(f"{what!r} is no group of plugins. `collab new` writes {', '.join(GROUPS.values())}.")
    if not re.fullmatch(KIND, name) or keyword.iskeyword(name) or name == OPTIONS_MODULE:
        raise ScenarioError(
            f"{name!r} is no name of a kind. Take lower-case letters, digits and _, a letter first; no Python keyword, "
            f"and not {OPTIONS_MODULE!r}."
        )
    files = project / group / f"{name}.py", project / "tests" / f"test_{name}.py"
    there = [str(file) for file in files if file.exists()]
    if there:
        raise ScenarioError(
            f"{' and '.join(there)} would be overwritten. Choose another name, or remove what is there."
        )
    if taken := Plugins.of(project).installed(group).get(name):
        raise ScenarioError(
            f"the {what} {name!r} is there already: {taken[0]}. Choose another name; two of one name are an error."
        )
    class_name = "".join(part.capitalize() for part in name.split("_"))
    try:
        for file, template in zip(files, (f"{what}.py", f"test_{what}.py"), strict=True):
            text = (TEMPLATES / template).read_text(encoding="utf-8")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("a_kind", name).replace("AKind", class_name), encoding="utf-8")
    except OSError as cause:
        raise ScenarioError(
            f"{cause.filename} cannot be written: {cause.strerror}. Choose a folder with --in."
        ) from cause
    return files
