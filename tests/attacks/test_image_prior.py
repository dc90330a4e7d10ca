"""The image prior: what it does to images, what it breaks and what it may not, and whose truth chooses nothing."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from collab.attacks.base import Attack, Compute, Knowledge, Progress, Stream
from collab.attacks.image_prior import Fit, ImagePrior, make_likely
from collab.attacks.leaked_pairs import LeakedPairs
from collab.attacks.options import ImagePrior as Options
from collab.attacks.prior import Components, Prior
from collab.attacks.straw_man import StrawMan
from collab.metrics.priors import class_mean_prior
from collab.metrics.visual import ssim
from collab.models.flow import ConditionalFlow
from collab.training.loop import Recipe
from tests.attacks.test_suite import (
    COMPUTE,
    DEFENSES,
    FEATURES,
    IMAGES,
    LABELS,
    PUBLIC,
    ROWS,
    STREAM,
    images_of,
    known_to,
    to_set,
)

RECIPE = Recipe(10, 32, "adamw", 2e-3, schedule="one_cycle")
WEIGHTS = (0.0, 1.0)


class Same(nn.Module):
    """A module of no defense."""

    def forward(self, features: Tensor) -> Tensor:
        return features


@pytest.fixture(autouse=True)
def no_shadow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe of who defends nothing: its module changes nothing."""
    monkeypatch.setattr("collab.attacks.image_prior.fit_shadow", lambda *_, **__: Same())


def of_attack(attack: Attack, pairs: int = 0) -> ImagePrior:
    return ImagePrior(attack, 32, WEIGHTS, RECIPE, pairs)


def rehearsed(attack: ImagePrior, **more: object) -> dict[str, Tensor]:
    known = known_to(attack, FEATURES, victim_defense=None, **more)
    known.features, known.labels = FEATURES[:0], LABELS[:0]
    return attack.rehearse(known, STREAM, COMPUTE, Progress())


def answer(attack: ImagePrior, kept: dict[str, Tensor], defense: str) -> Tensor:
    known = known_to(attack, DEFENSES[defense](FEATURES), victim_defense=None)
    known.rehearsed = kept
    return attack.rebuild(known, STREAM, COMPUTE, Progress())


STRAW, PAIRS = of_attack(StrawMan()), of_attack(LeakedPairs(80, (1,), 0), 80)


