"""The attack a_kind keeps what every plugin must keep, takes its options, and honors them."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from collab.api import ImageSet, Knowledge, Plugins, Progress, Stream, resolve_compute
from collab.testing import check_attack

PLUGINS = Plugins.of(Path(__file__).parents[1])


def test_it_keeps_what_every_plugin_must_keep() -> None:
    checks = check_attack("a_kind", PLUGINS, {"trust": 0.8})
    assert [check for check in checks if check.problem] == []


def test_a_wrong_option_is_refused() -> None:
    (check,) = check_attack("a_kind", PLUGINS, {"trust": -1})
    assert "trust: Input should be" in check.problem


def test_it_answers_an_image_for_each_row() -> None:
    plugin = PLUGINS.load("attacks", "a_kind")
    attack = plugin.from_options(plugin.Options(kind="a_kind", trust=0.5))
    public = ImageSet(np.full((4, 3, 8, 8), 255, np.uint8), np.zeros(4, np.int64))
    features, labels = torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.long)
    known = Knowledge("this test", features, labels, attack.needs, reconstructor=nn.Identity(), public_data=public)
    answer = attack.rebuild(known, Stream(0, "a1", "attack"), resolve_compute("fp32", "cpu"), Progress())
    torch.testing.assert_close(answer, torch.full((2, 3, 8, 8), 0.5))
