"""Answers in several rounds: what is averaged, what crosses, what a pool reads, and that own rows are accounted for."""

import shutil
from pathlib import Path

import pytest
import torch

from collab.defenses.options import PublicAnswers as Options
from collab.defenses.public_answers import PublicAnswers
from collab.errors import ScenarioError
from collab.participants import rounds
from collab.participants.rounds import average_answers
from collab.results.opened import open_run
from collab.results.results import Results
from collab.runtime.leak_check import find_unlisted
from collab.runtime.play import Played
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store.ledger import read_ledger
from collab.store.manifest import Record
from collab.store.shards import ShardSpec, Written
from collab.store.store import Store, name_round
from tests.playing import lend, play_here

IN_ROUNDS = """
name: in_rounds
data: {source: creatures, image_size: 16, classes: 6, train: 400, test: 80, public_images: 64}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.1, defense: none}
  - {name: a2, share: 0.2, defense: {kind: public_answers, epochs: 1, batch_size: 16, images: 40, rounds: 3}}
  - {name: a3, share: 0.2, defense: {kind: public_answers, epochs: 1, batch_size: 16, rounds: 3}}
refine: {epochs: 1, batch_size: 16}
refinements:
  - {row: 7, entity: a1, own: features, pool: [a2, a3]}
controls: false
"""
CLASSES, STAGES = 3, ("round 1", "round 2", "publish")


def read(folder: Path, *overrides: str) -> Scenario:
    (folder / "in_rounds.yaml").write_text(IN_ROUNDS)
    return read_scenario(folder / "in_rounds.yaml", overrides).scenario


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("in_rounds")
    return play_here(read(folder), folder)


def record(played: Played, entity: str, stage: str) -> Record:
    (found,) = Store(played.run / "store").records(entity, stage)
    return found


def answers(played: Played, entity: str, stage: str) -> tuple[torch.Tensor, torch.Tensor]:
    public = Written.read(played.run / "public" / "features")
    spec = ShardSpec((CLASSES, 1, 1), "float16", public.rows, public.sha256, "public_row")
    told, rows = Store(played.run / "store").open(record(played, entity, stage), spec).load()
    return rows, told.flatten(1).float()


def test_an_average_counts_whoever_answered_about_an_image_and_by_weight() -> None:
    first = torch.tensor([0, 2]), torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    second = torch.tensor([2, 5]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    rows, mean = average_answers([first, second], [3.0, 1.0])
    assert rows.tolist() == [0, 2, 5]
    torch.testing.assert_close(mean, torch.tensor([[1.0, 0.0], [0.375, 0.625], [0.0, 1.0]]))
    torch.testing.assert_close(average_answers([first, second], [0.0, 0.0])[1][1], torch.tensor([0.25, 0.75]))


def test_each_round_answers_anew_about_the_same_images_and_a_pool_reads_the_last(played: Played) -> None:
    told = [answers(played, "a2", stage) for stage in STAGES]
    assert all(torch.equal(rows, told[0][0]) for rows, _ in told)
    assert len({record(played, "a2", stage).sha256 for stage in STAGES}) == 3
    assert not torch.equal(told[1][1], told[2][1])
    found = Results(open_run(played.run).rows).find("7", "a1", "rows_from[a2]")
    assert found is not None
    assert found.value == 40


def test_all_bytes_are_counted_and_all_crossings_are_in_the_ledger(played: Played) -> None:
    sizes = [record(played, "a2", stage).bytes for stage in STAGES]
    published = Results(open_run(played.run).rows).find("publish", "a2", "bytes_published")
    assert published is not None
    assert published.value == sum(sizes)
    crossed = {(each.digest, each.receiver) for each in read_ledger(played.run / "ledger.parquet")}
    for stage in STAGES:
        assert (record(played, "a2", stage).sha256, "*") in crossed
        assert ((record(played, "a2", stage).sha256, "a3") in crossed) == (stage != "publish")
        assert ((record(played, "a2", stage).sha256, "a1") in crossed) == (stage == "publish")
    assert find_unlisted(played.run) == []


def test_who_learns_nothing_from_a_round_answers_as_if_there_were_none(played: Played, tmp_path: Path) -> None:
    """The steps of `refine` are what averages are learned by: of no length they leave the plain answers, to the bit."""
    still, plain = "refine.learning_rate=1e-30", [f"entities.{name}.defense.rounds=1" for name in ("a2", "a3")]
    lend(played, tmp_path)
    unmoved, once = (play_here(read(tmp_path, *stated), tmp_path) for stated in ((still,), (still, *plain)))
    for name in ("a2", "a3"):
        last = [record(each, name, "publish").sha256 for each in (unmoved, once)]
        assert last[0] == last[1]
        assert record(played, name, "publish").sha256 not in last


def test_answers_count_by_accuracy_where_peers_are_vetted_and_never_with_a_guarantee(
    played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = list[list[float]]()

    def spy(told: list[rounds.Told], weights: list[float]) -> rounds.Told:
        counted.append(weights)
        return average_answers(told, weights)

    monkeypatch.setattr(rounds, "average_answers", spy)
    monkeypatch.setattr(rounds, "_accuracy", lambda entity, decider: 0.25)
    lend(played, tmp_path)
    private = ["dp={epsilon: 50}", "rounds=2"]
    stated = [f"entities.a3.defense.{each}" for each in private] + ["entities.a2.defense.rounds=2"]
    play_here(read(tmp_path, "refine.vet=holdout", *stated), tmp_path)
    assert sorted(counted) == [[0.25, 0.25], [1.0, 1.0]]


def test_a_guarantee_is_of_all_rounds_together() -> None:
    stated = {"kind": "public_answers", "epochs": 4, "batch_size": 8, "dp": {"epsilon": 8}}
    once, thrice = (
        PublicAnswers.from_options(Options.model_validate(stated | {"rounds": n})).guarantee(80) for n in (1, 3)
    )
    assert once is not None
    assert thrice is not None
    assert thrice.epsilon == once.epsilon
    assert thrice.steps == 3 * once.steps
    assert thrice.noise_multiplier > once.noise_multiplier


@pytest.mark.parametrize(("overrides", "told"), [
    (["entities.a3.defense.rounds=1"], "entities.0?.?1.defense.rounds: averages answers of several"),
    (["entities.a3.defense.rounds=2"], "is 2, but 3 of 'a2'; all answer in as many rounds"),
])  # fmt: skip
def test_rounds_take_several_who_count_alike(overrides: list[str], told: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=told):
        read(tmp_path, *overrides)


def test_withdrawing_takes_back_what_was_answered_in_every_round(played: Played, tmp_path: Path) -> None:
    shutil.copytree(played.run / "store", tmp_path / "store")
    store = Store(tmp_path / "store")
    assert len(store.withdraw("a2")) == 3
    assert store.records("a2", stage=None) == ()
    assert store.records("a3", name_round(1)) != ()
    assert all(not each.problem for each in store.verify())
