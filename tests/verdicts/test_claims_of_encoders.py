"""Claims about encoders: the papers' own figures fulfil them, planted faults do not."""

import pytest

from collab.papers import paper_figure
from collab.results.table import Result
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import NOT_BELOW, Comparison, Found
from collab.verdicts.papers.adversarial_representations import allow_one_inversion, find_partners
from collab.verdicts.sweeps import judge_sweep
from collab.verdicts.verdicts import Verdict, judge
from tests.places import SCENARIOS


def read(name: str) -> Scenario:
    return read_scenario(SCENARIOS / f"{name}.yaml", (), check_paths=False).scenario


def row(name: str, entity: str, metric: str, value: float | None, attack: str | None = None) -> Result:
    assert value is not None
    return Result("s", name, entity, None, attack, metric, value, value - 0.003, value + 0.003, 2000, 0)


def table_4(*, reversed_to: float = 0.8232) -> list[Result]:
    """The paper's figures under our names; for "Denied" any figure."""
    rows = []
    for name, printed in (
        ("plain", "w/o"),
        ("obfuscated", "DeepObfuscator"),
        ("poisoned", "DPM"),
        ("collaborator", "DPM"),
    ):
        rows += [
            row("tables_1_2", name, "map_poisoned", paper_figure("dp_table4", printed, "utility_map")),
            row("tables_1_2", name, "ssim[11]_poisoned", paper_figure("dp_table4", printed, "ssim")),
            row("inference", name, "privacy_map_plain", paper_figure("dp_table4", "w/o", "privacy_map")),
            row("inference", name, "privacy_map_fixed", paper_figure("dp_table4", printed, "privacy_map")),
        ]
    shown = {"plain": 0.9177, "obfuscated": reversed_to, "poisoned": 0.4}
    for victim, value in shown.items():
        for attack in ("straw_man", "leaked_module", "own_module"):
            rows.append(row("by collaborator", victim, "ssim[11]", value, attack))
    return rows


def claimed(found: tuple[Verdict, ...]) -> list[Verdict]:
    return [each for each in found if each.claim != "figures"]


def failing(found: tuple[Verdict, ...]) -> set[str]:
    return {each.claim for each in found if each.has_failed}


def test_table_4_as_printed_fulfils_its_claims() -> None:
    found = judge(read("dp_table_4"), table_4())
    assert found[0].verdict.startswith("not comparable: creatures, vgg16_small, 32 px")
    assert {each.verdict for each in claimed(found)} == {"holds"}
    assert {each.claim for each in claimed(found)} == {
        "the DPM keeps the task", "private attributes are hidden", "a shared obfuscator is reversed",
        "nothing is denied unmeasured",
    }  # fmt: skip


def test_an_obfuscator_that_is_not_reversed_contradicts_the_paper() -> None:
    assert failing(judge(read("dp_table_4"), table_4(reversed_to=0.5))) == {"a shared obfuscator is reversed"}


def test_a_cell_that_was_not_measured_is_told() -> None:
    rows = [each for each in table_4() if (each.entity, each.attack) != ("poisoned", "leaked_module")]
    rows.append(Result("s", "by collaborator", "poisoned", None, "leaked_module", "l1", 0.2, 0.1, 0.3, 100, 0))
    assert failing(judge(read("dp_table_4"), rows)) == {"nothing is denied unmeasured"}


def headline(ms_ssim: float, accuracy: float) -> list[Result]:
    """Figures of an obfuscated entity; plain features are as printed."""
    read_plain = paper_figure("do_headline", "w/o", "privacy_accuracy")
    return [
        row("disclosure", "obfuscated", "ms_ssim[2,7]_original", paper_figure("do_headline", "w/o", "ms_ssim")),
        row("disclosure", "obfuscated", "ms_ssim[2,7]_poisoned", ms_ssim),
        row("inference", "obfuscated", "privacy_accuracy_plain", read_plain),
        row("inference", "obfuscated", "privacy_accuracy_fixed", accuracy),
        row("inference", "obfuscated", "privacy_accuracy_chance", 0.58),
    ]


@pytest.mark.parametrize(
    ("ms_ssim", "accuracy", "failed"),
    [
        (0.3175, 0.5885, set()),
        (0.6, 0.5885, {"rebuilt images are unlike"}),
        (0.3175, 0.8, {"private attributes are guessed"}),
    ],
)
def test_headline_figures_as_printed_fulfil_the_claims_and_faults_do_not(
    ms_ssim: float, accuracy: float, failed: set[str]
) -> None:
    assert paper_figure("do_headline", "DeepObfuscator", "ms_ssim") == 0.3175
    assert paper_figure("do_headline", "DeepObfuscator", "privacy_accuracy") == 0.5885
    assert failing(judge(read("do_headline"), headline(ms_ssim, accuracy))) == failed


