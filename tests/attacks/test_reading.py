"""What is read through C's blocks, through shadow modules and from pairs; and that nothing is where nothing is."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from collab.attacks import readers
from collab.attacks.attribute_inference import AttributeInference, attributes_of
from collab.attacks.base import Attack, Knowledge, Pairs, classify_adversary
from collab.attacks.identity_inference import IdentityInference
from collab.attacks.options import AttributeInference as AttributeOptions
from collab.attacks.options import IdentityInference as IdentityOptions
from collab.attacks.readers import Reader, divide_groups, nearest_hits
from collab.attacks.reading_options import Through
from collab.errors import EntityError
from collab.models.freeze import freeze
from collab.participants.guessing import nearest_measures, private_measures
from collab.scenario.base import CONTROL
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from tests.attacks.test_suite import (
    CHANNELS,
    COMPUTE,
    DEFENSES,
    ROWS,
    STREAM,
    Fold,
    Progress,
    images_of,
    the_decider,
    to_set,
)

RECIPE = Recipe(20, 32, "adamw", 0.05, weight_decay=0.0, schedule="one_cycle")
LIMITS = torch.tensor([0.36, 0.36])


def told_of(images: Tensor) -> Tensor:
    """Two private attributes that an image has: it is bright, and it is red."""
    return (attributes_of(images)[:, :2] > LIMITS).float()


def crowd(people: int, each: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images of individuals, `each` of every one, in random order: a face, a little changed; and who it is."""
    generator = torch.Generator().manual_seed(seed)
    who = torch.arange(people).repeat_interleave(each)[torch.randperm(people * each, generator=generator)]
    faces, changes = images_of(people, seed), torch.rand(len(who), 3, 1, 1, generator=generator)
    return (0.8 * faces[who] + 0.2 * changes).clamp(0, 1), who


PUBLIC, OWN = images_of(600, 1), images_of(200, 0)
CROWD, WHO = crowd(60, 8, 3)
STRANGERS, NAMES = crowd(25, 8, 4)


class Gain(nn.Module):
    """A module that gives each channel a gain and an offset of its own, drawn for its number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        drawn = torch.rand(2, CHANNELS, 1, 1, generator=torch.Generator().manual_seed(number))
        self.gain, self.offset = 0.3 + 2.7 * drawn[0], drawn[1]

    def forward(self, features: Tensor) -> Tensor:
        return features * self.gain + self.offset


@pytest.fixture(autouse=True)
def gains(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A recipe whose modules are gains: one for each number, and others where another stage fits it."""

    def fit(known: Knowledge, number: int, *args: Any, stream: Any, **how: Any) -> nn.Module:
        return freeze(Gain(number + 100 * stream.stage.endswith("unseen")))

    monkeypatch.setattr(readers, "fit_shadow", fit)
    return


def attributes_by(through: Through | None, depth: int | None = None, pairs: int = 0) -> AttributeInference:
    return AttributeInference(through, depth, 4, 100, None, RECIPE, pairs, 600, "attributes")


def identities_by(through: Through, depth: int | None = None) -> IdentityInference:
    return IdentityInference(through, depth, 4, 100, None, RECIPE, "identities")


def play(attack: Attack, published: Tensor, images: Tensor, public: ImageSet, **told: Any) -> Tensor:
    """What the attack answers about the first rows, having rehearsed; the rest are pairs."""
    pairs = Pairs(published[ROWS:], images[ROWS:], torch.zeros(len(images) - ROWS), told_of(images[ROWS:]))
    had = {
        "featurizer": Fold(), "decider": the_decider(), "reconstructor": nn.Identity(), "public_data": public,
        "victim_defense": None, "pairs": pairs, **told,
    }  # fmt: skip
    before = Knowledge("test", published[:0], torch.zeros(0), attack.asks_for - {"pairs"}, **had)
    known = Knowledge("test", published[:ROWS], torch.zeros(ROWS), attack.asks_for, **had)
    known.shard, known.published = lambda: iter([(published, torch.zeros(len(published)))]), len(published)
    known.rehearsed = attack.rehearse(before, STREAM, COMPUTE, Progress())
    return attack.rebuild(known, STREAM, COMPUTE, Progress())


