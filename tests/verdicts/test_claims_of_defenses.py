"""Claims of Table 3, both Figures 5 and DPF's Table 4: the papers' own figures fulfil them, planted faults do not."""

from collections.abc import Mapping, Sequence

import pytest

from collab.papers import figures, name_in_papers
from collab.report.tables.tables import make_tables
from collab.results.table import Result
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.verdicts.judging import combine
from collab.verdicts.sweeps import gather_points, judge_sweep
from collab.verdicts.verdicts import Verdict, check, judge, judge_results
from tests.places import SCENARIOS


def read(name: str, *overrides: str) -> Scenario:
    return read_scenario(SCENARIOS / f"{name}.yaml", overrides, check_paths=False).scenario


def row(
    name: str, entity: str, metric: str, value: float, half: float = 0.003, *, attack: str = "", defense: str = "dpm"
) -> Result:
    return Result("s", name, entity, defense, attack or None, metric, value, value - half, value + half, 1000, 0)


def table_3(scenario: Scenario, **changed: float) -> list[Result]:
    """The paper's figures as if each entity had measured its own; `changed` by entity: top-1 of perturbed features."""
    printed = {(each.row, each.metric): each.fraction for each in figures("dp_table3")}
    rows = []
    for entity in scenario.entities:
        called = name_in_papers(entity.protection)
        for metric in ("top1", "top5", "l1", "ssim"):
            at = "ssim[11]" if metric == "ssim" else metric
            value = changed[entity.name] if metric == "top1" and entity.name in changed else printed[called, metric]
            rows.append(row("tables_1_2", entity.name, f"{at}_poisoned", value, defense=entity.protection))
            rows.append(
                row("tables_1_2", entity.name, f"{at}_original", printed["w/o", metric], defense=entity.protection)
            )
    rows.append(row("c_public", "", "ssim[11]_prior_unrelated", 0.05))
    return rows


def only(found: Sequence[Verdict], table: str) -> dict[tuple[str, str], str]:
    return {(each.claim, each.expected): each.verdict for each in found if each.source == table}


def test_the_papers_table_3_fulfils_its_claims() -> None:
    scenario = read("dp_table_3")
    found = only(judge(scenario, table_3(scenario)), "dp_table3")
    assert len(found) == 1 + 6 + 3
    why = "creatures, resnet8, conv3_1, 32 px, pre-trained on a part of X, that of a1"
    assert set(found.values()) == {"holds", f"not comparable: {why}"}


@pytest.mark.parametrize(
    ("entity", "top1", "claim", "expected"),
    [
        ("dpm", 0.10, "the DPM beats perturbations", "dpm: better top-1 than gn"),
        ("gn_dpm", 0.40, "a DPM regains accuracy", "gn_dpm: nearer to plain features than to gn"),
    ],
)
def test_a_dpm_that_does_not_do_it_is_told(entity: str, top1: float, claim: str, expected: str) -> None:
    scenario = read("dp_table_3")
    found = only(judge(scenario, table_3(scenario, **{entity: top1})), "dp_table3")
    assert found[claim, expected].startswith("off by")


def test_table_3_stands_beside_the_papers() -> None:
    scenario = read("dp_table_3")
    (made,) = [each for each in make_tables(scenario, table_3(scenario)) if each.title.startswith("Table 3")]
    lines = {line[0]: line for line in made.lines}
    assert list(lines) == ["w/o", "GN", "GF", "MF", "DPM", "GN+DPM", "GF+DPM", "MF+DPM"]
    assert lines["GF"][2:] == ("15.6 ±0.3", "30.2 ±0.3", "0.105 ±0.003", "0.470 ±0.003", "15.6", "0.470")
    papers = {
        each.entity: each.paper for each in judge_results(scenario, table_3(scenario)) if each.metric == "top1_poisoned"
    }
    assert papers["mf_dpm"] == pytest.approx(0.7123)
    plain = read("one_publisher")
    assert not any(each.title.startswith("Table 3") for each in make_tables(plain, table_3(plain)))


def figure_5(unseen: float, plain: float) -> list[Result]:
    found = []
    for attack in ("straw_man", "unseen_reconstructor[rx2s2]"):
        for victim, value in (("a1", unseen), ("plain", plain)):
            found.append(row("by outsider", victim, "ssim[11]", value, attack=attack))
    return found


def test_unseen_reconstructors_are_fooled_if_they_lose_half_of_what_they_can() -> None:
    scenario = read("dp_figure_5")
    good = only(judge(scenario, figure_5(0.10, 0.60)), "dp_fig5")
    assert len(good) == 4
    assert set(good.values()) == {"holds"}
    bad = only(judge(scenario, figure_5(0.40, 0.60)), "dp_fig5")
    assert [told for (claim, _), told in bad.items() if "fooled" in claim] == ["off by 0.2"] * 2
    weak = only(judge(scenario, figure_5(0.10, 0.40)), "dp_fig5")
    assert [told for (claim, _), told in weak.items() if "inverts" in claim] == ["off by 0.1"] * 2


