"""The backbone a_kind keeps what every backbone must keep, takes its options, and honors them."""

from pathlib import Path

from collab.api import Plugins, build_split, feature_shape
from collab.testing import check_backbone

PLUGINS = Plugins.of(Path(__file__).parents[1])


def test_it_keeps_what_every_backbone_must_keep() -> None:
    checks = check_backbone("a_kind", PLUGINS, {"blocks": 2, "width": 8})
    assert [check for check in checks if check.problem] == []


def test_a_wrong_option_is_refused() -> None:
    (check,) = check_backbone("a_kind", PLUGINS, {"blocks": 0})
    assert "blocks: Input should be" in check.problem


def test_it_honors_its_options() -> None:
    backbone = PLUGINS.load("backbones", "a_kind")(blocks=5)
    assert backbone.hooks[-1] == "block5"
    split = build_split(backbone, "block2", classes=3, width=8)
    assert feature_shape(split.featurizer, 32) == (8, 8, 8)
    assert [name for name, _ in split.decider.named_children()] == ["block3", "block4", "block5", "head"]
