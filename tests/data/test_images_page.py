"""docs/images.md: what its first table says to write reads what one has, and keeps what a source must."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

from collab.data.source import Source, open_source
from collab.scenario.reader import with_tuples
from collab.scenario.sources import SOURCES, Data
from collab.testing.sources import check_reading
from tests.data import keeping, test_celeba
from tests.places import ROOT

PAGE = (ROOT / "docs/images.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\| ([^|]+) \| `(\{source: .*\})` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("there", "written"), LINES, ids=[there for there, _ in LINES])
def test_what_the_table_says_is_read(there: str, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stated = yaml.safe_load(written)
    if root := stated.get("root"):
        path = tmp_path / Path(root).parts[0]
        make = test_celeba.make if root == "faces" else getattr(keeping, path.name)
        make(path, **({"monkeypatch": monkeypatch} if "monkeypatch" in inspect.signature(make).parameters else {}))
        stated["root"] = str(tmp_path / root)
    data = SOURCES[stated["source"]].model_validate(with_tuples(stated))
    if "url" in stated:
        pytest.skip("there is no network here; tests/data/test_hub.py has what is asked of it")
    if data.source != "celeba":  # it parts people, who are its classes: those of its test images have no other
        assert [check for check in check_reading(lambda side: _open(data, side)) if check.problem] == []
    source = _open(data, 32)
    assert len(source.classes) >= 2
    assert bool(len(source.labels("test"))) == (data.hold_out is None)


def _open(data: Data, side: int) -> Source:
    return open_source(data.opened_by, image_size=side, seed=0, **data.source_options())


def test_the_table_has_a_line_for_every_source() -> None:
    assert set(SOURCES) - {"cifar100", "own"} <= {yaml.safe_load(written)["source"] for _, written in LINES}
