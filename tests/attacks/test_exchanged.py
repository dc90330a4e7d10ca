"""Attacks on what is exchanged: rounds tell of a victim's own images and not of others', answers of its classes."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from collab.attacks.base import Attack, Heard, Knowledge, Move, Progress
from collab.attacks.label_distribution import LabelDistribution, draw_unevenly, shift
from collab.attacks.options import LabelDistribution as OfLabels
from collab.attacks.options import RoundDifference as OfRounds
from collab.attacks.round_difference import RoundDifference
from collab.errors import ScenarioError
from collab.metrics.membership import auc
from collab.participants.attacking import guess_name
from collab.participants.guessing import distribution_measures
from collab.report.attack_page.cells import judge_attacks, name_defenses
from collab.report.attack_page.verdicts import describe_verdicts, judge_defenses
from collab.results.opened import open_run
from collab.results.results import Results
from collab.runtime.leak_check import find_unlisted
from collab.runtime.play import Played
from collab.scenario.reader import read_scenario
from collab.seeding import Stream
from collab.store.ledger import read_ledger
from collab.store.release import read_release
from collab.training.feeds import ImageSet
from collab.training.precision import resolve_compute
from collab.training.tasks import Classification
from tests.playing import play_here

SIDE, CLASSES, ROWS = 8, 4, 60
COMPUTE = resolve_compute("fp32", "cpu")
RNG = torch.Generator().manual_seed(0)
MEANS = torch.rand(CLASSES, 3, SIDE, SIDE, generator=RNG)
VICTIMS, OTHERS, OUTSIDE = slice(0, ROWS), slice(ROWS, 2 * ROWS), slice(2 * ROWS, 3 * ROWS)


def images(labels: Tensor) -> Tensor:
    """Noise around the mean image of each class."""
    noise = torch.rand(len(labels), 3, SIDE, SIDE, generator=RNG)
    return 0.2 * MEANS[labels] + 0.8 * noise


LABELS = torch.randint(0, CLASSES, (5 * ROWS,), generator=RNG)
IMAGES = images(LABELS)
PUBLIC = images(torch.randint(0, CLASSES, (600,), generator=RNG))


def the_decider() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, CLASSES))


def taught(x: Tensor, y: Tensor, steps: int = 60) -> nn.Module:
    decider = copy.deepcopy(the_decider())
    optimizer = torch.optim.Adam(decider.parameters(), 0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(decider(x), y).backward()
        optimizer.step()
    return decider


def by_heart(*rows: slice) -> nn.Module:
    """C after it has learned random labels by heart: whatever it knows is of these rows alone."""
    random = torch.randint(0, CLASSES, LABELS.shape, generator=torch.Generator().manual_seed(5))
    return taught(torch.cat([IMAGES[each] for each in rows]), torch.cat([random[each] for each in rows]))


def answers(decider: nn.Module) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return PUBLIC, decider(PUBLIC).softmax(1)


def ask(attack: Attack, shard: tuple[Tensor, Tensor], **known: object) -> Tensor:
    facts = {
        "task": Classification(tuple("abcd")), "featurizer": nn.Identity(), "decider": the_decider(), **known,
    }  # fmt: skip
    knowledge = Knowledge("this test", *shard, attack.asks_for, **facts)
    return attack.rebuild(knowledge, Stream(0, "eve", "attack"), COMPUTE, Progress())


def scores(*moves: Move) -> np.ndarray:
    """Of images of the victim, of others who took part, and of nobody."""
    attack = RoundDifference.from_options(
        OfRounds(kind="round_difference", epochs=12, batch_size=64, learning_rate=0.2)
    )
    random = torch.randint(0, CLASSES, LABELS.shape, generator=torch.Generator().manual_seed(5))
    found = ask(
        attack, answers(the_decider()), moves=moves,
        candidates=IMAGES[: 3 * ROWS], candidate_labels=random[: 3 * ROWS],
    )  # fmt: skip
    return found.numpy()


@pytest.mark.parametrize("are_answers", [False, True])
def test_what_a_round_adds_is_the_victims_and_not_what_all_began_with(are_answers: bool) -> None:
    def heard(decider: nn.Module) -> Heard:
        return answers(decider) if are_answers else decider

    told = scores((None, heard(by_heart(VICTIMS))), (heard(by_heart(OTHERS)), heard(by_heart(OTHERS, VICTIMS))))
    assert auc(told[VICTIMS], told[OUTSIDE]) > 0.8
    assert auc(told[VICTIMS], told[OTHERS]) > 0.8  # the last average knows these: who looks at one round is misled
    misled = scores((None, heard(by_heart(OTHERS, VICTIMS))))
    assert auc(misled[OTHERS], misled[OUTSIDE]) > 0.8


@pytest.mark.parametrize("are_answers", [False, True])
def test_a_round_that_changes_nothing_tells_nothing(are_answers: bool) -> None:
    same = by_heart(OTHERS)
    told = scores((answers(same), answers(same)) if are_answers else (same, same))
    assert 0.35 < auc(told[VICTIMS], told[OUTSIDE]) < 0.65
    assert not scores().any()  # who took part in no round


SHARES = torch.tensor([0.6, 0.25, 0.1, 0.05])


def shares(teacher: nn.Module, shadows: int = 0) -> np.ndarray:
    attack = LabelDistribution.from_options(
        OfLabels(kind="label_distribution", shadows=shadows, epochs=6, batch_size=32, learning_rate=0.05)
    )
    own = (IMAGES * 255).round().to(torch.uint8).numpy()
    return ask(
        attack, answers(teacher), victim_defense=None, own_data=ImageSet(own, LABELS.numpy()), decider=EVEN,
    ).numpy()  # fmt: skip


EVEN = taught(images(torch.arange(400) % CLASSES), torch.arange(400) % CLASSES)
"""A released C that knows all classes alike."""


@pytest.mark.parametrize("shadows", [0, 4])
def test_answers_tell_the_shares_of_the_classes_and_those_of_the_released_c_tell_none(shadows: int) -> None:
    labels = torch.multinomial(SHARES, 400, replacement=True, generator=torch.Generator().manual_seed(3))
    uneven = copy.deepcopy(EVEN)
    optimizer = torch.optim.Adam(uneven.parameters(), 0.01)
    x = images(labels)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(uneven(x), labels).backward()
        optimizer.step()
    even = np.arange(400) % CLASSES
    told, guess = distribution_measures(shares(uneven, shadows), labels.numpy(), even)
    assert told.value < 0.5 * guess.value
    nothing, _ = distribution_measures(shares(EVEN, shadows), labels.numpy(), even)
    assert nothing.value == pytest.approx(guess.value, abs=0.02)


def test_shares_are_bayes_rule_where_a_prior_alone_changes() -> None:
    usual = torch.rand(50, CLASSES, generator=RNG).softmax(1).double()
    changed = usual * SHARES
    found = shift(usual, changed / changed.sum(1, keepdim=True)).softmax(0)
    torch.testing.assert_close(found, SHARES.double(), atol=1e-6, rtol=0)


def test_the_distance_is_half_of_the_sum_of_differences() -> None:
    told, guess = distribution_measures(np.array([0.5, 0.5, 0.0]), np.array([0, 0, 1, 2]), np.array([0, 1, 2]))
    assert (told.metric, told.value) == ("label_distance", pytest.approx(0.25))
    assert (guess.metric, guess.value) == ("label_distance_prior_heldout", pytest.approx(1 / 6))


def test_shadows_have_all_kinds_of_shares() -> None:
    labels = torch.arange(400) % CLASSES
    drawn = [draw_unevenly(labels, CLASSES, torch.Generator().manual_seed(seed)) for seed in range(20)]
    assert all(len(set(each.tolist())) == 200 for each in drawn)
    most = [torch.bincount(labels[each], minlength=CLASSES).max() for each in drawn]
    assert max(most) > 90
    assert min(most) < 75


ROUNDS = """
name: exchanged
data: {source: creatures, image_size: 16, classes: 6, train: 400, test: 80, public_images: 64}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.1, defense: none}
  - {name: a2, share: 0.2, defense: {kind: public_answers, epochs: 1, images: 40, rounds: 2}}
  - {name: a3, share: 0.2, defense: {kind: public_answers, epochs: 1, rounds: 2}}
  - name: spy
    share: 0.1
    kind: curious
    defense: none
    options:
      attacks:
        - {kind: round_difference, rows: 8, candidates: 16, epochs: 1}
        - {kind: round_difference, rows: 8, candidates: 16, row: fed}
        - {kind: label_distribution, epochs: 1, shadows: 1}
        - {kind: answer_membership, rows: 8, candidates: 16, epochs: 1}
        - {kind: membership_inference, by: loss, rows: 8, candidates: 16}
  - {name: noise, kind: control, defense: none, options: {shows: noise, of: a2}}
