"""The bill of materials names what is installed, and the scripts about it read pyproject.toml as it is."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version

from tests.places import ROOT

with (ROOT / "pyproject.toml").open("rb") as _file:
    PROJECT = tomllib.load(_file)["project"]


def bill(*extras: str) -> dict[str, dict[str, object]]:
    """Components by name."""
    program = [sys.executable, str(ROOT / "scripts" / "sbom"), *extras]
    content = json.loads(subprocess.run(program, capture_output=True, text=True, check=True).stdout)
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.5")
    parts = {part["name"]: part for part in content["components"]}
    refs = {part["bom-ref"] for part in parts.values()} | {content["metadata"]["component"]["bom-ref"]}
    for each in content["dependencies"]:
        assert {each["ref"], *each["dependsOn"]} <= refs
    reached, left = set[str](), [content["metadata"]["component"]["bom-ref"]]
    needs = {each["ref"]: each["dependsOn"] for each in content["dependencies"]}
    while left:
        if (ref := left.pop()) not in reached:
            reached.add(ref)
            left += needs[ref]
    assert reached == refs  # nothing stands there that nobody needs
    return parts


def test_the_bill_of_materials_names_every_requirement_with_the_version_that_is_here() -> None:
    parts = bill("dicom")
    stated = {re.match(r"[A-Za-z0-9_-]+", each)[0] for each in PROJECT["dependencies"]}  # type: ignore[index]
    assert {name.lower().replace("_", "-") for name in stated} | {"pydicom"} <= parts.keys()
    assert {name: part["version"] for name, part in parts.items()} == {name: version(name) for name in parts}
    assert {"pytest", "cryptography", "libfaketime"}.isdisjoint(parts)
    assert parts["numpy"]["purl"] == f"pkg:pypi/numpy@{version('numpy')}"


def test_every_requirement_has_a_lower_bound_that_can_be_tested() -> None:
    stated = [
        *PROJECT["dependencies"],
        *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
    ]
    loose = [each for each in stated if not re.fullmatch(r"[A-Za-z0-9_.-]+(\[[a-z]+\])?>=[0-9.]+(,<[0-9.]+)?", each)]
    assert [each for each in loose if not each.startswith("collab[")] == ["types-PyYAML", "types-psutil"]