def test_the_secondary_attack_must_invert_a_released_module() -> None:
    scenario = read("dpf_figure_5")

    def judge_leak(leakage: float) -> dict[tuple[str, str], str]:
        rows = [row("by thief", "leaked", "leakage[ssim_max]", leakage, attack="leaked_module[px2s2]")]
        rows += [row("by insider", "a1", "ssim[11]", 0.01, attack="straw_man")]
        rows += [row("by insider", "a1", "ssim[11]_prior_class_mean", 0.15, attack="straw_man")]
        return only(judge(scenario, rows), "dpf_fig5")

    assert set(judge_leak(0.8).values()) == {"holds"}
    assert "off by 0.3" in judge_leak(0.2).values()


def table_4(**changed: float) -> list[tuple[Mapping[str, str], list[Result]]]:
    """Each hook as a cell, with the paper's figures; `changed`: SSIM of original features."""
    cells = []
    for hook in ("conv4_1", "conv2_1", "conv3_1", "conv2_3"):  # a sweep may have any order
        printed = {each.metric: each.fraction for each in figures("dpf_table4") if each.row == hook}
        printed["ssim_original"] = changed.get(hook, printed["ssim_original"])
        names = {metric: metric.replace("ssim_", "ssim[11]_") for metric in printed}
        cells.append(({"hook": hook}, [row("tables_1_2", "a1", names[metric], printed[metric]) for metric in printed]))
    return cells


def test_the_papers_table_4_fulfils_its_claims_and_a_planted_fault_does_not() -> None:
    found = judge_sweep("dpf_table4", ["hook"], table_4())
    assert [each.verdict for each in found] == ["holds"] * 7
    bad = judge_sweep("dpf_table4", ["hook"], table_4(conv4_1=0.95))
    with pytest.raises(Exception, match="hook conv3_1: more SSIM than conv4_1"):
        check(bad)
    assert judge_sweep(None, ["hook"], table_4()) == ()


def test_several_seeds_of_a_point_become_their_mean() -> None:
    cells = [({"hook": "conv2_1"}, [row("tables_1_2", "a1", "ssim[11]_original", value)]) for value in (0.4, 0.6)]
    ((values, results),) = gather_points(cells)
    mean = results.find("tables_1_2", "a1", "ssim[11]_original")
    assert values == {"hook": "conv2_1"}
    assert mean is not None
    assert mean.value is not None
    assert mean.value == pytest.approx(0.5)
    assert mean.low is not None
    assert mean.low < 0  # Student with one degree of freedom: 12.7 standard errors


def test_a_combination_adds_what_is_known_of_its_terms() -> None:
    a, b, c = (row("x", "a1", "m", value, half) for value, half in ((0.5, 0.03), (0.2, 0.04), (0.1, 0.0)))
    found = combine([(1.0, a), (-1.0, b), (2.0, c)])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.45, 0.55))
    assert combine([(1.0, a), (1.0, None)]) is None
    lopsided = Result("s", "x", "a1", None, None, "m", 0.5, 0.4, 0.8, 10, 0)
    turned = combine([(-1.0, lopsided)])
    assert turned is not None
    assert (turned.low, turned.high) == pytest.approx((-0.8, -0.4))


def shuffled(**noise: float) -> list[Result]:
    """Three shuffled sets of entropies 7, 8 and 9, and noisy ones of `noise`; shuffled ones are read better."""
    entropies = {"m12": 7.0, "m15": 8.0, "m20": 9.0, **noise}
    rows = [row("tables_1_2", name, "vfe[8]_published", each, defense="any") for name, each in entropies.items()]
    rows += [row("tables_1_2", name, "vfe[8]_original", 5.0, defense="any") for name in entropies]
    return rows + [
        row(name, name, "top1_published", 0.4 if name[0] == "m" else 0.3, defense="any") for name in entropies
    ]


def test_shuffled_images_compare_with_noise_of_the_entropy_that_was_reached_not_of_the_one_that_was_wanted() -> None:
    scenario = read("visualmixer", "expect.against=[]")
    found = only(judge(scenario, shuffled(n12=7.2, n15=8.1, n20=12.0)), "vm_headline")
    lines = {expected: verdict for (claim, expected), verdict in found.items() if claim == "shuffling keeps more"}
    assert lines["m12 above n12"] == lines["m15 above n15"] == "holds"
    assert lines["m20 above n15"].startswith("not comparable: n15 is the nearest, and m20 has +11 % of its visual")
    swapped = only(judge(scenario, shuffled(n12=8.1, n15=7.2, n20=9.0)), "vm_headline")
    assert {"m12 above n15", "m15 above n12", "m20 above n20"} < {expected for _, expected in swapped}