refine: {epochs: 1}
refinements: [{row: 7, entity: a1, own: features, pool: [a2, a3]}]
federated: [{row: fed, entities: [a1, a2], rounds: 2}]
controls: false
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("exchanged")
    (folder / "exchanged.yaml").write_text(ROUNDS)
    return play_here(read_scenario(folder / "exchanged.yaml", ()).scenario, folder)


def test_each_is_tried_on_who_took_part(played: Played) -> None:
    tried = {(row.attack, row.entity) for row in open_run(played.run).rows if row.attack}
    assert tried == {
        ("round_difference", "a2"), ("round_difference", "a3"),
        ("round_difference[fed]", "a1"), ("round_difference[fed]", "a2"),
        ("label_distribution[1 shadows]", "a2"), ("label_distribution[1 shadows]", "a3"),
        ("answer_membership", "a2"), ("answer_membership", "a3"),
        ("membership_inference[loss]", "a1"), ("membership_inference[loss]", "noise"),
    }  # fmt: skip
    found = {row.metric for row in open_run(played.run).rows if row.attack}
    assert {"membership_auc", "label_distance", "label_distance_prior_heldout"} <= found


@pytest.mark.parametrize(("attack", "victim"), [
    ("round_difference", "a2"), ("answer_membership", "a2"), ("membership_inference[loss]", "noise"),
])  # fmt: skip
def test_others_are_known_neither_to_the_released_decider_nor_to_the_adversary(
    attack: str, victim: str, played: Played
) -> None:
    handed, _ = read_release(played.run / "handed" / "private" / "spy", guess_name(attack, victim))
    asked = handed["candidates"]
    own, *familiar = (
        {image.tobytes() for image in np.load(played.run / "private" / name / "images.npy")}
        for name in ("a2", "a1", "spy")
    )
    candidates = [image.numpy().tobytes() for image in asked]
    assert sum(image in own for image in candidates) == 8
    assert len(candidates) == 16
    assert not any(image in known for image in candidates for known in familiar)


