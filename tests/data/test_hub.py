"""Data sets that the package `datasets` reads: rows of a folder, what is asked of a hub, and what is refused."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from collab.data import hub
from collab.data.decoding import decode
from collab.data.hub import HubSet
from collab.data.source import WithColumns
from collab.errors import DataError, ResourceError
from tests.data import keeping

OPTIONS = {
    "url": None,
    "root": None,
    "config": None,
    "train": "train",
    "test": "test",
    "image": "image",
    "label": "label",
}


def opened(**changed: Any) -> HubSet:
    return HubSet(image_size=16, seed=0, **OPTIONS | changed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub") / "saved"
    keeping.saved(root)
    return root


def test_rows_of_a_saved_folder(folder: Path) -> None:
    source = opened(root=folder)
    assert source.classes == ("cat", "dog")
    assert source.labels("train").tolist() == [1, 0] * 4  # images 7, 6, ... 0
    images = np.concatenate(list(source.images("train", np.array([0, 5, 5, 2]))))
    assert np.array_equal(images, [decode(keeping.encode(number), 16, where="") for number in (7, 2, 2, 5)])
    assert isinstance(source, WithColumns)
    assert (source.column_names, source.column("test", "label")) == (("label",), [1, 0, 1, 0])
    assert len(opened(root=folder, test=None).labels("test")) == 0
    assert source.digest() == opened(root=folder).digest() != opened(root=folder, test=None).digest()


@pytest.mark.parametrize(("changed", "words"), [
    ({"test": "validation"}, r"has no split 'validation'; it has test, train\. "),
    ({"test": "train"}, "are one split, 'train'"),
    ({"image": "picture"}, r"has no column picture; it has image, label\. "),
    ({"image": "label", "label": "image"}, r"column 'label' of .* is ClassLabel.*; it must hold images"),
    ({"root": None}, r"State one of `data\.url`"),
    ({"url": "hf://a/b@c"}, r"State one of `data\.url`"),
])  # fmt: skip
def test_what_is_not_there_is_named(folder: Path, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        opened(**{"root": folder} | changed)


def test_a_folder_that_refers_to_others_is_refused(folder: Path, tmp_path: Path) -> None:
    keeping.saved(tmp_path / "saved")
    state = tmp_path / "saved/train/state.json"
    files = [{"filename": str((folder / "train/data-00000-of-00001.arrow").resolve())}]
    state.write_text(json.dumps(json.loads(state.read_text()) | {"_data_files": files}))
    with pytest.raises(DataError, match="outside of its folder"):
        opened(root=tmp_path / "saved")


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    keeping.saved(tmp_path / "saved")
    file = tmp_path / "saved/train/data-00000-of-00001.arrow"
    content = file.read_bytes()
    for spoiled in (b"", content[:200], content[: len(content) // 2]):
        file.write_bytes(spoiled)
        with pytest.raises(DataError, match="is no data set that `datasets` reads"):
            opened(root=tmp_path / "saved")


def test_a_url_is_asked_for_by_name_configuration_and_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load_dataset(*named: Any, **options: Any) -> None:
        asked.append((named, options))
        raise ConnectionError("no network")

    monkeypatch.setattr(hub, "_import_datasets", lambda: SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(DataError, match=r"hf://an-owner/a\.set@refs/pr/1 is no data set .*no network"):
        opened(url="hf://an-owner/a.set@refs/pr/1", config="small")
    assert asked == [(("an-owner/a.set", "small"), {"revision": "refs/pr/1"})]
    for url in ("hf://owner/name", "https://owner/name@main", "hf://../name@main", "hf://a/..@main", "hf://a/b@c?d"):
        with pytest.raises(DataError, match="it must be hf://owner/name@revision"):
            opened(url=url)
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"would read the folder a/b here in place of hf://a/b@c"):
        opened(url="hf://a/b@c")
    assert len(asked) == 1


def test_the_extra_is_named_where_it_is_missing_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ResourceError, match=r"pip install 'collab\[hf\]'"):
        opened(url="hf://a/b@c")
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(__version__="3.6.0"))  # type: ignore[arg-type]
    with pytest.raises(ResourceError, match=r"3\.6\.0 runs programs that come with data"):
        opened(url="hf://a/b@c")