def shuffled(rows: Tensor) -> Tensor:
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(9))]


HIDDEN = {**DEFENSES, "shuffled": shuffled}


def read(attack: AttributeInference, defense: str) -> tuple[float, float]:
    """mAP of the private attributes of the attacked rows, and that of a guess by public images."""
    answer = play(attack, HIDDEN[defense](Fold()(OWN)), OWN, to_set(PUBLIC), public_attributes=told_of(PUBLIC))
    nothing = torch.zeros(ROWS, dtype=torch.int64)
    measures = private_measures(answer, told_of(OWN[:ROWS]), told_of(PUBLIC), torch.zeros(600), nothing, 0)
    found = {each.metric: each for each in measures}
    assert found["attribute_map"].low is not None
    return found["attribute_map"].low, found["attribute_map_prior_heldout"].value


@pytest.mark.parametrize(
    ("attack", "broken"),
    [
        (attributes_by(None), ("D0",)),
        (attributes_by("decider", 0), ("D0",)),
        (attributes_by("decider", 1), ("D0",)),
        (attributes_by("decider"), ("D0",)),
        (attributes_by("shadows"), ("D0", "D1")),
        (attributes_by(None, pairs=80), ("D0", "D1", "D3")),
    ],
    ids=["ridge", "decider,0", "decider,1", "decider", "shadows", "pairs"],
)
def test_private_attributes_are_read_of_plain_rows_and_not_of_noise_or_of_rows_of_others(
    attack: AttributeInference, broken: tuple[str, ...]
) -> None:
    for defense in broken:
        low, guess = read(attack, defense)
        assert low > guess + 0.2, defense
    for defense in ("D6", "shuffled"):
        low, guess = read(attack, defense)
        assert low < guess, defense


def linked(attack: IdentityInference, defense: str) -> tuple[float, float]:
    """The share of rows whose nearest row is of the same stranger, its lower bound, and chance."""
    published = HIDDEN[defense](Fold()(STRANGERS))
    answer = play(attack, published, STRANGERS, to_set(CROWD), public_identities=WHO.numpy())
    found, chance = nearest_measures(answer, NAMES[:ROWS], None, 0)
    assert found.low is not None
    return found.low, chance.value


@pytest.mark.parametrize(
    ("attack", "broken"),
    [
        (identities_by("decider", 0), ("D0",)),
        (identities_by("decider"), ("D0",)),
        (identities_by("shadows"), ("D0", "D1")),
    ],
    ids=["decider,0", "decider", "shadows"],
)
def test_rows_of_one_individual_lie_near_where_rows_are_plain_and_not_where_nothing_is(
    attack: IdentityInference, broken: tuple[str, ...]
) -> None:
    for defense in broken:
        low, chance = linked(attack, defense)
        assert low > 4 * chance, defense
    for defense in ("D6", "shuffled"):
        low, chance = linked(attack, defense)
        assert low < chance, defense


def test_a_depth_is_chosen_by_what_an_own_module_shows_and_a_broken_one_is_told() -> None:
    """Gains spoil what C reads: its control says so, and that of the shadows, which moments undo, does not."""

    def control(attack: Attack) -> float:
        known = Knowledge(
            "test", torch.zeros(0, CHANNELS, 8, 8), torch.zeros(0), attack.asks_for, featurizer=Fold(),
            decider=the_decider(), reconstructor=nn.Identity(), public_data=to_set(PUBLIC), victim_defense=None,
            public_attributes=told_of(PUBLIC),
        )  # fmt: skip
        return float(attack.rehearse(known, STREAM, COMPUTE, Progress())[CONTROL].mean())

    assert control(attributes_by("shadows")) > 0.15
    assert control(attributes_by("decider", 0)) > 0.15  # no module is trained: of plain features
    assert control(attributes_by("decider")) < 0.05


