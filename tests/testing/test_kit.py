"""The kit passes what is right and rejects a broken plugin for each of its checks, with what failed and what to do."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collab.plugins.discovery import Plugins
from collab.runtime.play import Played
from collab.scenario.model import Scenario
from collab.testing import Check, Checks, check_all, check_attack, check_entity
from collab.testing.kit import _Kit, _lend

ENTITY = """
import os, time
from typing import ClassVar
import torch
from pydantic import Field, field_validator
from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions
from collab.types import Measure, Report

class Broken(Entity):
    kind: ClassVar[str] = "broken"
"""
ATTACK = """
from typing import ClassVar
import torch
from collab.attacks.base import Attack
from collab.scenario.base import AttackOptions, HandOut

class Broken(Attack):
    kind: ClassVar[str] = "broken"

    @classmethod
    def from_options(cls, options):
        return cls()
"""
BROKEN = {
    "options: nothing said": (
        "    class Options(EntityOptions):\n        depth: int = 3\n",
        "options",
        "the option 'depth' says nothing of itself",
    ),
    "options: read back as something else": (
        "    class Options(EntityOptions):\n        depth: int = Field(3, description='How deep.')\n"
        "        @field_validator('depth')\n        def deeper(cls, depth):\n            return depth + 1\n"
        "        model_config = {'validate_default': True}\n",
        "options",
        "do not read back as they are written",
    ),
    "plays": (
        "    def published(self, features, labels, generator):\n        return features[:, :1], labels\n",
        "plays",
        "a shard takes a float row of",
    ),
    "same bits": (
        "    def published(self, features, labels, generator):\n"
        "        fresh = torch.Generator()\n        fresh.seed()\n"  # a clock can say the same twice
        "        return features + torch.rand(features.shape, generator=fresh), labels\n",
        "same seed, same bits",
        "Draw from self.stream(...)",
    ),
    "plain reports": (
        "    def publish(self, progress):\n        report = super().publish(progress)\n"
        "        return Report((*report.measures, Measure('mean', torch.ones(()))), report.crossings)\n",
        "plain reports",
        "Broken.publish answered report.measures[5].value of type Tensor",
    ),
    "resume": (
        "    def poison(self, progress):\n        self.shift = 1.0\n        return super().poison(progress)\n"
        "    def published(self, features, labels, generator):\n"
        "        return features + getattr(self, 'shift', 0.0), labels\n",
        "resume",
        "killed at the start of 'publish mine'",
    ),
    "shapes and types": (
        "    def publish(self, progress):\n        report = super().publish(progress)\n"
        "        (self.layout.store.root / 'entity=mine' / 'more.arrow').write_bytes(b'more')\n        return report\n",
        "shapes and types",
        "no manifest names this file",
    ),
    "cost": (
        "    slept: ClassVar[list[int]] = []\n"
        "    def featurize(self, progress):\n        time.sleep(0 if self.slept else 5)\n        self.slept.append(1)\n"
        "        return super().featurize(progress)\n",
        "cost",
        "at most 4 times is expected",
    ),
}
BLIND = """
    def rebuild(self, known, stream, compute, progress):
        return torch.full((len(known.labels), 3, 32, 32), 0.5)
"""
DEAF = """
    needs = frozenset({"candidates"})

    class Options(AttackOptions):
        \"\"\"No choice.\"\"\"

        answers: ClassVar[str] = "members"

        @property
        def hand_out(self):
            return HandOut(candidates=100)

    def rebuild(self, known, stream, compute, progress):
        return torch.rand(len(known.candidates), generator=stream.torch("members"))
"""
CHEAT = """
    def rebuild(self, known, stream, compute, progress):
        # finds the truth on the disk: no boundary of a simulation keeps it out, so the kit must notice
        import pathlib, numpy as np
        places = pathlib.Path({folder!r}).glob("collab-*/*/check/*/private/*/published.npy")
        for place in sorted(places, key=lambda place: -place.stat().st_mtime_ns):
            order, labels = np.load(place), np.load(place.parent / "labels.npy")
            if len(order) == len(known.labels) and (labels[order] == known.labels.numpy()).all():
                return torch.from_numpy(np.load(place.parent / "images.npy")[order]).float() / 255
"""


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Checks]:
    def checked(group: str, text: str, **allowed: float) -> Checks:
        folder = tmp_path / group
        folder.mkdir(exist_ok=True)
        (folder / "broken.py").write_text(text)
        return check_all(group, "broken", Plugins((folder,)), {}, **allowed)

    return checked


def test_what_is_right_passes() -> None:
    found = check_entity("mislabeler", options={"fraction": 0.3})
    assert [check.name for check in found] == [
        "options", "plays", "plain reports", "same seed, same bits", "resume", "shapes and types", "cost",
    ]  # fmt: skip
    assert not [check for check in found if check.problem]


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_entity_is_rejected(fault: str, check: Callable[..., Checks]) -> None:
    body, name, told = BROKEN[fault]
    found = check("entities", ENTITY + body, most_times=4.0)
    failed = {check.name: check.problem for check in found if check.problem}
    assert name in failed, found
    assert told in failed[name]


def test_missing_options_are_asked_for() -> None:
    (found,) = check_entity("leaver")
    assert found.problem == "after: Field required\nState what it needs with --set KEY=VALUE, or mend its Options."


@pytest.mark.slow
def test_a_right_attack_passes() -> None:
    found = check_attack("straw_man")
    assert len(found) == 10
    assert not [check for check in found if check.problem]


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first of the attacks leaves the stages that an attack has no part in, for the others."""
    return tmp_path_factory.mktemp("lent")


@pytest.fixture
def controls_alone(lent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Controls have nothing to do with what is killed and resumed; each of those runs takes as long as the attack."""
    plays = _Kit._play

    def play(kit: _Kit, scenario: Scenario, out: Path, *given: Any) -> Played:
        if (lent / "cache").exists() and not (out / "cache").exists():
            shutil.copytree(lent / "cache", out / "cache")
        played = plays(kit, scenario, out, *given)
        if not (lent / "cache").exists():
            _lend(played, lent)
        return played

    monkeypatch.setattr(_Kit, "_play", play)
    monkeypatch.setattr(_Kit, "_check_resuming", lambda *given: Check("resume"))


@pytest.mark.usefixtures("controls_alone")
def test_an_attack_that_sees_nothing_is_no_evidence(check: Callable[..., Checks]) -> None:
    failed = {check.name: check.problem for check in check("attacks", ATTACK + BLIND) if check.problem}
    assert failed.keys() == {"positive control"}
    assert "its failures say nothing" in failed["positive control"]


@pytest.mark.usefixtures("controls_alone")
def test_who_answers_scores_is_held_to_the_oracle_s_words(check: Callable[..., Checks]) -> None:
    failed = {check.name: check.problem for check in check("attacks", ATTACK + DEAF) if check.problem}
    assert failed.keys() == {"positive control"}
    assert "membership_auc" in failed["positive control"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["matching", "membership_inference", "attribute_inference"])
def test_right_attacks_that_answer_scores_pass(kind: str) -> None:
    found = check_attack(kind)
    assert [check.name for check in found][-2:] == ["positive control", "negative control: noise"]
    assert not [check for check in found if check.problem]


@pytest.mark.usefixtures("controls_alone")
def test_an_attack_that_knows_the_truth_is_caught(
    check: Callable[..., Checks], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = check("attacks", ATTACK + CHEAT.format(folder=str(tmp_path)))
    failed = {check.name: check.problem for check in found if check.problem}
    assert "negative control: noise" in failed, found
    assert "truth has leaked" in failed["negative control: noise"]
