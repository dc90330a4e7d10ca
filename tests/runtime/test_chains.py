"""Runs with perturbations, chains and further reconstructors, from images to results."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from collab.runtime.play import Played
from collab.scenario.model import Scenario
from collab.store.shards import ShardSpec, Written, open_shard
from collab.store.store import Store
from tests.playing import bits, play_here, shards

STATED = (
    "entities.a1.defense={kind: gaussian_noise, sigma: 2}",
    "entities.a2.defense=[{kind: gaussian_noise, sigma: 2}, {kind: dpm, blocks: 1, epochs: 1}]",
    "entities.a3.defense=[{kind: dpm, blocks: 1, epochs: 1}, mean_filter, {kind: gaussian_noise, sigma: 0.5}]",
    "entities.a4.defense=[gaussian_filter, {kind: dpm, blocks: 1, epochs: 1, against: [rx4s4]}]",
    "controls=false",
)


@pytest.fixture(scope="module")
def chains(small: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_here(small(*STATED), tmp_path_factory.mktemp("chains"))


def test_results_name_the_chain(chains: Played) -> None:
    named = {row.entity: row.defense for row in chains.rows if row.row == "tables_1_2"}
    assert named == {
        "a1": "gaussian_noise",
        "a2": "gaussian_noise+dpm",
        "a3": "dpm+mean_filter+gaussian_noise",
        "a4": "gaussian_filter+dpm",
    }


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    chains: Played, small: Callable[..., Scenario], tmp_path: Path
) -> None:
    again = play_here(small(*STATED), tmp_path)
    assert bits(again.rows) == bits(chains.rows)
    assert shards(again.run) == shards(chains.run)
    other = play_here(small(*STATED, seed=1), tmp_path)
    assert not set(shards(other.run)) & set(shards(chains.run))


def test_what_is_published_is_the_own_rows_each_with_noise_of_its_own(chains: Played) -> None:
    store = Store(chains.run / "store")
    (record,) = store.records("a1")
    spec = ShardSpec(record.shape, "float16", len(record.histogram), record.featurizer)
    published, _ = store.open(record, spec).load()
    private = chains.run / "private" / "a1"
    written = Written.read(private / "features")
    plain = open_shard(written.path, written, spec).load()[0][np.load(private / "published.npy")]
    noise = published.float() - plain.float()
    spread = plain.float().std(dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(noise.std(dim=(0, 2, 3)), 2 * spread, rtol=0.1, atol=1e-3)
    used = noise[:, spread > 1e-3].flatten(1)
    alike = torch.corrcoef(used) - torch.eye(len(used))
    assert len(used) >= 8
    assert alike.abs().max() < 6 / used.shape[1] ** 0.5
