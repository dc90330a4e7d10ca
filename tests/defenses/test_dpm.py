"""How a DPM is fitted by its options: opponents, folds, an early end, images that are shifted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from collab.defenses.base import PrivateView
from collab.defenses.dpm import DpmDefense
from collab.defenses.options import Dpm, UntilGap
from collab.errors import EntityError
from collab.training import poisoning
from collab.training.augmentation import draw_shifts, shift_and_flip
from collab.training.feeds import FeatureFeed, InMemory, Pictures
from collab.training.losses import inversion_loss
from collab.training.progress import Progress
from collab.training.tasks import Pose
from tests.defenses.fitting import (
    CHANNELS,
    COMPUTE,
    DPM,
    OPTIONS,
    STREAM,
    protected,
    reconstructor,
    with_options,
)
from tests.digests import state_digest


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

    monkeypatch.setattr(poisoning, "inversion_loss", watched)
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


def relabeled(view: PrivateView, rows: Tensor) -> PrivateView:
    """The view with other labels of these rows; features, and with them what a hash picks, stay."""
    x, y, _ = zip(*view.features.batches(None), strict=True)
    labels = torch.cat(y).clone()
    labels[rows] = (labels[rows] + 1) % 3
    return replace(view, features=replace(view.features, readers=[InMemory(torch.cat(x).half(), labels)]))


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

    monkeypatch.setattr(poisoning, "reconstruction_disparity", watched)
    monkeypatch.setattr(poisoning, "fold", lambda network: network)
    defense = with_options(augment=True)
    defense.fit(nn.Conv2d(CHANNELS, CHANNELS, 1), replace(view, reconstructor=nn.Identity()))
    generator = view.stream.torch("epoch 0")
    order = torch.randperm(24, generator=generator)
    plain = view.images.take(order[:8].numpy(), COMPUTE.device)
    shown, is_mirrored = shift_and_flip(plain, generator)
    assert is_mirrored.any()
    torch.testing.assert_close(seen[0][1], shown)
    assert not torch.equal(shown, plain)


def test_augmented_passes_give_f_of_what_they_show_and_turn_its_pose(view: PrivateView) -> None:
    pose = Pose(("roll", "yaw", "pitch"))
    angles = torch.arange(72.0).view(24, 3)
    feed = FeatureFeed(
        [InMemory(torch.zeros(24, CHANNELS, 8, 8).half(), angles)], (CHANNELS, 8, 8), 24, COMPUTE.device,
    )  # fmt: skip
    passes = poisoning._augmented(
        feed.beside(Pictures(view.images, COMPUTE.device)), view.featurizer, torch.float16, pose, COMPUTE
    )
    ((features, turned, shown),) = passes(torch.Generator().manual_seed(5))
    with torch.no_grad():
        torch.testing.assert_close(features, view.featurizer(shown).half().float())
    again = torch.Generator().manual_seed(5)
    rows = torch.randperm(24, generator=again)
    mirrored = draw_shifts(24, 16, again)[:, 2] > 0
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
