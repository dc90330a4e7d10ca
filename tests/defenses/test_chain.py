"""What a chain makes of features, and how its parts are fitted, against doing it by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from collab.defenses.base import Defense, PrivateView
from collab.defenses.chain import Chain, Stages
from collab.defenses.class_gaussian import ClassGaussian
from collab.defenses.dpm import DpmDefense
from collab.defenses.gaussian_filter import GaussianFilter
from collab.defenses.gaussian_noise import GaussianNoise
from collab.defenses.none import NoDefense
from collab.defenses.options import Dpm
from collab.defenses.pooling import Pooling
from collab.defenses.quantization import Quantization
from collab.models.filters import Noise
from collab.models.freeze import freeze
from collab.training.feeds import InMemory
from tests.defenses.fitting import (
    CHANNELS,
    DPM,
    MEAN,
    NOISE,
    OPTIONS,
    STREAM,
    protected,
    with_options,
)
from tests.digests import state_digest


def test_the_spread_of_the_noise_is_that_of_the_own_rows(fitted: Callable[..., nn.Module], features: Tensor) -> None:
    (spread,) = (value for name, value in fitted(NOISE).state_dict().items() if name == "spread")
    torch.testing.assert_close(spread.flatten(), features.std(dim=(0, 2, 3), correction=0))
    assert spread.std() > 0


def test_the_same_stream_is_the_same_noise_and_another_is_not(
    fitted: Callable[..., nn.Module], features: Tensor
) -> None:
    first = protected(fitted(NOISE), features)
    assert torch.equal(protected(fitted(NOISE), features), first)
    assert not torch.allclose(protected(fitted(NOISE, stream=replace(STREAM, entity="a2")), features), first)


def test_a_chain_of_what_does_not_learn_is_one_after_the_other(
    fitted: Callable[..., nn.Module], features: Tensor
) -> None:
    gaussian = GaussianFilter(5, 1.0)
    one, other = (fitted(each) for each in (MEAN, gaussian))
    torch.testing.assert_close(protected(fitted(MEAN, gaussian), features), other(one(features)))


def test_their_order_matters(fitted: Callable[..., nn.Module], features: Tensor) -> None:
    smooth_noise, noise = (protected(fitted(*pair), features) for pair in ((NOISE, MEAN), (MEAN, NOISE)))

    def roughness(x: Tensor) -> float:
        return float((x[..., 1:] - x[..., :-1]).std())

    assert roughness(noise) > 1.3 * roughness(smooth_noise)


def test_nothing_before_or_after_a_dpm_leaves_it_as_it_is(fitted: Callable[..., nn.Module]) -> None:
    alone = state_digest(fitted(DPM))
    assert state_digest(fitted(NoDefense(), DPM)[1]) == alone
    assert state_digest(fitted(DPM, NoDefense())[0]) == alone
    assert state_digest(fitted(GaussianNoise(0.0), DPM)[1]) == alone


@pytest.mark.parametrize("other", [NOISE, MEAN])
def test_a_dpm_learns_through_what_is_before_and_after_it(other: Defense, fitted: Callable[..., nn.Module]) -> None:
    alone, behind, ahead = fitted(DPM), fitted(other, DPM)[1], fitted(DPM, other)[0]
    assert len({state_digest(module) for module in (alone, behind, ahead)}) == 3


def test_a_dpm_behind_a_filter_is_one_trained_on_filtered_features(
    fitted: Callable[..., nn.Module], view: PrivateView, features: Tensor
) -> None:
    feed = replace(view.features, readers=[InMemory(features, view.features.readers[0].targets())], dtype=torch.float32)
    filtered = replace(feed, readers=[InMemory(fitted(MEAN)(features), feed.readers[0].targets())])
    behind = fitted(MEAN, DPM, features=feed)[1]
    by_hand = fitted(DPM, features=filtered)
    ours, theirs = list(behind.parameters()), list(by_hand.parameters())
    assert ours
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


def test_logits_are_held_to_those_of_features_that_nothing_has_touched(view: PrivateView, features: Tensor) -> None:
    """Behind what lets nothing through P answers all rows alike; no one answer beats the mean of C's on F(x)."""

    class Nothing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 0 * x

    with torch.no_grad():
        answers = view.decider(5 * features).softmax(1)
    best = float((answers * (answers / answers.mean(0)).log()).sum(1).mean())
    assert best > 0.01
    options = OPTIONS | {"equivalence": "logits", "lambda": 0.0, "epochs": 40, "learning_rate": 1e-2, "batch_size": 24}
    feed = replace(view.features, readers=[InMemory(5 * features, view.features.readers[0].targets())], batch_size=24)
    learner = DpmDefense.from_options(Dpm(**options))
    with STREAM.initialization():
        module = learner.build(CHANNELS, rectified=True)
    losses = learner.fit(module, replace(view, features=replace(feed, through=Nothing())))
    assert losses[-1] >= best - 1e-4  # 0 where it were held to what comes through


