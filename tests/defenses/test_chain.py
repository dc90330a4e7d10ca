"""What a chain makes of features and how it and options of a DPM are fitted, against doing it by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from collab.defenses.base import Defense, PrivateView
from collab.defenses.chain import Chain, Stages
from collab.defenses.class_gaussian import ClassGaussian
from collab.defenses.dpm import DpmDefense
from collab.defenses.gaussian_filter import GaussianFilter
from collab.defenses.gaussian_noise import GaussianNoise
from collab.defenses.mean_filter import MeanFilter
from collab.defenses.none import NoDefense
from collab.defenses.options import Dpm, UntilGap
from collab.defenses.pooling import Pooling
from collab.defenses.quantization import Quantization
from collab.errors import EntityError
from collab.models.backbones import build_split
from collab.models.filters import Noise
from collab.models.freeze import freeze
from collab.models.reconstructors import build_reconstructor
from collab.seeding import Stream
from collab.training import recipes
from collab.training.feeds import FeatureFeed, ImageSet, Pictures
from collab.training.losses import inversion_loss
from collab.training.precision import resolve_compute
from collab.training.progress import Progress
from collab.training.tasks import CLASSES, Pose
from tests.digests import state_digest

COMPUTE = resolve_compute("fp32", "cpu")
STREAM = Stream(0, "a1", "poison")
CHANNELS = 8
OPTIONS = {"kind": "dpm", "blocks": 1, "epochs": 2, "batch_size": 8}
DPM = DpmDefense.from_options(Dpm(**OPTIONS))
NOISE, MEAN = GaussianNoise(1.0), MeanFilter(3)


class Memory:
    batch_rows = 16

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y, self.rows, self.batches = x, y, len(x), -(-len(x) // 16)

    def read_into(self, x: Tensor, y: Tensor, batch: int, at: int) -> int:
        part = slice(batch * 16, batch * 16 + 16)
        count = len(self.y[part])
        x[at : at + count], y[at : at + count] = self.x[part], self.y[part]
        return count


def reconstructor(kind: str = "px2s2") -> nn.Module:
    with STREAM.initialization(kind):
        return freeze(build_reconstructor(kind, (CHANNELS, 8, 8), 16, tail_blocks=0))


@pytest.fixture
def view() -> PrivateView:
    rng = np.random.default_rng(0)
    images = ImageSet(rng.integers(0, 255, (24, 3, 16, 16), dtype=np.uint8), rng.integers(0, 3, 24))
    with STREAM.initialization():
        split = build_split("resnet8", "conv3_1", classes=3, width=4)
    freeze(split.featurizer), freeze(split.decider)
    with torch.no_grad():
        features = split.featurizer(images.take(np.arange(24), COMPUTE.device)).half()
    feed = FeatureFeed([Memory(features, torch.from_numpy(images.labels))], (CHANNELS, 8, 8), 8, COMPUTE.device)
    return PrivateView(
        feed, images, images, CLASSES, split.decider, reconstructor(), STREAM, COMPUTE, Progress(),
        featurizer=split.featurizer, another=reconstructor, identifier=lambda: (split.decider, 3),
        like_decider=lambda outputs: build_split("resnet8", "conv3_1", classes=outputs, width=4).decider,
    )  # fmt: skip


@pytest.fixture
def fitted(view: PrivateView) -> Callable[..., nn.Module]:
    """The module of a defense, or of several as a chain, fitted on `view`; `changes` are those of the view."""

    def fit(*defenses: Defense, **changes: object) -> nn.Module:
        defense = defenses[0] if len(defenses) == 1 else Chain(defenses)
        with STREAM.initialization():
            module = defense.build(CHANNELS, rectified=True)
        defense.fit(module, replace(view, **changes))
        return module.eval()

    return fit


@pytest.fixture
def features(view: PrivateView) -> Tensor:
    return torch.cat([x for x, _, _ in view.features.batches(None)])


def protected(module: nn.Module, features: Tensor) -> Tensor:
    with torch.no_grad():
        return module(features)


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
    feed = replace(view.features, readers=[Memory(features, view.features.readers[0].y)], dtype=torch.float32)
    filtered = replace(feed, readers=[Memory(fitted(MEAN)(features), feed.readers[0].y)])
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
    feed = replace(view.features, readers=[Memory(5 * features, view.features.readers[0].y)], batch_size=24)
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


def test_a_dpm_may_be_trained_against_further_reconstructors(
    fitted: Callable[..., nn.Module], view: PrivateView
) -> None:
    asked = list[str]()

    def another(kind: str) -> nn.Module:
        asked.append(kind)
        return view.reconstructor if kind == "px2s2" else reconstructor(kind)

    def against(*kinds: str) -> str:
        return state_digest(fitted(replace(DPM, against=kinds), another=another))

    assert asked == []
    alone = state_digest(fitted(DPM, another=another))
    assert asked == []
    assert against("px2s2") == alone  # the mean over R twice is R's
    assert against("rx2s2") != alone
    assert asked == ["px2s2", "rx2s2"]


@pytest.mark.parametrize("loss", ["abs", "clamp", "square", "abs_map", "signed", "l1"])
def test_each_disparity_is_a_dpm_of_its_own(loss: str, fitted: Callable[..., nn.Module]) -> None:
    def trained(loss: str) -> str:
        return state_digest(fitted(DpmDefense.from_options(Dpm(**OPTIONS | {"ssim_loss": loss}))))

    assert trained(loss) == trained(loss)
    assert trained(loss) != trained("abs_map" if loss == "abs" else "abs")


def with_options(**more: object) -> DpmDefense:
    return DpmDefense.from_options(Dpm(**OPTIONS, **more))  # type: ignore[arg-type]


def test_opponents_that_learn_make_another_module_and_leave_the_released_ones_alone(
    fitted: Callable[..., nn.Module], view: PrivateView
) -> None:
    before = state_digest(view.reconstructor)
    found = [state_digest(fitted(with_options(**more))) for more in ({}, {"adapt": True}, {"adapt": True})]
    assert found[0] != found[1] == found[2]
    assert state_digest(fitted(with_options(adapt=True, against=("rx2s2",)))) not in found
    assert state_digest(view.reconstructor) == before


def test_opponents_that_learn_see_through_what_hides_from_none(
    view: PrivateView, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[float]()

    def watched(rebuilt: Tensor, images: Tensor) -> Tensor:
        seen.append(float(inversion_loss(rebuilt, images).detach()))
        return inversion_loss(rebuilt, images)

    monkeypatch.setattr(recipes, "inversion_loss", watched)
    defense = with_options(adapt=True, **{"lambda": 1e-9})
    with STREAM.initialization():
        module = defense.build(CHANNELS, rectified=True)
    replace(defense, recipe=replace(defense.recipe, epochs=20, schedule="constant")).fit(module, view)
    assert np.mean(seen[-3:]) < 0.9 * np.mean(seen[:3])


def test_rotation_takes_its_key_from_the_private_stream(fitted: Callable[..., nn.Module], features: Tensor) -> None:
    rotate = with_options(rotate=2)
    first, other = fitted(rotate), fitted(rotate, stream=replace(STREAM, entity="a2"))
    assert first.key != other.key
    assert len({state_digest(module) for module in first.each}) == 2
    assert torch.equal(protected(fitted(rotate), features), protected(first, features))


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


def relabeled(view: PrivateView, rows: Tensor) -> PrivateView:
    """The view with other labels of these rows; features, and with them what a hash picks, stay."""
    x, y, _ = zip(*view.features.batches(None), strict=True)
    labels = torch.cat(y).clone()
    labels[rows] = (labels[rows] + 1) % 3
    return replace(view, features=replace(view.features, readers=[Memory(torch.cat(x).half(), labels)]))


def test_no_module_of_cross_fit_has_seen_the_rows_that_it_poisons(
    view: PrivateView, fitted: Callable[..., nn.Module], features: Tensor
) -> None:
    """Other labels of the rows that one module poisons change all modules but that one."""
    defense = with_options(cross_fit=2)
    module = fitted(defense)
    picked = module.pick(features)
    assert picked.bincount(minlength=2).min() > 0
    for number, part in enumerate(module.each):
        changed = fitted(defense, features=relabeled(view, picked == number).features)
        same = [state_digest(one) == state_digest(other) for one, other in zip(module.each, changed.each, strict=True)]
        assert same == [each == number for each in range(2)]
        rows = features[picked == number]
        torch.testing.assert_close(protected(module, features)[picked == number], protected(part, rows))


def test_cross_fit_of_fewer_rows_than_it_takes_says_so(view: PrivateView) -> None:
    defense, few = with_options(cross_fit=2), view.at(np.array([3]))
    module = defense.build(CHANNELS, rectified=True)
    with pytest.raises(EntityError, match=r"cross_fit: 2 leaves . of 1 own rows for module . to learn from; 2 are"):
        defense.fit(module, few)


def test_rows_that_are_held_out_for_g_are_not_learned_from(view: PrivateView, fitted: Callable[..., nn.Module]) -> None:
    """And as long as G allows it, it is the module that learns on the others alone."""
    until = with_options(until={"gap": 99.0, "share": 0.25})
    order = view.stream.numpy("held").permutation(24)
    held, kept = torch.from_numpy(order[:6]), np.sort(order[6:])
    module = state_digest(fitted(until))
    assert state_digest(fitted(until, features=relabeled(view, held).features)) == module
    assert state_digest(fitted(until, features=relabeled(view, torch.from_numpy(kept)).features)) != module
    alone = replace(view.at(kept), stream=view.stream)
    assert state_digest(fitted(DPM, features=alone.features, images=alone.images)) == module


def test_a_module_ends_before_c_reads_its_own_rows_too_well(view: PrivateView) -> None:
    """G of each epoch is told; the first that exceeds the limit is undone. Any number may be the limit here."""
    heard = list[float]()

    def losses(limit: float) -> tuple[float, ...]:
        until = UntilGap.model_construct(gap=limit, share=0.5)
        defense = replace(DPM, until=until, recipe=replace(DPM.recipe, epochs=5, learning_rate=0.05))
        with STREAM.initialization():
            module = defense.build(CHANNELS, rectified=True)
        heard.clear()
        telling = Progress(lambda epoch, epochs, loss, terms: heard.append(terms["gap"]))
        return defense.fit(module, replace(view, progress=telling))

    whole, gaps = losses(99.0), list(heard)
    limit = max(gaps[1:]) - 1e-6
    exceeding = next(epoch for epoch, gap in enumerate(gaps) if gap > limit)
    assert len(whole) == 5
    assert losses(limit) == whole[: max(exceeding, 1)]
    assert heard == gaps[: exceeding + 1]


def test_augmented_features_are_those_of_the_images_that_r_is_to_rebuild(
    view: PrivateView, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[tuple[Tensor, Tensor]]()

    def watched(rebuilt: Tensor, images: Tensor, *, ssim_loss: object) -> Tensor:
        seen.append((rebuilt.detach(), images))
        return rebuilt.mean()

    monkeypatch.setattr(recipes, "reconstruction_disparity", watched)
    monkeypatch.setattr(recipes, "fold", lambda network: network)
    defense = with_options(augment=True)
    defense.fit(nn.Conv2d(CHANNELS, CHANNELS, 1), replace(view, reconstructor=nn.Identity()))
    generator = view.stream.torch("epoch 0")
    order = torch.randperm(24, generator=generator)
    plain = view.images.take(order[:8].numpy(), COMPUTE.device)
    shown, is_mirrored = recipes.shift_and_flip(plain, generator)
    assert is_mirrored.any()
    torch.testing.assert_close(seen[0][1], shown)
    assert not torch.equal(shown, plain)


def test_augmented_passes_give_f_of_what_they_show_and_turn_its_pose(view: PrivateView) -> None:
    pose = Pose(("roll", "yaw", "pitch"))
    angles = torch.arange(72.0).view(24, 3)
    feed = FeatureFeed(
        [Memory(torch.zeros(24, CHANNELS, 8, 8).half(), angles)], (CHANNELS, 8, 8), 24, COMPUTE.device,
        label_shape=(3,), label_dtype=torch.float32,
    )  # fmt: skip
    passes = recipes._augmented(
        feed.beside(Pictures(view.images, COMPUTE.device)), view.featurizer, torch.float16, pose, COMPUTE
    )
    ((features, turned, shown),) = passes(torch.Generator().manual_seed(5))
    with torch.no_grad():
        torch.testing.assert_close(features, view.featurizer(shown).half().float())
    again = torch.Generator().manual_seed(5)
    rows = torch.randperm(24, generator=again)
    mirrored = recipes.draw_shifts(24, 16, again)[:, 2] > 0
    assert 0 < mirrored.sum() < 24
    assert torch.equal(turned, torch.where(mirrored[:, None], torch.tensor([-1.0, -1.0, 1.0]), 1.0) * angles[rows])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rotate": 2, "cross_fit": 2}, "`rotate` has no effect with `cross_fit`"),
        ({"augment": True, "confuse": "identification"}, "`augment` does not go with `confuse: identification`"),
        (
            {"label_smoothing": 0.1, "equivalence": "logits"},
            "`label_smoothing` has no effect with `equivalence: logits`",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Dpm(**OPTIONS, **options)  # type: ignore[arg-type]
