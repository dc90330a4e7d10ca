"""DP-SGD against a slow loop over rows, against plain steps where nothing is clipped, and by what one row can move."""

import copy

import pytest
import torch
from torch import Tensor, nn

from collab.errors import EntityError
from collab.seeding import Stream
from collab.training.feeds import FeatureFeed, InMemory
from collab.training.loop import Recipe
from collab.training.precision import resolve_compute
from collab.training.private import AT_ONCE, Plan, draw_rows, plan_steps, refine_privately, sum_clipped
from collab.training.progress import Progress
from collab.training.tasks import CLASSES

CPU, COMPUTE = torch.device("cpu"), resolve_compute("fp32", "cpu")
RNG = torch.Generator().manual_seed(0)
ROWS, LABELS = torch.randn(AT_ONCE + 6, 3, 4, 4, generator=RNG), torch.randint(0, 5, (AT_ONCE + 6,), generator=RNG)
RECIPE = Recipe(epochs=1, batch_size=len(ROWS), optimizer="sgd", learning_rate=0.1, schedule="constant")


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(24, 5))
    return body.eval()


def learned(net: nn.Module) -> dict[str, nn.Parameter]:
    return dict(net.named_parameters())


def slow_sum(net: nn.Module, clip: float) -> dict[str, Tensor]:
    """One row at a time, by autograd."""
    sums = {name: torch.zeros_like(weight) for name, weight in net.named_parameters()}
    for row, label in zip(ROWS, LABELS, strict=True):
        net.zero_grad()
        nn.functional.cross_entropy(net(row[None]), label[None]).backward()
        gradients = {name: weight.grad for name, weight in net.named_parameters()}
        length = torch.cat([part.flatten() for part in gradients.values() if part is not None]).norm()
        for name, part in gradients.items():
            assert part is not None
            sums[name] += part * min(1.0, clip / float(length))
    return sums


@pytest.mark.parametrize("clip", [0.5, 2.0, 1e6])
def test_clipped_sums_are_those_of_a_loop_over_rows(clip: float) -> None:
    net = network()
    found, mean = sum_clipped(net, learned(net), ROWS, LABELS, clip, CLASSES)
    for name, expected in slow_sum(net, clip).items():
        torch.testing.assert_close(found[name], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(mean, nn.functional.cross_entropy(net(ROWS), LABELS))


def test_one_row_moves_the_sum_by_the_clip_at_most_and_no_row_by_nothing() -> None:
    net, clip = network(), 0.5
    every, without = (sum_clipped(net, learned(net), ROWS[:end], LABELS[:end], clip, CLASSES)[0] for end in (9, 8))
    moved = torch.cat([(every[name] - without[name]).flatten() for name in every]).norm()
    assert 0.1 < float(moved) <= clip * (1 + 1e-4)
    nothing, mean = sum_clipped(net, learned(net), ROWS[:0], LABELS[:0], clip, CLASSES)
    assert float(mean) == 0
    assert not any(part.any() for part in nothing.values())


def trained(
    plan: Plan, recipe: Recipe = RECIPE, labels: Tensor = LABELS, rows: Tensor = ROWS, people: Tensor | None = None
) -> nn.Module:
    net = network()
    feed = FeatureFeed([InMemory(rows, labels)], (3, 4, 4), recipe.batch_size, CPU, torch.float32)
    refine_privately(
        net, feed, recipe, plan, people=people,
        stream=Stream(0, "a1", "poison"), compute=COMPUTE, progress=Progress(), task=CLASSES,
    )  # fmt: skip
    return net


def test_without_clipping_noise_and_sampling_it_is_a_plain_step_with_statistics_that_stay() -> None:
    found, expected = trained(Plan(1e9, 1.0, 1, 0.0)), network()
    nn.functional.cross_entropy(expected(ROWS), LABELS).backward()
    with torch.no_grad():
        for weight in expected.parameters():
            assert weight.grad is not None
            weight -= 0.1 * 1.9 * weight.grad  # the first step of Nesterov's momentum .9
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, atol=1e-5, rtol=1e-4)


def test_where_gradients_are_clipped_to_nothing_only_noise_is_left() -> None:
    tiny = 1e-9
    net, others = trained(Plan(tiny, 1.0, 1, 1e9)), trained(Plan(tiny, 1.0, 1, 1e9), labels=4 - LABELS)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, others.state_dict()[name])
    moved = torch.cat([(net.get_parameter(name) - weight).flatten() for name, weight in network().named_parameters()])
    assert float(moved.detach().std()) == pytest.approx(0.19 / len(ROWS), rel=0.1)  # sigma · clip = 1, over the rows


def test_samples_are_drawn_anew_in_each_step_and_alike_in_each_run() -> None:
    recipe = Recipe(epochs=2, batch_size=20, optimizer="sgd", learning_rate=0.1)
    plan = Plan(1.0, 20 / len(ROWS), 8, 0.5)
    one, two = trained(plan, recipe), trained(plan, recipe)
    assert all(torch.equal(one.state_dict()[name], value) for name, value in two.state_dict().items())
    assert not torch.equal(one.get_parameter("0.weight"), network().get_parameter("0.weight"))
    assert (
        copy.deepcopy(one).state_dict()["1.running_mean"].tolist() == network().state_dict()["1.running_mean"].tolist()
    )


def test_who_has_the_same_image_many_times_counts_once() -> None:
    """Without noise and sampling a step is that of one row of each person, whichever of equal ones it is."""
    people = torch.tensor([0, 0, 0, 1, 2, 2, 3])
    once, plan = trained(Plan(0.5, 1.0, 1, 0.0), rows=ROWS[:4], labels=LABELS[:4]), Plan(0.5, 1.0, 1, 0.0)
    many = trained(plan, rows=ROWS[people], labels=LABELS[people], people=people)
    for name, value in once.state_dict().items():
        torch.testing.assert_close(many.state_dict()[name], value, atol=1e-6, rtol=1e-5)


def test_of_each_person_a_row_of_theirs_is_drawn_any_of_them() -> None:
    people, generator = torch.tensor([2, 0, 1, 2, 0, 2]), torch.Generator().manual_seed(0)
    taken = torch.tensor([0, 2])
    drawn = torch.stack([draw_rows(people, taken, generator) for _ in range(200)])
    assert torch.equal(people[drawn], taken.expand(200, 2))
    assert {*drawn[:, 0].tolist()} == {1, 4}
    assert {*drawn[:, 1].tolist()} == {0, 3, 5}


def test_of_people_there_are_fewer_steps_and_each_takes_a_larger_share() -> None:
    pytest.importorskip("dp_accounting")
    plan, held = plan_steps(8, 1e-5, "identity", clip=1.0, rows=1000, people=100, batch_size=20, epochs=3)
    assert (plan.sampling_rate, plan.steps, held.unit) == (0.2, 15, "identity")
    assert (plan, held.epsilon) == (plan_steps(8, 1e-5, "image", clip=1.0, rows=100, batch_size=20, epochs=3)[0], 8)
    with pytest.raises(EntityError, match="nothing is known of who"):
        plan_steps(8, 1e-5, "identity", clip=1.0, rows=1000, batch_size=20, epochs=3)
