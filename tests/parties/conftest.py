"""The folders of three parties, and one run of them, for all tests here."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from collab.data.joined import Joined, divide
from collab.data.source import Split
from collab.runtime.play import Played
from tests.parties.three_parties import make_folders, read_parties
from tests.playing import play_here


@pytest.fixture(scope="package")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folders(tmp_path_factory.mktemp("parties"))


@pytest.fixture(scope="package")
def watched(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Played, dict[str, set[str]]]:
    """A run of the three, and who read images of which origin in it."""
    readers, images = defaultdict[str, set[str]](set), Joined.images

    def note(self: Joined, split: Split, rows: np.ndarray) -> Iterator[np.ndarray]:
        for origin, _ in divide(self._origins, split, rows):
            readers[origin.name].add(self._reader)
        return images(self, split, rows)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Joined, "images", note)
        return play_here(read_parties(root), tmp_path_factory.mktemp("runs")), dict(readers)
