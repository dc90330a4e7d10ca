"""What the values of axes make of a scenario, and how mistakes of a sweep are told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from collab.errors import ScenarioError
from collab.scenario.document import Document, read_document
from collab.scenario.sweep import Cell, read_sweep

Write = Callable[..., Path]
SWEEP = "name: s\nscenario: small.yaml\naxes: [{vary: AXIS, values: VALUES}]\n"


@pytest.fixture
def cells(scenario_file: Write, valid: str) -> Callable[..., tuple[Cell, ...]]:
    """The cells of one axis over the valid scenario, or over `base`."""

    def read(axis: str, values: str, *overrides: str, base: str = valid, seeds: int = 1) -> tuple[Cell, ...]:
        path = scenario_file(base).parent / "sweep.yaml"
        path.write_text(SWEEP.replace("AXIS", axis).replace("VALUES", values), encoding="utf-8")
        return read_sweep(path, overrides=overrides, seeds=seeds)[1]

    return read


Cells = Callable[..., tuple[Cell, ...]]


def alphas(found: tuple[Cell, ...]) -> list[tuple[str, float]]:
    return [
        (cell.scenario.partition.kind, cell.scenario.partition.alpha)
        for cell in found
        if cell.scenario.partition.kind != "iid"
    ]


@pytest.mark.parametrize("kind", ["dirichlet", "quantity"])
def test_alpha_may_vary_where_the_kind_is_set_for_every_cell(kind: str, cells: Cells) -> None:
    found = cells("partition.alpha", "[0.3, 10]", f"partition.kind={kind}", seeds=2)
    assert alphas(found) == [(kind, 0.3), (kind, 0.3), (kind, 10.0), (kind, 10.0)]
    assert [cell.seed for cell in found] == [0, 1, 0, 1]
    assert alphas(cells(kind, "[0.3, 10]")) == [(kind, 0.3), (kind, 10.0)]


def test_a_sweep_reads_each_file_once(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []

    def read(text: str) -> Document:
        texts.append(text)
        return read_document(text)

    monkeypatch.setattr("collab.scenario.sweep.read_document", read)
    monkeypatch.setattr("collab.scenario.reader.read_document", read)
    assert len(cells("dirichlet", "[0.5, 1]", seeds=2)) == 4
    assert len(texts) == len(set(texts)) == 2  # the sweep, and the scenario that varies


def test_a_scenario_that_federates_only_is_swept_over_seeds_too(scenario_file: Write, valid: str) -> None:
    federated = "federated: [{row: f, entities: [a1, a2], rounds: 1, local_epochs: 1}]\n"
    base, _, _ = valid.partition("refinements:")
    (first, second) = read_sweep(scenario_file(base + federated), seeds=2)[1]
    assert (first.seed, second.seed) == (0, 1)
    assert first.scenario.refinements == ()


def test_the_axis_replaces_another_partition(cells: Cells, valid: str) -> None:
    base = valid.replace("entities:", "partition: {kind: quantity, alpha: 2}\nentities:", 1)
    assert alphas(cells("dirichlet", "[0.3]", base=base)) == [("dirichlet", 0.3)]


def overlaps(cell: Cell) -> list[tuple[str, float] | None]:
    return [
        None if entity.overlap is None else (entity.overlap.entity, entity.overlap.fraction)
        for entity in cell.scenario.entities
    ]


def test_overlap_is_with_the_first_entity_or_with_whom_the_file_names(cells: Cells, valid: str) -> None:
    none, half = cells("overlap", "[0, 0.5]")
    assert overlaps(none) == [None, None, None]
    assert overlaps(half) == [None, ("a1", 0.5), ("a1", 0.5)]
    named = valid.replace("share: 0.1", "share: 0.1, overlap: {with: a2, fraction: 1}")
    none, half = cells("overlap", "[0, 0.5]", base=named)
    assert overlaps(none) == [None, None, None]
    assert overlaps(half) == [None, ("a1", 0.5), ("a2", 0.5)]
    assert overlaps(cells("overlap.a3", "[0.25]", base=named)[0]) == [None, None, ("a2", 0.25)]


def test_an_overlap_passes_an_entity_whose_rows_are_listed(cells: Cells, valid: str, tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("0\n1\n")
    (half,) = cells("overlap", "[0.5]", base=valid.replace("share: 0.3", "rows: rows.txt"))
    assert overlaps(half) == [None, None, ("a1", 0.5)]


def test_ready_made_axes_of_one_path_reach_all_entities_or_one(cells: Cells) -> None:
    (found,) = cells("subset_size", "[0.2]")
    assert [entity.share for entity in found.scenario.entities] == [0.2, 0.2, 0.2]
    (found,) = cells("subset_size.a2", "[0.2]")
    assert [entity.share for entity in found.scenario.entities] == [0.5, 0.2, 0.1]
    (found,) = cells("entities", "[2]")
    assert [entity.name for entity in found.scenario.entities] == ["a1", "a2"]


@pytest.mark.parametrize(
    ("axis", "values", "words"),
    [
        ("dirichlet", "[1, 0]", r"^cell dirichlet=0:\n--set partition={kind: dirichlet, alpha: 0}: partition\.alpha: "),
        ("overlap", "[0.5, 2]", r"^cell overlap=2:\n--set entities\.a2\.overlap={with: a1, fraction: 2}: entities\.1"),
        ("overlap.a1", "[0.5]", r"--set entities\.a1\.overlap\.fraction=0\.5: entities\.0\.overlap\.with: is missing"),
        ("overlap.b", "[0.5]", r"entities has no 'b'; there are a1, a2, a3"),
        ("partition.alpha", "[1]", r"--set partition\.alpha=1: partition\.kind: is missing"),
    ],
)  # fmt: skip
def test_a_value_that_makes_no_scenario_is_told(axis: str, values: str, words: str, cells: Cells) -> None:
    with pytest.raises(ScenarioError, match=words):
        cells(axis, values)


def test_a_mistake_of_the_scenario_itself_is_told_once(cells: Cells, valid: str) -> None:
    planted = [("hook: conv3_1", "hook: conv9"), *(("name: small", f"name: small\nseed: {it}") for it in ("x", "true"))]
    for broken in (valid.replace(*each) for each in planted):
        with pytest.raises(ScenarioError) as told:
            cells("refine.epochs", "[1, 2, 3]", base=broken)
        assert "cell" not in str(told.value)
        assert str(told.value).count("small.yaml:") == 1


def test_a_wrong_override_of_every_cell_is_told(cells: Cells) -> None:
    with pytest.raises(ScenarioError, match=r"--set zzz\.epochs=1: the scenario has no 'zzz'"):
        cells("refine.epochs", "[1, 2]", "zzz.epochs=1")


def test_a_text_of_an_axis_stays_the_text_it_is(cells: Cells) -> None:
    """Values go through `--set`, which would read "2024" as a number and once took `#2` for a comment."""
    found = cells("about", """["2024", "true", "", "run #2", "a: b", it's]""")
    assert [cell.scenario.about for cell in found] == ["2024", "true", "", "run #2", "a: b", "it's"]


def test_overrides_of_a_sweep_file_are_taken_whole(scenario_file: Write) -> None:
    path = scenario_file().parent / "sweep.yaml"
    path.write_text('name: s\nscenario: small.yaml\nset: ["about=run #2"]\naxes: []\n')
    assert [cell.scenario.about for cell in read_sweep(path)[1]] == ["run #2"]


def test_values_on_the_command_line_that_cannot_be_read_are_told(scenario_file: Write) -> None:
    with pytest.raises(ScenarioError, match=r"^--vary about=a,b #2: the value .* ` #` begins a comment, unless it"):
        read_sweep(scenario_file(), ["about=a,b #2"])
    assert [cell.scenario.about for cell in read_sweep(scenario_file(), ["about=a,'b #2'"])[1]] == ["a", "b #2"]


def seeds_of(found: tuple[Cell, ...]) -> list[tuple[dict[str, object], int, int]]:
    return [(dict(cell.values), cell.seed, cell.scenario.seed) for cell in found]


def test_seeds_of_the_command_line_are_those_that_are_played(scenario_file: Write) -> None:
    """`--vary seed=7,3` is two seeds, no axis: no column is called `seed` but that of results."""
    sweep, found = read_sweep(scenario_file(), ["seed=7,3"])
    assert sweep.axes == ()
    assert seeds_of(found) == [({}, 7, 7), ({}, 3, 3)]
    _, found = read_sweep(scenario_file(), ["refine.epochs=1,2", "seed=7,3"])
    assert [(cell.values["refine.epochs"], cell.seed) for cell in found] == [(1, 7), (1, 3), (2, 7), (2, 3)]


def test_a_file_may_list_seeds(scenario_file: Write) -> None:
    path = scenario_file().parent / "sweep.yaml"
    path.write_text("name: s\nscenario: small.yaml\naxes: []\nseeds: [7, 3]\n", encoding="utf-8")
    assert [cell.seed for cell in read_sweep(path)[1]] == [7, 3]
    assert [cell.seed for cell in read_sweep(path, seeds=2)[1]] == [0, 1]


@pytest.mark.parametrize(
    ("varied", "seeds", "words"),
    [
        (["seed=1,2"], 3, "Leave one of them out"),
        (["seed=1,x"], None, "--vary seed=1,x: a seed is a whole number"),
        (["seed=1.5"], None, "a seed is a whole number"),
        (["seed=-1"], None, "a seed is a whole number"),
        (["seed=1,2,1"], None, "seed 1 is named twice"),
        (["refine.epochs=1,2,1"], None, "two cells have the same values, refine.epochs=1"),
        (["subset_size=0.1,0.2", "entities.*.share=0.1,0.2"], None, "axis 'subset_size' has no effect"),
        (["lambda=0.1", "defense=dpm"], None, "axis 'lambda' has no effect, since 'defense' sets the same after it"),
    ],
)
def test_an_axis_means_what_it_says_or_is_refused(
    varied: list[str], seeds: int | None, words: str, scenario_file: Write
) -> None:
    with pytest.raises(ScenarioError, match=words):
        read_sweep(scenario_file(), varied, seeds=seeds)


def test_an_axis_of_all_and_one_of_a_part_of_it_go_together(cells: Cells, scenario_file: Write) -> None:
    _, found = read_sweep(scenario_file(), ["subset_size=0.1,0.2", "subset_size.a3=0.05"])
    assert [[entity.share for entity in cell.scenario.entities] for cell in found] == [
        [0.1, 0.1, 0.05],
        [0.2, 0.2, 0.05],
    ]


def test_a_sweep_file_with_an_axis_of_seeds_is_told_what_to_write(cells: Cells) -> None:
    with pytest.raises(ScenarioError, match=r"`seed` is no axis; write `seeds: \[1, 2, 3\]`"):
        cells("seed", "[1, 2]")


@pytest.fixture
def several(scenario_file: Write, valid: str) -> Callable[..., tuple[Cell, ...]]:
    """The cells of a sweep file with the axes given, one a line, and what else it states."""

    def read(*axes: str, more: str = "") -> tuple[Cell, ...]:
        path = scenario_file(valid).parent / "sweep.yaml"
        listed = "".join(f"  - {{vary: {axis}}}\n" for axis in axes)
        path.write_text(f"name: s\nscenario: small.yaml\n{more}\naxes:\n{listed}")
        return read_sweep(path)[1]

    return read


def test_a_star_varies_one_axis_at_a_time_from_the_first_values(several: Cells) -> None:
    rates = "rates, values: [same, low], set: [[], [refine.learning_rate=0.001, seed=7]]"
    axes = ("refine.epochs, values: [3, 4, 5]", "lambda.a1, values: [1.0, 0.5]", rates)
    cells = several(*axes, more="combine: star")
    named = ["base cell", "refine.epochs=4", "refine.epochs=5", "lambda.a1=0.5", "rates=low"]
    assert [cell.label for cell in cells] == [f"{name} seed=0" for name in named]
    points = [tuple(cell.values.values()) for cell in cells]
    assert points == [(3, 1.0, "same"), (4, 1.0, "same"), (5, 1.0, "same"), (3, 0.5, "same"), (3, 1.0, "low")]
    low, base = cells[-1].scenario, cells[0].scenario
    assert (low.refine.learning_rate, low.seed, low.refine.epochs) == (0.001, 0, 3)  # seeds are the sweep's
    assert base.refine.learning_rate != 0.001


def test_a_list_is_given_for_each_named_value(several: Cells) -> None:
    with pytest.raises(ScenarioError, match="`set` has 1 lists for 2 values; give one for each value"):
        several("rates, values: [same, low], set: [[]]")


def test_a_named_value_that_another_axis_overrules_is_refused(several: Cells) -> None:
    with pytest.raises(ScenarioError, match=r"axis 'hiding' has no effect, since 'lambda\.a1' sets the same"):
        several("hiding, values: [less], set: [[entities.a1.defense.lambda=0.5]]", "lambda.a1, values: [0.1]")


def test_a_path_of_the_file_is_relative_to_it_and_one_of_the_command_line_to_where_that_is_given(
    scenario_file: Write, valid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = scenario_file(valid).parent / "here", tmp_path / "there"
    path = here / "sweep.yaml"
    for folder in (here / "images", here / "more", there / "images", there / "more"):
        folder.mkdir(parents=True)
    source = "data={source: imagefolder, root: images, image_size: 16}"
    stated = f"name: s\nscenario: ../small.yaml\nset: ['{source}']\n"
    monkeypatch.chdir(there)

    def roots(axes: str, *overrides: str, vary: tuple[str, ...] = ()) -> list[str]:
        path.write_text(f"{stated}axes: {axes}\n", encoding="utf-8")
        return [str(cell.scenario.data.root) for cell in read_sweep(path, vary, overrides=overrides)[1]]  # type: ignore[union-attr]

    assert roots("[]") == [str(here / "images")]
    assert roots("[]", source) == [str(there / "images")]
    assert roots("[{vary: data.root, values: [images, more]}]") == [str(here / "images"), str(here / "more")]
    assert roots("[{vary: data.root, values: [more]}]", source) == [str(here / "more")]
    assert roots("[]", vary=("data.root=images,more",)) == [str(there / "images"), str(there / "more")]