def test_colors_are_read_through_shadows_too() -> None:
    attack = AttributeInference("shadows", None, 4, 100, None, RECIPE, 0, 600, "colors")
    truth = attributes_of(OWN[:ROWS])

    def r2(defense: str) -> float:
        answer = play(attack, HIDDEN[defense](Fold()(OWN)), OWN, to_set(PUBLIC))
        return 1 - float((answer - truth).square().mean() / (truth - truth.mean(0)).square().mean())

    assert r2("D1") > 0.7
    assert r2("D6") < 0.05


def test_who_is_an_outsider_and_what_each_way_is_given() -> None:
    assert attributes_by("shadows").asks_for == {
        "featurizer", "decider", "reconstructor", "public_data", "victim_defense", "public_attributes",
    }  # fmt: skip
    assert attributes_by("decider", 1).asks_for == {"featurizer", "decider", "public_data", "public_attributes"}
    assert attributes_by(None, pairs=5).asks_for == {"decider", "pairs"}
    assert identities_by("shadows").asks_for >= {"public_identities"}
    assert classify_adversary(identities_by("shadows").asks_for) == "outsider"
    assert classify_adversary(attributes_by(None, pairs=5).asks_for) == "insider"


def test_a_reader_stands_in_the_place_of_the_last_layer_and_begins_with_c() -> None:
    decider, features = the_decider(), Fold()(OWN[:4])
    reader = Reader(decider, 0, 3).eval()
    assert reader(features).shape == (4, 3)
    last = decider[1][2]
    assert isinstance(last, nn.Linear)
    torch.testing.assert_close(last(reader.embed(features)), decider(features))
    assert reader.embed[0] is not decider[0]
    with pytest.raises(EntityError, match="no linear layer"):
        Reader(nn.Sequential(nn.Conv2d(CHANNELS, 2, 1)), 0, 3)


def test_groups_are_never_divided() -> None:
    groups = np.arange(100) // 7
    tried, learned = divide_groups(groups, 30)
    assert sorted([*tried, *learned]) == list(range(100))
    assert not set(groups[tried]) & set(groups[learned])
    assert 7 <= len(tried) <= 30
    assert len(divide_groups(np.arange(10), 256)[0]) == 5


def test_the_nearest_row_is_looked_for_among_those_of_the_same_label() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.9, 0.1], [1.0, 0.05], [-1.0, 0.0], [-0.9, 0.1], [0.0, -3.0]])
    who, labels = torch.tensor([0, 0, 1, 1, 2, 3]), torch.tensor([0, 0, 1, 1, 0, 1])
    hits, chances = nearest_hits(rows, who, labels)
    assert hits.tolist()[:2] == [1, 1]
    assert chances.tolist() == [0.5, 0.5, 0.5, 0.5]  # nobody else of 2 and 3: they are not asked
    assert nearest_measures(rows[-2:], who[-2:], None, 0) == ()


def test_a_guess_says_what_held_out_images_of_the_label_show() -> None:
    truth = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    others, groups = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 0, 0, 1])
    wrong = torch.tensor([[-2.0, -1.0], [-1.0, -1.0]])
    found = {
        each.metric: each.value for each in private_measures(wrong, truth, others, groups, torch.tensor([0, 1]), 0)
    }
    assert found["attribute_accuracy"] == 0.75
    assert found["attribute_accuracy_prior_heldout"] == 1
    assert (found["attribute_map"], found["attribute_map_prior_heldout"]) == (0.5, 1)


def test_options_say_what_goes_together() -> None:
    assert AttributeOptions(kind="attribute_inference").rehearses == "never"
    private = AttributeOptions(kind="attribute_inference", of="attributes", through="shadows")
    assert (private.answers, private.rehearses, private.label) == (
        "private", "for each recipe", "attribute_inference[attributes,shadows]",
    )  # fmt: skip
    plain = IdentityOptions(kind="identity_inference", depth=0)
    assert (plain.rehearses, plain.of_feature_modules, plain.label) == (
        "once", False, "identity_inference[identities,decider,0]",
    )  # fmt: skip
    for wrong in ({"depth": 1}, {"through": "shadows", "pairs": 3}, {"through": "shadows", "depth": 1}):
        with pytest.raises(ValueError, match="no effect"):
            AttributeOptions(kind="attribute_inference", **wrong)  # type: ignore[arg-type]
