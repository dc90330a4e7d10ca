"""A run with encoders in the place of F: what they publish, who can read it, and what is measured of it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from collab.errors import ScenarioError
from collab.metrics.reidentification import embed
from collab.models.recognizer import Individuals
from collab.report.pages.page import write_page
from collab.report.tables.tables import make_tables
from collab.results.opened import open_run
from collab.results.table import Result
from collab.runtime.play import Played, Where, play
from collab.scenario.reader import read_scenario
from collab.store.ledger import read_ledger
from collab.store.pictures import Exhibit, read_pictures
from collab.store.release import read_release

OBFUSCATOR = "{kind: obfuscator, epochs: 1, initial_epochs: 1}"
ENCODERS = f"""
name: encoders
data: {{source: creatures, image_size: 16, task: attributes, classes: 4, train: 400, test: 80, public_images: 64}}
model: {{backbone: resnet8, width: 4, hook: conv3_1, pretrain: {{by: plain, epochs: 1}}}}
reconstructor: {{epochs: 1}}
entities:
  - {{name: plain, share: 0.2, defense: none}}
  - {{name: ob, share: 0.2, overlap: {{with: plain, fraction: 1.0}}, defense: {OBFUSCATOR}}}
  - name: spy
    kind: curious
    share: 0.2
    defense: none
    options: {{victims: [ob], attacks: [{{kind: leaked_module, epochs: 1}}]}}
exposure: {{embedding: {{epochs: 1}}, decoders: [{{epochs: 1}}], attributes: [glasses]}}
refine: {{epochs: 1}}
refinements:
  - {{row: 7, entity: plain, own: features, pool: [ob]}}
