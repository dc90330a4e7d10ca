"""`data.seed` draws the data, `seed` everything else; without it, all is as ever."""

import numpy as np

from collab.participants.assignment import Assignment, assign
from collab.participants.sources import Sources
from collab.scenario.reader import read_scenario
from tests.places import TINY


def dealt(*overrides: str) -> Assignment:
    scenario = read_scenario(TINY, overrides).scenario
    return assign(scenario, Sources.open(scenario))


def test_the_data_follow_their_own_seed_where_there_is_one() -> None:
    plain, other = dealt("seed=5"), dealt("seed=6")
    assert plain.heldout_digest != other.heldout_digest
    for seed in (5, 6, 7):
        held = dealt(f"seed={seed}", "data.seed=5")
        assert held.heldout_digest == plain.heldout_digest
        assert held.classes == plain.classes
        for name, holding in held.entities.items():
            assert np.array_equal(holding.rows, plain.entities[name].rows)
    assert dealt("seed=5", "data.seed=6").heldout_digest == other.heldout_digest
