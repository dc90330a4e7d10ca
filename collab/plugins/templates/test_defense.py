"""The defense a_kind keeps what every plugin must keep, takes its options, and honors them."""

from pathlib import Path

import torch

from collab.api import Plugins
from collab.testing import check_defense

PLUGINS = Plugins.of(Path(__file__).parents[1])


def test_it_keeps_what_every_plugin_must_keep() -> None:
    checks = check_defense("a_kind", PLUGINS, {"limit": 0.5})
    assert [check for check in checks if check.problem] == []


def test_a_wrong_option_is_refused() -> None:
    (check,) = check_defense("a_kind", PLUGINS, {"limit": -1})
    assert "limit: Input should be" in check.problem


def test_what_it_publishes_is_limited() -> None:
    plugin = PLUGINS.load("defenses", "a_kind")
    module = plugin.from_options(plugin.Options(kind="a_kind", limit=0.5)).build(3, rectified=False)
    features = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(features), features.clamp(-0.5, 0.5))