controls: false
"""


WHO = [("plain", "none"), ("ob", "obfuscator"), ("spy", "none")]


def played(folder: Path, backend: Literal["ray", "inprocess"], *overrides: str) -> Played:
    (folder / "encoders.yaml").write_text(ENCODERS)
    scenario = read_scenario(folder / "encoders.yaml", overrides).scenario
    return play(scenario, Where(backend, device="cpu", out=folder), lambda event: None)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return played(tmp_path_factory.mktemp("encoders"), "inprocess")


def value(found: Played, row: str, entity: str, metric: str) -> float:
    [one] = [each for each in found.rows if (each.row, each.entity, each.metric) == (row, entity, metric)]
    assert one.value is not None
    return one.value


def test_an_encoder_is_released_unasked_with_its_decider_and_is_not_f(found: Played) -> None:
    module, _ = read_release(found.run / "modules" / "ob", "defense")
    assert {name.split(".")[0] for name in module} == {"featurizer", "decider"}
    featurizer, _ = read_release(found.run / "release", "featurizer")
    released = {name.removeprefix("featurizer."): each for name, each in module.items() if name.startswith("feat")}
    assert released.keys() == featurizer.keys()
    assert any(not torch.equal(each, featurizer[name]) for name, each in released.items())
    sent = [each.sender for each in read_ledger(found.run / "ledger.parquet") if each.kind == "module"]
    assert sent == ["ob"]


def test_what_it_publishes_is_what_its_encoder_makes_of_its_images(found: Played) -> None:
    """Its results differ from those of who has the same images and publishes F(x), whose Table 1 changes nothing."""
    assert value(found, "tables_1_2", "plain", "map_original") == value(found, "tables_1_2", "plain", "map_poisoned")
    assert value(found, "tables_1_2", "ob", "map_original") == value(found, "tables_1_2", "plain", "map_original")
    assert value(found, "tables_1_2", "ob", "kl") > 0
    order = np.load(found.run / "private" / "ob" / "published.npy")
    assert sorted(order) == list(range(len(order)))


def test_its_features_are_pooled_and_its_module_is_attacked(found: Played) -> None:
    assert value(found, "7", "plain", "rows_from[ob]") == value(found, "publish", "ob", "rows_published")
    attacked: list[Result] = [each for each in found.rows if each.attack == "leaked_module"]
    assert {each.entity for each in attacked} == {"ob"}
    assert any(each.metric.startswith("ssim[") for each in attacked)


@pytest.mark.parametrize("entity", ["plain", "ob", "spy"])
def test_everybody_who_publishes_is_exposed(found: Played, entity: str) -> None:
    for metric in ("face_similarity[plain]", "feature_similarity"):
        assert -1 <= value(found, "exposure", entity, metric) <= 1
    assert 0 <= value(found, "exposure", entity, "knn[glasses]") <= 1
    within, between = (value(found, "exposure", entity, f"{what}_variance") for what in ("within", "between"))
    assert value(found, "exposure", entity, "lda") == pytest.approx(between / within)
    guesses = {each.metric for each in found.rows if each.row == "embedding"}
    assert guesses == {"face_similarity_prior_unrelated", "face_similarity_prior_mean"}


def test_what_decoders_rebuild_is_kept_of_the_same_images_for_everybody(found: Played) -> None:
    exhibits = {name: read_pictures(found.run / "pictures" / name, Exhibit) for name in ("plain", "ob", "spy")}
    images = np.load(found.run / "heldout" / "images.npy")
    for each in exhibits.values():
        assert each is not None
        np.testing.assert_array_equal(each.original, images[each.rows])
        assert each.decoders.tolist() == ["plain"]
        assert each.positions.shape == (len(images), 2)
        assert each.positions.std() > 0
        assert 0 < each.is_true.mean() < 1
    plain, ob = exhibits["plain"], exhibits["ob"]
    assert plain is not None
    assert ob is not None
    np.testing.assert_array_equal(plain.from_published, plain.from_original)  # it publishes F(x)
    np.testing.assert_array_equal(ob.from_original, plain.from_original)
    assert (ob.from_published != ob.from_original).any()
    kept = {(each.sender, each.stage) for each in read_ledger(found.run / "ledger.parquet") if each.kind == "pictures"}
    assert ("ob", "expose") in kept


def test_the_page_shows_tables_pictures_and_maps_of_what_is_exposed(found: Played) -> None:
    opened = open_run(found.run)
    (table,) = [
        each for each in make_tables(opened.scenario, opened.rows) if each.title == "What published features give away"
    ]
    heads = ("face sim.", "feature sim.", "SSIM", "PSNR, dB", "within", "between", "LDA")
    assert table.columns == ("entity", "defense", "decoder", *heads)
    assert [line[:3] for line in table.lines] == [(who, kind, "plain") for who, kind in WHO]
    assert not any("—" in line for line in table.lines)
    assert re.search(r"unrelated image -?0\.\d+ ±", table.notes[0])
    page = write_page(found.run).read_text()
    assert "What published features give away" in page
    assert "Single attributes in published features" in page
    assert page.count('alt="Image 1, ob: plain"') == 1
    assert page.count("t-SNE maps of published features") == 1


@pytest.mark.ray
def test_actors_give_the_same_bits_and_pictures(found: Played, tmp_path: Path) -> None:
    by_actors = played(tmp_path, "ray", "resources.workers=2")
    assert [replace(row, seconds=0) for row in by_actors.rows] == [replace(row, seconds=0) for row in found.rows]
    for path in sorted((found.run / "pictures").rglob("*.npz")):
        assert (by_actors.run / path.relative_to(found.run)).read_bytes() == path.read_bytes()


def test_individuals_are_seen_from_the_mean_of_those_that_are_known(found: Played) -> None:
    state, _ = read_release(found.run / "heldout", "embedding")
    network = Individuals(len(state["head.bias"]), 16)
    network.load_state_dict(state)
    public = torch.from_numpy(np.load(found.run / "public" / "images.npy")).float() / 255
    seen = embed(network.eval().embedding, public)
    torch.testing.assert_close(seen.mean(0), torch.zeros(seen.shape[1]), atol=1e-5, rtol=0)
    assert seen.std() > 0.01
    torch.testing.assert_close(embed(super(Individuals, network).embedding, public) - state["center"], seen)


def test_an_encoder_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "chain.yaml").write_text(ENCODERS.replace(OBFUSCATOR, f"[none, {OBFUSCATOR}]"))
    with pytest.raises(ScenarioError, match="obfuscator changes images, not features; it stands alone"):
        read_scenario(tmp_path / "chain.yaml")
