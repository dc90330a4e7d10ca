"""The metric a_kind keeps what every metric must keep, takes its options, and honors them."""

from pathlib import Path

import torch

from collab.api import Plugins
from collab.testing import check_metric

PLUGINS = Plugins.of(Path(__file__).parents[1])


def test_it_keeps_what_every_metric_must_keep() -> None:
    checks = check_metric("a_kind", PLUGINS, {"within": 0.2})
    assert [check for check in checks if check.problem] == []


def test_a_wrong_option_is_refused() -> None:
    (check,) = check_metric("a_kind", PLUGINS, {"within": -1})
    assert "within: Input should be" in check.problem


def test_it_counts_what_is_near() -> None:
    plugin = PLUGINS.load("metrics", "a_kind")
    images = torch.zeros(2, 3, 4, 4)
    rebuilt = images.clone()
    rebuilt[0, :, :2] = 0.3  # half of the first image is far
    for within, values in ((0.1, [0.5, 1.0]), (0.4, [1.0, 1.0])):
        metric = plugin(plugin.Options(kind="a_kind", within=within))
        torch.testing.assert_close(metric.of_images(rebuilt, images), torch.tensor(values))
