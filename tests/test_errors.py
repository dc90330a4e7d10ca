import inspect
import re

from collab import errors
from tests.places import ROOT

PAGE = (ROOT / "docs" / "errors.md").read_text()
CLASSES = {
    name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.CollabError)
}


def test_the_drawn_tree_names_every_class_with_its_code() -> None:
    drawn = dict(re.findall(r"(\w+Error|Shard\w+) +(\d)? ", errors.__doc__ or ""))
    assert {"CollabError", "ScenarioError", "DataError", "StoreError", "BoundaryError"} <= set(drawn)
    for name, code in drawn.items():
        assert not code or CLASSES[name].exit_code == int(code), name


def test_every_code_has_a_section_and_every_class_stands_in_its_own() -> None:
    sections = dict(re.findall(r"^## (\d+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    assert set(sections) == {str(kind.exit_code) for kind in CLASSES.values()} | {"0", str(errors.INTERRUPTED)}
    for name, kind in CLASSES.items():
        assert f"`{name}`" in sections[str(kind.exit_code)], name