def test_what_was_looked_at_is_in_the_ledger(played: Played) -> None:
    read = [each for each in read_ledger(played.run / "ledger.parquet") if each.receiver == "spy"]
    seen = {(each.sender, each.kind) for each in read if each.stage in ("attack", "aggregate")}
    assert {("a2", "shard"), ("a3", "shard"), ("a1", "weights"), ("a2", "weights")} <= seen
    assert find_unlisted(played.run) == []


def test_what_is_found_in_weights_is_held_against_no_defense_of_what_is_published(played: Played) -> None:
    cells = judge_attacks(run := open_run(played.run))
    own = set(name_defenses(run.scenario).values())
    of_weights = {cell.defense for cell in cells if cell.attack == "round_difference[fed]"}
    assert of_weights == {"weights of fed", "weights of fed of a1"}
    assert {cell.defense for cell in cells if cell.attack != "round_difference[fed]"} <= own
    judged = judge_defenses([cell for cell in cells if cell.defense == "weights of fed"])
    assert "the weights of fed, to which a2 sent" in describe_verdicts(judged, name_defenses(run.scenario))


def test_a_federated_row_has_its_gain_over_what_each_has_alone(played: Played) -> None:
    results = Results(open_run(played.run).rows)
    fed, alone = results.find("fed", "a2", "top1"), results.find("c_public", None, "top1")
    own, gain = results.find("c_own_a2", "a2", "top1"), results.find("fed", "a2", "gain[top1]")
    assert fed is not None
    assert alone is not None
    assert gain is not None
    best = max(each.value or 0.0 for each in (alone, own) if each is not None)
    assert gain.value == pytest.approx((fed.value or 0.0) - best)


def test_weights_of_a_row_that_is_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "exchanged.yaml").write_text(ROUNDS.replace("row: fed}", "row: other}"))
    with pytest.raises(ScenarioError, match="looks at weights of row other, and `federated` has fed"):
        play_here(read_scenario(tmp_path / "exchanged.yaml", ()).scenario, tmp_path)
