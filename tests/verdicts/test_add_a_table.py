"""A paper's table with its claims is three files: its figures, what the paper says of them, and a scenario.

It is played in a copy of the package, which has them, with nothing else changed.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PAPER = {"ff": "Nobody et al., Filtered Features, 2030"}
TABLE = {
    "ff_table1": {
        "paper": "ff",
        "title": "Table 1",
        "place": "section 5",
        "setting": "ImageNet, resnet18, conv3_1, a Gaussian filter",
        "expected_by": "scenario",
        "about": "what a filter costs",
        "columns": {"top1_original": "percent", "top1_poisoned": "percent"},
        "rows": {"resnet18": [69.7, 61.2]},
    }
}
CLAIMS = '''"""Nobody et al., Filtered Features, 2030: Table 1."""

from collab.results.table import Result
from collab.scenario.stage_rows import TABLES_1_2
from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, Claim
from collab.verdicts.table import Place, Setup, Table


def filtering_costs_accuracy(evidence: Evidence) -> Claim:
    """Table 1: C reads filtered features less well than plain ones."""
    found = tuple(
        evidence.better(
            f"{name}: plain features are read better",
            evidence.poisoned(name, "original"),
            evidence.poisoned(name, "poisoned"),
            ABOVE,
        )
        for name in evidence.protected_by("gaussian_filter")
    )
    return Claim("filtering costs accuracy", '"a filter is not free" (5)', found)


def _beside_the_filter(evidence: Evidence, row: Result) -> Place | None:
    """The one printed row, beside what was measured of who filters."""
    is_filtered = (row.row, row.defense) == (TABLES_1_2, "gaussian_filter")
    return ("resnet18", row.metric) if is_filtered else None


TABLES = (
    Table(
        "ff_table1",
        (filtering_costs_accuracy,),
        Setup(source="imagenet", backbones=("resnet18",), hook="conv3_1"),
        _beside_the_filter,
    ),
)
'''
SCENARIO = """
name: filtered
data: {source: creatures, image_size: 16, classes: 4, train: 160, test: 40, public_images: 32}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 1.0, defense: gaussian_filter}
refine: {epochs: 1}
refinements: [{row: own, entity: a1, own: features}]
expect: {paper: ff_table1}
"""
PLAY = """
import json
import sys
from pathlib import Path
from collab.results.table import Result
from collab.scenario.reader import read_scenario
from collab.scenario.offers import our_options
from collab.scenario.schema import json_schema
from collab.verdicts.verdicts import judged, verdicts
original, poisoned = map(float, sys.argv[1:3])
scenario = read_scenario(Path("filtered.yaml"), sys.argv[3:], check_paths=False).scenario
rows = [Result("filtered", "tables_1_2", "a1", "gaussian_filter", None, f"top1_{what}",
               value, value - 0.01, value + 0.01)
        for what, value in (("original", original), ("poisoned", poisoned))]
print(json.dumps({
    "verdicts": [[each.source, each.claim, each.expected, each.verdict] for each in verdicts(scenario, rows)],
    "papers": [each.paper for each in judged(scenario, rows)],
    "listed": "ff_table1: what a filter costs" in json.dumps(json_schema(our_options())),
}))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the paper's figures and claims, and the scenario beside it."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "collab", folder / "collab", ignore=shutil.ignore_patterns("__pycache__"))
    data = folder / "collab" / "papers.json"
    content = json.loads(data.read_text(encoding="utf-8"))
    content["papers"] |= PAPER
    content["tables"] |= TABLE
    data.write_text(json.dumps(content), encoding="utf-8")
    (folder / "collab" / "verdicts" / "papers" / "filtered_features.py").write_text(CLAIMS, encoding="utf-8")
    (folder / "filtered.yaml").write_text(SCENARIO, encoding="utf-8")
    return folder


def run(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=project, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(project)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_copy_accepts_the_scenario_and_the_package_as_it_is_does_not(project: Path) -> None:
    run(project, "-m", "collab", "validate", "filtered.yaml")
    refused = subprocess.run(
        [sys.executable, "-m", "collab", "validate", str(project / "filtered.yaml")],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "must be one of dp_table1, dp_table2" in " ".join((refused.stdout + refused.stderr).split())


def test_elsewhere_its_claims_are_judged_and_its_figures_do_not_compare(project: Path) -> None:
    told = json.loads(run(project, "-c", PLAY, "0.5", "0.4"))
    assert told["verdicts"] == [
        ["ff_table1", "figures", "the 2 figures as printed", "not comparable: creatures, resnet8, 16 px"],
        ["ff_table1", "filtering costs accuracy", "a1: plain features are read better", "holds"],
    ]
    assert told["papers"] == pytest.approx([0.697, 0.612])
    assert told["listed"]


def test_in_the_papers_set_up_its_figures_are_compared_and_a_broken_claim_is_told(project: Path) -> None:
    paper = (
        "data={source: imagenet, root: images, image_size: 224}",
        "model={backbone: resnet18, hook: conv3_1, pretrain: {by: a1}}",
    )
    told = json.loads(run(project, "-c", PLAY, "0.697", "0.8", *paper))
    assert [each[2:] for each in told["verdicts"]] == [
        ["a1: top1_original as printed", "holds"],
        ["a1: top1_poisoned as printed", "off by 17 points"],
        ["a1: plain features are read better", "off by 10 points"],
    ]
