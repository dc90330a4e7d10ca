"""A run in which an entity answers about public images: its shard, who reads it, what is measured, what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from collab.errors import EntityError, ScenarioError, ShardCorrupt
from collab.models.backbones import build_split
from collab.report.tables.tables import make_tables
from collab.results.opened import open_run
from collab.results.results import Results
from collab.runtime.play import Played
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.seeding import Stream
from collab.store.ledger import read_ledger
from collab.store.release import read_release
from collab.store.shards import ShardSpec, Written, open_shard
from collab.store.store import Store
from tests.playing import lend, play_here

ANSWERING = """
name: answering
data: {source: creatures, image_size: 16, classes: 6, train: 400, test: 80, public_images: 64}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.1, defense: none}
  - {name: a2, share: 0.2, defense: {kind: public_answers, epochs: 1, images: 40, temperature: 2.0}}
  - {name: liar, share: 0.2, kind: mislabeler, options: {fraction: 1.0}, defense: {kind: public_answers, epochs: 1}}
  - name: mixing
    share: 0.2
    defense: {kind: public_answers, epochs: 1, images: 20, choose: unsure, mixes: 1, bits: 3, cross_fit: 2}
  - {name: spy, share: 0.1, kind: curious, options: {victims: [a2], attacks: [ANSWER, straw_man]}, defense: none}
disclosure: {}
refine: {epochs: 1}
refinements:
  - {row: 7, entity: a1, own: features, pool: [a2, liar], vet: holdout}
  - {row: 8, entity: a1, own: features, pool: [mixing]}
