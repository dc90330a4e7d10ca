import json

import pytest
from torch import nn

from collab.models import small
from collab.participants.entity import Entity
from collab.plugins import discovery
from collab.stages.registry import STAGES
from collab.training import losses, poisoning, recipes
from tests.stages import stage_code

RENEW = "python tests/stages/stage_code.py"


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    """The digests of the code as it is; they take seconds."""
    return stage_code.digests()


def test_code_of_a_stage_changes_with_its_version(before: dict[str, str]) -> None:
    """Fails when a stage's code changed: raise its `version` in collab/stages if a result may change.

    Then record the new digests: python tests/stages/stage_code.py (with --same-results if no bit changes).
    """
    known = json.loads(stage_code.RECORD.read_text())
    versions = {stage: each["version"] for stage, each in known.items()}
    assert versions == {name: stage.version for name, stage in STAGES.items()}, f"run `{RENEW}`"
    changed = [stage for stage, digest in before.items() if known[stage]["code"] != digest]
    assert not changed, (
        f"the code of {', '.join(changed)} is not what was recorded. Where a result may change raise `version` in the "
        f"stage and run `{RENEW}`; where no bit does run `{RENEW} --same-results`."
    )


def other_loss(rebuilt, images):  # type: ignore[no-untyped-def]
    return (rebuilt.float() - images).square().mean()


def test_a_change_deep_inside_a_stage_is_seen_there_and_nowhere_else(
    before: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other_loss.__module__ = losses.__name__
    for module in (recipes, poisoning):
        monkeypatch.setattr(module, "inversion_loss", other_loss)
    after = stage_code.digests()
    fits_or_holds_a_dpm = {"poison", "exchange", "publish", "disclose", "rehearse", "attack"}
    assert {stage for stage in before if before[stage] != after[stage]} == {"reconstruct", *fits_or_holds_a_dpm}


def test_a_change_of_a_backbone_is_seen_although_the_catalog_names_it_by_a_string(
    before: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def basic_block(inputs, outputs):  # type: ignore[no-untyped-def]
        return nn.Identity()

    basic_block.__module__ = small.__name__
    monkeypatch.setattr(small, "basic_block", basic_block)
    after = stage_code.digests()
    assert {"pretrain", "featurize", "refine"} <= {stage for stage in before if before[stage] != after[stage]}


def test_a_change_of_a_method_is_seen(before: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def featurize(self, progress):  # type: ignore[no-untyped-def]
        return None

    featurize.__module__, featurize.__qualname__ = Entity.__module__, "Entity.featurize"
    monkeypatch.setattr(Entity, "featurize", featurize)
    after = stage_code.digests()
    assert {stage for stage in before if before[stage] != after[stage]} == {"featurize"}


def test_where_the_code_lies_is_no_code(before: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "__file__", "/elsewhere/discovery.py")
    assert stage_code.digests() == before


def test_comments_docstrings_and_annotations_are_no_code() -> None:
    import ast

    plain = ast.parse("def f(x):\n    return x + 1")
    dressed = ast.parse('def f(x: int) -> int:\n    """Says."""\n    # why\n    return x + 1')
    other = ast.parse("def f(x):\n    return x + 2")
    assert stage_code._dump(plain) == stage_code._dump(dressed) != stage_code._dump(other)
