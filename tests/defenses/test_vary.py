"""Shadows of a defense: as an adversary guesses it who trains modules of its kind itself."""

from typing import cast

from collab.defenses.chain import Chain
from collab.defenses.dpm import DpmDefense
from collab.defenses.mean_filter import MeanFilter
from collab.defenses.options import Dpm

DPM = DpmDefense.from_options(Dpm(kind="dpm", blocks=2, epochs=9))


def test_shadows_of_a_dpm_differ_in_blocks_and_have_one_at_least() -> None:
    shadows = [DPM.vary(number, None) for number in range(6)]
    assert all(isinstance(shadow, DpmDefense) and shadow.recipe == DPM.recipe for shadow in shadows)
    assert [getattr(shadow, "blocks", None) for shadow in shadows] == [2, 3, 1, 2, 4, 1]


def test_shadows_of_a_dpm_differ_in_width_lambda_and_equivalence_and_the_first_is_as_stated() -> None:
    shadows = [cast(DpmDefense, DPM.vary(number, None)) for number in range(60)]
    assert shadows[0] == DPM
    seen = {(shadow.wider, shadow.aim.ssim_weight, shadow.aim.equivalence) for shadow in shadows}
    assert len(seen) == 3 * 3 * 2
    assert sum(shadow.aim.equivalence == "logits" for shadow in shadows) == 12
    middles = [shadow.build(16, rectified=True)[0].state_dict() for shadow in shadows[:3]]  # type: ignore[index]
    assert [min(len(value) for value in weights.values() if value.ndim == 4) for weights in middles] == [4, 2, 8]


def test_shadows_take_the_passes_that_an_attack_states() -> None:
    shadow = DPM.vary(0, 3)
    assert isinstance(shadow, DpmDefense)
    assert (shadow.recipe.epochs, shadow.recipe.batch_size) == (3, DPM.recipe.batch_size)


def test_a_chain_varies_each_of_its_defenses_and_what_has_no_sizes_stays() -> None:
    mean = MeanFilter(3)
    assert mean.vary(1, 3) is mean
    assert Chain((mean, DPM)).vary(1, 3) == Chain((mean, DPM.vary(1, 3)))
    assert Chain((DPM,)).vary(1, None) != Chain((DPM,))