@pytest.fixture(scope="module")
def learned() -> dict[str, dict[str, Tensor]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collab.attacks.image_prior.fit_shadow", lambda *_, **__: Same())
        return {"straw": rehearsed(STRAW), "pairs": rehearsed(PAIRS)}


@pytest.mark.parametrize("name", ["straw", "pairs"])
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize(("defense", "is_broken"), [("D0", True), ("D5", False), ("D6", False)])
def test_controls(
    learned: dict[str, dict[str, Tensor]], name: str, weight: float, defense: str, is_broken: bool
) -> None:
    attack = {"straw": STRAW, "pairs": PAIRS}[name]
    kept = learned[name] | {"chosen.weight": torch.tensor(weight)}  # whichever were chosen
    prior = ssim(class_mean_prior(IMAGES[:ROWS], LABELS[:ROWS]), IMAGES[:ROWS])
    gain = ssim(answer(attack, kept, defense), IMAGES[:ROWS]) - prior
    assert (float(gain.mean()) > 2 * float(gain.std()) / math.sqrt(ROWS)) == is_broken


@dataclass(frozen=True)
class Grainy(Attack):
    """R under heavy noise: what a prior should help."""

    needs = frozenset({"reconstructor"})

    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        shown: Tensor = known.reconstructor(known.features)
        noise = torch.randn(shown.shape, generator=torch.Generator().manual_seed(len(shown)))
        return (shown + 0.3 * noise).clamp(0, 1)


def test_noisy_images_come_out_more_alike_and_the_rehearsal_chooses_so() -> None:
    attack = of_attack(Grainy())
    kept = rehearsed(attack)
    assert kept["chosen.weight"] == 1
    assert kept["chosen.alike"][1] > kept["chosen.alike"][0] + 0.05
    shown = Grainy().rebuild(known_to(attack, FEATURES, victim_defense=None), STREAM, COMPUTE, Progress())
    gained = ssim(answer(attack, kept, "D0"), IMAGES[:ROWS]) - ssim(shown, IMAGES[:ROWS])
    assert float(gained.mean()) > 0.05


def test_exact_images_stay_as_they_are(learned: dict[str, dict[str, Tensor]]) -> None:
    """R inverts F exactly here, so that a rehearsal that looked at anything else would choose to change images."""
    assert learned["straw"]["chosen.weight"] == 0
    shown = StrawMan().rebuild(known_to(STRAW, FEATURES, victim_defense=None), STREAM, COMPUTE, Progress())
    assert torch.equal(answer(STRAW, learned["straw"], "D0"), shown)


def test_what_is_chosen_follows_from_public_images_alone(learned: dict[str, dict[str, Tensor]]) -> None:
    others = known_to(STRAW, 9 * FEATURES.flip(1), victim_defense=None)
    again = STRAW.rehearse(others, STREAM, COMPUTE, Progress())
    assert again.keys() == learned["straw"].keys()
    assert all(torch.equal(again[name], value) for name, value in learned["straw"].items())
    public = rehearsed(STRAW, public_data=to_set(images_of(300, 9)))
    assert not torch.equal(public["prior.mean"], learned["straw"]["prior.mean"])


def test_the_other_attack_gets_what_it_asks_for_and_no_more() -> None:
    @dataclass(frozen=True)
    class Greedy(Attack):
        needs = frozenset({"reconstructor"})

        def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
            return known.decider(known.features)  # type: ignore[no-any-return]

    with pytest.raises(Exception, match="Greedy within image_prior uses decider, which it does not ask for"):
        rehearsed(of_attack(Greedy()))


def linear_prior(size: int = 2) -> Prior:
    """The standard normal density over the first values of images of 2×2 pixels."""
    flow = ConditionalFlow(size, 1, layers=0).requires_grad_(False)
    return Prior(
        Components(torch.full((12,), 0.5), torch.eye(12)[:, :size], torch.full((size,), 0.1)), flow, torch.ones(1)
    )


@pytest.mark.parametrize("weight", [0.5, 1.0, 2.0])
def test_under_a_normal_density_the_likeliest_image_has_a_closed_form(weight: float) -> None:
    gain, offset, noise = torch.tensor([0.5, 1.0]), torch.tensor([0.2, 0.0]), torch.tensor([0.4, 2.0])
    fit = Fit(gain, offset, noise, torch.stack([gain, 0 * gain]), torch.tensor(0.25))
    prior, generator = linear_prior(), torch.Generator().manual_seed(0)
    shown = 0.5 + 0.05 * torch.randn(4, 3, 2, 2, generator=generator)
    codes, rest = prior.components.encode(shown)
    found = gain * (codes - offset) / (gain**2 + weight * noise**2)
    expected = prior.components.decode(found, 0.25 * rest)
    torch.testing.assert_close(make_likely(prior, fit, shown, torch.zeros(4, 1), weight), expected, rtol=0, atol=2e-3)


def test_a_weight_of_zero_changes_nothing_and_a_large_one_answers_the_mode() -> None:
    prior = linear_prior()
    fit = Fit(
        torch.ones(2), torch.zeros(2), torch.ones(2), torch.stack([torch.ones(2), torch.zeros(2)]), torch.tensor(0.0)
    )
    shown = 0.5 + 0.05 * torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    assert make_likely(prior, fit, shown, torch.zeros(4, 1), 0.0) is shown
    far = make_likely(prior, fit, shown, torch.zeros(4, 1), 1e4)
    torch.testing.assert_close(far, torch.full_like(far, 0.5), rtol=0, atol=2e-3)


def test_a_fit_finds_the_lines_that_codes_were_made_by() -> None:
    generator = torch.Generator().manual_seed(0)
    true, rest = torch.randn(4000, 2, generator=generator), torch.randn(4000, 3, generator=generator)
    noise = torch.tensor([0.1, 0.5]) * torch.randn(4000, 2, generator=generator)
    fit = Fit.of((torch.tensor([2.0, -0.3]) * true + 1 + noise, 2 * rest), (true, rest))
    torch.testing.assert_close(fit.gain, torch.tensor([2.0, -0.3]), rtol=0, atol=0.05)
    torch.testing.assert_close(fit.offset, torch.ones(2), rtol=0, atol=0.05)
    torch.testing.assert_close(fit.noise, torch.tensor([0.1, 0.5]), rtol=0.05, atol=0)
    torch.testing.assert_close(fit.rest, torch.tensor(0.5))
    unrelated = Fit.of((torch.randn(4000, 2, generator=generator), -rest), (true, rest))
    assert unrelated.gain.abs().max() < 0.06
    assert unrelated.rest == 0


def test_components_are_those_of_the_covariance_and_leave_the_rest() -> None:
    with STREAM.initialization():
        found = Components.of(PUBLIC, 8)
    codes, rest = found.encode(IMAGES)
    torch.testing.assert_close(found.decode(codes, rest), IMAGES)
    own, _ = found.encode(PUBLIC)
    torch.testing.assert_close(own.std(0, correction=0), torch.ones(8), rtol=1e-4, atol=0)
    values = torch.linalg.eigvalsh(torch.cov(PUBLIC.flatten(1).T.double(), correction=0)).flip(0)[:8]
    torch.testing.assert_close(found.spread.double() ** 2, values, rtol=2e-2, atol=0)
    assert (rest.flatten(1) @ found.axes).abs().max() < 1e-3


def test_a_prior_kept_as_tensors_is_the_same(learned: dict[str, dict[str, Tensor]]) -> None:
    state = {name[6:]: value for name, value in learned["straw"].items() if name.startswith("prior.")}
    prior = Prior.of_state(state)
    assert prior.state().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in prior.state().items())
    likely = prior.flow(
        prior.components.encode(PUBLIC)[0], prior.condition(torch.zeros(len(PUBLIC), dtype=torch.int64))
    )
    noise = prior.flow(3 * torch.randn(300, 32), prior.condition(torch.zeros(300, dtype=torch.int64)))
    assert likely.mean() > noise.mean() + 32  # a nat for each component