def test_a_second_noise_draws_otherwise(fitted: Callable[..., nn.Module], features: Tensor) -> None:
    module = fitted(NOISE, NOISE)
    first = protected(module[0], features) - features
    second = protected(module, features) - features - first
    assert torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1].abs() < 0.05


def test_rounding_before_the_noise_does_not_change_it(features: Tensor) -> None:
    class Rough(nn.Module):
        """Depends on its batch mates in the last bits, as convolutions do."""

        def forward(self, x: Tensor) -> Tensor:
            return x * (1 + 1e-6 * len(x))

    noise = Noise(CHANNELS, 1.0)
    noise.fit(torch.ones(CHANNELS, 1, 1), 3)
    module = freeze(Stages(Rough(), noise))
    torch.testing.assert_close(module(features)[:1], module(features[:1]), rtol=1e-3, atol=1e-3)


def test_a_chain_is_kept_and_made_again(fitted: Callable[..., nn.Module], features: Tensor) -> None:
    module = fitted(NOISE, DPM, MEAN)
    again = Chain((NOISE, DPM, MEAN)).build(CHANNELS, rectified=True)
    again.load_state_dict(module.state_dict())
    assert torch.equal(protected(again.eval(), features), protected(module, features))


def test_a_chain_is_private_if_one_of_it_is() -> None:
    assert Chain((NOISE, DPM)).is_private
    assert not Chain((NOISE, MEAN)).is_private


def test_a_dpm_learns_through_pooling_and_levels_behind_it(fitted: Callable[..., nn.Module], features: Tensor) -> None:
    alone = state_digest(fitted(DPM))
    pooled, rounded = fitted(DPM, Pooling(2)), fitted(DPM, Quantization(1))
    assert len({alone, state_digest(pooled[0]), state_digest(rounded[0])}) == 3
    published = protected(rounded, features)
    assert max(len(published[:, channel].unique()) for channel in range(CHANNELS)) == 2
    poisoned = protected(rounded[0], features)
    torch.testing.assert_close(rounded[1].spread.flatten(), poisoned.std(dim=(0, 2, 3), correction=0))


def test_behind_noise_a_row_keeps_the_module_that_the_row_before_noise_picks(
    fitted: Callable[..., nn.Module], features: Tensor
) -> None:
    noise, rotating = (chain := fitted(NOISE, with_options(rotate=2)))
    noisy = protected(noise, features)
    picked = rotating.pick(features)
    assert not torch.equal(picked, rotating.pick(noisy))
    expected = [protected(rotating.each[which], row[None])[0] for which, row in zip(picked, noisy, strict=True)]
    torch.testing.assert_close(protected(chain, features), torch.stack(expected))


def test_own_rows_keep_the_class_of_their_label_behind_noise_too(
    fitted: Callable[..., nn.Module], view: PrivateView, features: Tensor
) -> None:
    alone, (_, behind) = fitted(ClassGaussian(3)), fitted(NOISE, ClassGaussian(3))
    labels = torch.from_numpy(view.images.labels)
    for module in (alone, behind):
        assert torch.equal(module.classes_of(module.numbers(features), features), labels)
    means = torch.stack([features[labels == label].mean(0) for label in range(3)])
    torch.testing.assert_close(alone.means, means)
    assert not torch.allclose(behind.means, means)
    assert (protected(alone, features) >= 0).all()


def test_draws_belong_to_the_stream_of_their_entity(fitted: Callable[..., nn.Module], features: Tensor) -> None:
    first = protected(fitted(ClassGaussian(3)), features)
    assert torch.equal(protected(fitted(ClassGaussian(3)), features), first)
    other = protected(fitted(ClassGaussian(3), stream=replace(STREAM, entity="a2")), features)
    assert not torch.isclose(other, first).flatten(1).all(1).any()
