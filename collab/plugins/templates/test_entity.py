"""The entity a_kind keeps what every plugin must keep, takes its options, and honors them."""

from pathlib import Path

import torch
from torch import nn

from collab.api import Plugins, resolve_compute
from collab.testing import check_entity

PLUGINS = Plugins.of(Path(__file__).parents[1])


def test_it_keeps_what_every_plugin_must_keep() -> None:
    checks = check_entity("a_kind", PLUGINS, {"decimals": 1})
    assert [check for check in checks if check.problem] == []


def test_a_wrong_option_is_refused() -> None:
    (check,) = check_entity("a_kind", PLUGINS, {"decimals": -1})
    assert "decimals: Input should be" in check.problem


def test_what_it_publishes_is_rounded() -> None:
    plugin = PLUGINS.load("entities", "a_kind")
    entity = object.__new__(plugin)  # without a run around it, of which `defend` needs two things
    entity.options, entity.compute = plugin.Options(decimals=1), resolve_compute("fp32", "cpu")
    published = entity.defend(nn.Identity(), torch.tensor([[0.123, -4.56]]))
    torch.testing.assert_close(published, torch.tensor([[0.1, -4.6]]))