controls: false
""".replace("ANSWER", "{kind: answer_membership, rows: 8, candidates: 16, epochs: 1, shadows: 1}")
CLASSES = 3


def read(folder: Path, *overrides: str) -> Scenario:
    (folder / "answering.yaml").write_text(ANSWERING)
    return read_scenario(folder / "answering.yaml", overrides).scenario


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("answering")
    return play_here(read(folder), folder)


def published(played: Played, entity: str, mixes: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    store, public = Store(played.run / "store"), Written.read(played.run / "public" / "features")
    (record,) = store.records(entity)
    spec = ShardSpec((CLASSES, 1, 1), "float16", (1 + mixes) * public.rows, public.sha256, "public_row")
    answers, rows = store.open(record, spec).load()
    return answers[:, :, 0, 0].float(), rows


def public_features(played: Played) -> torch.Tensor:
    """F(z) of all public images, from the images and the weights in files."""
    featurizer = build_split("resnet8", "conv3_1", classes=CLASSES, width=4).featurizer
    featurizer.load_state_dict(read_release(played.run / "release", "featurizer")[0])
    images = torch.from_numpy(np.load(played.run / "public" / "images.npy")).float() / 255
    with torch.no_grad():
        features: torch.Tensor = featurizer.eval()(images).half().float()
    return features


def outputs(played: Played, features: torch.Tensor, state: dict[str, torch.Tensor]) -> torch.Tensor:
    """What the decider with these weights makes of features."""
    decider = build_split("resnet8", "conv3_1", classes=CLASSES, width=4).decider
    decider.load_state_dict(state)
    with torch.no_grad():
        answered: torch.Tensor = decider.eval()(features)
    return answered


def own_decider(played: Played, entity: str, prefix: str = "decider.") -> dict[str, torch.Tensor]:
    state, _ = read_release(played.run / "private" / entity, "defense")
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def expected(played: Played, entity: str, rows: torch.Tensor, temperature: float) -> torch.Tensor:
    """softmax(C_i(F(z)) / T), from the images and the weights in files."""
    answered = outputs(played, public_features(played)[rows], own_decider(played, entity))
    return torch.softmax(answered / temperature, 1)


def test_the_shard_holds_the_answers_of_the_own_decider_about_the_images_that_it_names(played: Played) -> None:
    answers, rows = published(played, "a2")
    assert len(rows) == 40
    torch.testing.assert_close(answers, expected(played, "a2", rows, 2.0), atol=0.02, rtol=0)
    released = read_release(played.run / "release", "decider")[0]
    own = read_release(played.run / "private" / "a2", "defense")[0]
    assert any(not torch.equal(own[f"decider.{name}"], value) for name, value in released.items())


def test_answers_are_about_the_images_that_the_released_decider_is_least_sure_of(played: Played) -> None:
    _, rows = published(played, "mixing", mixes=1)
    told = outputs(played, public_features(played), dict(read_release(played.run / "release", "decider")[0]))
    entropy = torch.distributions.Categorical(logits=told).entropy()
    chosen = torch.zeros(64, dtype=torch.bool)
    chosen[rows[:20]] = True
    assert int(chosen.sum()) == 20
    assert entropy[chosen].min() > entropy[~chosen].max() - 0.02  # the run may have been in bf16


def test_mixes_are_answered_by_a_committee_in_eighths(played: Played) -> None:
    answers, rows = published(played, "mixing", mixes=1)
    assert rows[20:].tolist() == (rows[:20] + 64).tolist()
    features = public_features(played)
    partners = torch.from_numpy(Stream(0, "everybody", "mixes").numpy("1").permutation(64))
    asked = torch.cat([features[rows[:20]], (features + features[partners])[rows[:20]] / 2])
    both = [outputs(played, asked, own_decider(played, "mixing", f"decider.each.{part}.")) for part in range(2)]
    assert not torch.equal(*both)
    assert torch.equal(8 * answers, (8 * answers).round())
    torch.testing.assert_close(answers, torch.softmax((both[0] + both[1]) / 2, 1), atol=0.15, rtol=0)


def test_who_expects_no_mixes_refuses_a_shard_of_them(played: Played) -> None:
    with pytest.raises(ShardCorrupt, match="classes is b'128', expected is b'64'"):
        published(played, "mixing")


def test_peers_learn_from_images_and_mixes(played: Played) -> None:
    assert (found := Results(open_run(played.run).rows).find("8", "a1", "rows_from[mixing]")) is not None
    assert found.value == 40


def test_who_mislabels_says_of_a_class_what_it_found_of_another(played: Played) -> None:
    answers, rows = published(played, "liar")
    true = expected(played, "liar", rows, 1.0)
    assert len(rows) == 64
    torch.testing.assert_close(answers.sort(1).values, true.sort(1).values, atol=0.02, rtol=0)
    apart = true.max(1).values - true.sort(1).values[:, -2] > 0.05
    assert not (answers.argmax(1) == true.argmax(1))[apart].any()


def test_peers_read_answers_and_the_ledger_names_a_few_bytes(played: Played) -> None:
    results = Results(open_run(played.run).rows)
    assert results.find("7", "a1", "harm[a2]") is not None
    assert results.find("7", "a1", "rows_from[liar]") is not None
    crossed = [each for each in read_ledger(played.run / "ledger.parquet") if each.kind == "shard"]
    by = {(each.stage, each.sender): each for each in crossed}
    assert by["publish", "a2"].shape == (40, CLASSES, 1, 1)
    assert by["publish", "a2"].bytes < by["publish", "a1"].bytes / 5
    assert ("refine", "a2") in by


def test_its_own_decider_is_measured_in_a_table_and_nothing_of_rows_that_are_not_there(played: Played) -> None:
    opened = open_run(played.run)
    results = Results(opened.rows)
    assert results.find("tables_1_2", "a2", "top1_answering") is not None
    assert results.find("tables_1_2", "a2", "top1_poisoned") is None
    assert not results.of("disclosure", "a2")
    assert results.of("disclosure", "a1")
    tables = {table.title: table for table in make_tables(opened.scenario, opened.rows)}
    assert [line[0] for line in tables["Answers about public images"].lines] == ["a2", "liar", "mixing"]
    (line,) = [line for line in tables["Table 5: refinement"].lines if line[0] == "7"]
    assert line[2] == "F(a1) ∪ A(a2) ∪ A(liar)"


def test_only_attacks_on_answers_are_tried_on_who_answers(played: Played) -> None:
    rows = open_run(played.run).rows
    assert {row.attack for row in rows if row.attack} == {"answer_membership[1 shadows]"}
    assert any(row.metric == "membership_auc" for row in rows)


def test_a_shard_about_other_public_images_is_refused(played: Played) -> None:
    store, public = Store(played.run / "store"), Written.read(played.run / "public" / "features")
    (record,) = store.records("a2")
    other = ShardSpec((CLASSES, 1, 1), "float16", public.rows, "0" * 64, "public_row")
    with pytest.raises(Exception, match="featurizer is"):
        open_shard(store.root / record.path, record, other)


@pytest.mark.parametrize(("override", "told"), [
    ("entities.a2.defense=[{kind: public_answers}, {kind: dpm}]", "public_answers changes no row; it stands alone"),
    ("entities.liar={name: liar, share: 0.2, kind: noisy, defense: public_answers}", "publishes no features"),
    ("entities.a2.defense.images=65", "asks for 65 public images, and there are 64"),
    ("data.task=pose", "public_answers needs classes"),
])  # fmt: skip
def test_what_cannot_be_answered_is_refused_before_anything_is_played(override: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=told):
        play_here(read(tmp_path, override), tmp_path)


def test_who_selects_by_class_is_told_that_answers_have_none(tmp_path: Path, played: Played) -> None:
    a_class = open_run(played.run).record["classes"][0]
    wanted = f"entities.a1={{name: a1, share: 0.1, defense: none, kind: selective, options: {{classes: [{a_class}]}}}}"
    lend(played, tmp_path)
    with pytest.raises(EntityError, match="has no class beside each row, but answers about public images"):
        play_here(read(tmp_path, wanted), tmp_path)
