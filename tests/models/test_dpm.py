import pytest
import torch
from torch import nn

from collab.defenses.dpm_network import Rotating, build_dpm
from collab.errors import ScenarioError


def parameters(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


@pytest.mark.parametrize(("channels", "count"), [(1024, 4_468_736), (128, 71_168)])
def test_parameters_are_those_of_the_paper(channels: int, count: int) -> None:
    assert parameters(build_dpm(channels)) == count


def test_options_change_the_count_as_computed_by_hand() -> None:
    # 1x1, 3x3, 1x1 with biases in place of norms, and a given width.
    assert parameters(build_dpm(16, blocks=3, width=5, norm="none")) == 3 * (16 * 5 + 5 + 9 * 25 + 5 + 5 * 16 + 16)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_shape_and_range_are_kept(norm: str) -> None:
    torch.manual_seed(0)
    features = torch.rand(3, 16, 5, 7)
    kept = features.clone()
    poisoned = build_dpm(16, norm=norm).eval()(features)
    assert poisoned.shape == features.shape
    assert poisoned.min() >= 0
    assert torch.equal(features, kept)
    assert not torch.allclose(poisoned, features)


def test_features_that_may_be_negative_stay_so_in_the_last_block_only() -> None:
    torch.manual_seed(0)
    network = build_dpm(16, rectify=False).eval()
    assert network(torch.randn(3, 16, 8, 8)).min() < 0
    assert network[:-1](torch.randn(3, 16, 8, 8)).min() >= 0


def test_without_body_the_identity_is_left() -> None:
    network = build_dpm(8, norm="none")
    for value in network.parameters():
        nn.init.zeros_(value)
    features = torch.rand(2, 8, 4, 4)
    assert torch.equal(network(features), features)


def test_in_eval_mode_a_row_does_not_depend_on_its_batch_mates() -> None:
    torch.manual_seed(0)
    network, features = build_dpm(16), torch.rand(4, 16, 6, 6)
    alone = features.clone()
    alone[1:] = 0
    assert not torch.allclose(network.train()(features)[0], network(alone)[0])  # the leak that eval mode closes
    assert torch.equal(network.eval()(features)[0], network(alone)[0])


@pytest.mark.parametrize("wrong", [{"blocks": 0}, {"width": 0}, {"channels": 3}])
def test_empty_modules_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ScenarioError, match="Set `blocks` and `width`"):
        build_dpm(**{"channels": 16, **wrong})


def rotating(key: int) -> Rotating:
    torch.manual_seed(0)
    network = Rotating(build_dpm(16, blocks=1) for _ in range(3)).eval()
    network.key.fill_(key)
    return network


def test_each_row_passes_through_the_module_that_the_key_and_the_row_pick() -> None:
    network, features = rotating(7), torch.rand(60, 16, 4, 4, generator=torch.Generator().manual_seed(1))
    picked = network.pick(features)
    assert picked.bincount().min() > 8  # of 60 rows each of 3 modules has its share
    expected = torch.stack([network.each[which](row[None])[0] for which, row in zip(picked, features, strict=True)])
    torch.testing.assert_close(network(features), expected)


def test_a_pick_is_the_same_in_any_batch_and_another_key_picks_anew() -> None:
    network, features = rotating(7), torch.rand(60, 16, 4, 4, generator=torch.Generator().manual_seed(1))
    order = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    assert torch.equal(network.pick(features[order[:20]]), network.pick(features)[order[:20]])
    assert (rotating(8).pick(features) != network.pick(features)).sum() > 20


def test_while_they_learn_rows_are_dealt_anew_and_all_modules_learn() -> None:
    network, features = rotating(7).train(), torch.rand(60, 16, 4, 4)
    assert not torch.equal(network.pick(features), network.pick(features))
    network(features).sum().backward()
    assert all(value.grad is not None and value.grad.any() for value in network.parameters())


@pytest.mark.parametrize("picks", [[1, 0, 2, 1, 1, 0], [2, 2, 2, 2, 2, 2], [0, 1, 2, 0, 1, 2]])
def test_rows_pass_through_their_module_as_if_each_were_looked_for(picks: list[int]) -> None:
    torch.manual_seed(0)
    modules = [build_dpm(8, blocks=1, norm="none") for _ in range(3)]
    rotating, features = Rotating(modules), torch.rand(6, 8, 4, 4)
    rotating.pick = lambda features: torch.tensor(picks)  # type: ignore[method-assign]
    found = rotating(features)
    for number, module in enumerate(modules):
        own = torch.nonzero(torch.tensor(picks) == number)[:, 0]
        if len(own):
            assert torch.equal(found[own], module(features[own]))