def test_a_class_that_no_public_image_is_taken_for_has_no_condition() -> None:
    prior = replace(linear_prior(), told=torch.tensor([1.0, 0.0, 1.0]))
    assert prior.condition(torch.tensor([0, 1, 2])).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    angles = replace(prior, told=torch.tensor([[1.0, 10.0], [2.0, 5.0]]))
    assert angles.condition(torch.tensor([[3.0, 20.0]])).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("of", "mistake"),
    [
        ("matching", "must be one of adversarial_alignment"),
        ({"kind": "image_prior"}, "must be one of"),
        ({"kind": "own_module", "allies": ("a2",)}, "must have no allies"),
    ],
)
def test_what_no_prior_can_be_put_to_is_refused(of: object, mistake: str) -> None:
    with pytest.raises(ValueError, match=mistake):
        Options.model_validate({"kind": "image_prior", "of": of})


def test_it_is_of_the_class_of_the_other_attack() -> None:
    options = Options.model_validate({"kind": "image_prior", "of": {"kind": "leaked_pairs", "pairs": 8}})
    assert options.label == "image_prior[leaked_pairs,8]"
    assert options.hand_out is not None
    assert options.hand_out.pairs == 8
    made = ImagePrior.from_options(options)
    assert made.of == LeakedPairs(8, (1, 3), 20)
    assert made.pairs == 8
    assert "pairs" in made.asks_for