def test_partners_differ_in_the_weights_alone() -> None:
    found = {(odd, even) for odd, even, _ in find_partners(Evidence(read("apt_table_1"), []))}
    assert found == {("utility", "guarded"), ("utility_more", "guarded_more"), ("one", "guarded_one")}


IDS = {
    "utility": ("1", "3", "5"), "guarded": ("2", "4", "6"), "utility_more": ("7",) * 3, "guarded_more": ("8",) * 3,
    "one": ("9",) * 3, "guarded_one": ("10",) * 3,
}  # fmt: skip
"""Rows of the paper for each entity, as its three decoders see it."""


def apt_table_1(**changed: float) -> list[Result]:
    rows = []
    for name, ids in IDS.items():
        rows += [
            row("tables_1_2", name, "mcc_poisoned", changed.get(name, paper_figure("apt_table1", ids[0], "mcc"))),
            row("exposure", name, "feature_similarity", paper_figure("apt_table1", ids[0], "feature_similarity")),
            row("exposure", name, "knn[dark_fur]", 0.7),
            row("exposure", name, "knn[light_muzzle]", 0.7),
        ]
        for decoder, number in zip(("plain", "gan", "more"), ids, strict=True):
            value = paper_figure("apt_table1", number, "face_similarity")
            rows.append(row("exposure", name, f"face_similarity[{decoder}]", value))
        if name in ("one", "guarded_one"):
            rows.append(row("exposure", name, "mcc[dark_fur]", paper_figure("apt_table1", ids[0], "mcc_smiling")))
    return rows


def agreeing() -> Scenario:
    """The scenario without what it states as against the paper: figures as printed do not contradict it."""
    return read_scenario(SCENARIOS / "apt_table_1.yaml", ["expect={paper: apt_table1}"], check_paths=False).scenario


def test_table_1_of_xiao_et_al_as_printed_fulfils_its_claims() -> None:
    found = claimed(judge(agreeing(), apt_table_1()))
    assert not failing(tuple(found))
    protects = [each for each in found if each.claim == "adversarial training protects"]
    assert {each.verdict for each in protects} == {"holds"}
    assert len(protects) == 12


def test_utility_that_is_lost_is_no_protection() -> None:
    assert failing(judge(agreeing(), apt_table_1(guarded=0.3))) == {"adversarial training costs little"}


@pytest.mark.parametrize("worse", [None, "p4"])
def test_table_2_falls_from_weight_to_weight(worse: str | None) -> None:
    rows = []
    for weight in ("0", "1", "2", "3", "4", "5", "10"):
        name = f"p{weight}"
        for metric, place, ours in (
            ("mcc", "tables_1_2", "mcc_poisoned"),
            ("face_similarity", "exposure", "face_similarity[plain]"),
            ("feature_similarity", "exposure", "feature_similarity"),
        ):
            value = paper_figure("apt_table2", weight, metric)
            assert value is not None
            rows.append(row(place, name, ours, value + 0.2 if name == worse else value))
    expected = set() if worse is None else {"weight trades utility for privacy"}
    found = judge(read("apt_table_2"), rows)
    assert failing(found) == expected
    assert len(claimed(found)) == 18


@pytest.mark.parametrize(
    ("falls", "half", "verdicts"),
    [
        ((0.1, -0.05, 0.1), 0.06, ["holds", "holds", "holds"]),
        ((0.1, -0.05, -0.05), 0.06, ["holds", "undecided", "undecided"]),  # two
        ((0.1, -0.05, 0.1), 0.01, ["holds", "off by 0.04", "holds"]),  # beyond its interval
    ],
)
def test_one_step_may_rise_inside_its_interval(falls: tuple[float, ...], half: float, verdicts: list[str]) -> None:
    steps = [Comparison("step", NOT_BELOW, Found(fall, fall - half, fall + half, 1000)) for fall in falls]
    assert [each.verdict for each in allow_one_inversion(steps)] == verdicts


def test_table_3_falls_from_layer_to_layer() -> None:
    printed = {"conv2": "conv1", "conv3": "conv2", "conv4": "conv3", "conv5": "conv4", "avgpool": "avgpool", "fc": "fc"}

    def cells(**changed: float) -> list[tuple[dict[str, object], list[Result]]]:
        return [
            (
                {"hook": ours},
                [
                    row("exposure", who, "face_similarity[plain]",
                        changed.get(f"{ours}_{who}", paper_figure("apt_table3", f"{theirs} {mark}", "face_similarity")))
                    for who, mark in (("without", "w/o"), ("with", "w/"))
                ],
            )
            for ours, theirs in printed.items()
        ]  # fmt: skip

    found = judge_sweep("apt_table3", ["hook"], cells())
    assert len(found) == 8
    assert not failing(found)
    assert failing(judge_sweep("apt_table3", ["hook"], cells(conv5_without=0.9))) == {"deeper layers show less"}
    assert failing(judge_sweep("apt_table3", ["hook"], cells(conv3_with=0.97))) == {"adversarial training protects"}
