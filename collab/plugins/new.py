"""Writes a plugin that runs as it is, and its test."""

import keyword
import re
from pathlib import Path
from string import Template

from collab.errors import ScenarioError
from collab.plugins.discovery import GROUPS, KIND, OPTIONS_MODULE, Plugins
from collab.plugins.templates import ATTACK, ATTACK_TEST, DEFENSE, DEFENSE_TEST, ENTITY, ENTITY_TEST

TEMPLATES = {
    "entities": (ENTITY, ENTITY_TEST),
    "defenses": (DEFENSE, DEFENSE_TEST),
    "attacks": (ATTACK, ATTACK_TEST),
}


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
    words = {"kind": name, "Kind": "".join(part.capitalize() for part in name.split("_"))}
    try:
        for file, text in zip(files, TEMPLATES[group], strict=True):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(Template(text).substitute(words), encoding="utf-8")
    except OSError as cause:
        raise ScenarioError(
            f"{cause.filename} cannot be written: {cause.strerror}. Choose a folder with --in."
        ) from cause
    return files
