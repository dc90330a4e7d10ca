"""Each party has images of its own: who holds which, what is held out, and who reads what."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from collab.data.folders import ImageFolders
from collab.data.joined import Joined
from collab.errors import BoundaryError, DataError, ScenarioError
from collab.participants.assignment import Assignment, assign
from collab.participants.holding import Holding
from collab.participants.sources import Sources, open_origin
from collab.runtime.play import Played
from collab.runtime.prepared import Prepared, Where
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.scenario.sweep import read_sweep
from collab.store.ledger import read_ledger
from tests.parties.three_parties import COUNTS, read_parties
from tests.playing import play_here


def given(scenario: Scenario) -> Assignment:
    return assign(scenario, Sources.open(scenario))


def files(scenario: Scenario, assignment: Assignment, holding: Holding) -> list[tuple[str, str]]:
    """Party and file of every row."""
    named = []
    for origin, part in assignment.divide(holding):
        source = open_origin(scenario, origin.name)
        assert isinstance(source, ImageFolders)
        for split, rows in origin.find(part.split, part.rows):
            named += [(origin.name, source.names(split)[row]) for row in rows]
    return named


def test_every_image_is_of_its_party_held_or_held_out_and_of_the_class_that_its_folder_is_called(root: Path) -> None:
    scenario = read_parties(root)
    assignment = given(scenario)
    assert assignment.classes == ("cat", "dog", "frog")
    folders = {"a": "A", "b": "B", "c": "C"}
    for name, folder in folders.items():
        held, apart = (
            files(scenario, assignment, each) for each in (assignment.entities[name], assignment.held_out_of(name))
        )
        assert {party for party, _ in held + apart} == {name}
        every = {
            f"{kind}/p{number // 2}_{number % 2}.png"
            for kind, count in COUNTS[folder].items()
            for number in range(count)
        }
        assert Counter(file for _, file in held + apart) == Counter(every)  # each once
        called = scenario.sources["entities", "abc".index(name), "data"].class_names
        for holding, told in ((assignment.entities[name], held), (assignment.held_out_of(name), apart)):
            kinds = [file.partition("/")[0] for _, file in told]
            assert [called.get(kind, kind) for kind in kinds] == [assignment.classes[at] for at in holding.labels]
    assert len(files(scenario, assignment, assignment.public)) == 48
    assert len(assignment.heldout) == sum(len(assignment.held_out_of(name)) for name in folders)


def test_no_patient_is_split_over_training_and_held_out_images(root: Path) -> None:
    scenario = read_parties(root)
    assignment = given(scenario)
    for name in "abc":
        patients = [
            {file.partition("/")[2].partition("_")[0] for _, file in files(scenario, assignment, each)}
            for each in (assignment.entities[name], assignment.held_out_of(name))
        ]
        assert patients[1]
        assert not patients[0] & patients[1]
    loose = given(read_parties(root, "data.group=null"))  # planted: without groups patients are split
    split = [
        {file.partition("/")[2].partition("_")[0] for _, file in files(scenario, loose, each)}
        for each in (loose.entities["a"], loose.held_out_of("a"))
    ]
    assert split[0] & split[1]


def test_a_share_is_of_own_images_and_leaves_the_held_out_ones_and_other_parties_alone(root: Path) -> None:
    whole, half, tenth = (given(read_parties(root, f"entities.b.share={share}")) for share in (1.0, 0.5, 0.1))
    assert len(half.entities["b"]) == pytest.approx(len(whole.entities["b"]) / 2, abs=1)
    assert set(tenth.entities["b"].rows) < set(half.entities["b"].rows) < set(whole.entities["b"].rows)
    for other in (half, tenth):
        assert np.array_equal(other.heldout.rows, whole.heldout.rows)
        assert np.array_equal(other.entities["c"].rows, whole.entities["c"].rows)
    keys = [
        Prepared.of(read_parties(root, f"entities.b.share={share}"), Where("inprocess", out=root / "runs")).keys
        for share in (1.0, 0.5)
    ]
    assert {job for job in keys[0] if "decode" in job and keys[0][job] != keys[1][job]} == {"decode b", "decode oracle"}


def test_a_sweep_varies_how_many_of_its_own_images_one_party_uses(root: Path) -> None:
    (root / "sweep.yaml").write_text(
        "name: sizes\nscenario: parties.yaml\naxes: [{vary: subset_size.b, values: [0.5, 1.0]}]\n"
    )
    _, cells = read_sweep(root / "sweep.yaml")
    half, whole = (given(cell.scenario).images for cell in cells)
    assert (half["b"], half["a"], half["c"]) == (whole["b"] // 2, whole["a"], whole["c"])


def test_rows_list_files_of_the_own_folder(root: Path) -> None:
    (root / "b.txt").write_text("Cat/p[0-4]_*\ndogs/*\n")
    scenario = read_parties(root, "entities.b.rows=" + str(root / "b.txt"))
    assignment = given(scenario)
    told = files(scenario, assignment, assignment.entities["b"]) + files(
        scenario, assignment, assignment.held_out_of("b")
    )
    assert Counter(file.partition("/")[0] for _, file in told) == {"Cat": 10, "dogs": 16}


def test_who_alone_has_a_class_is_told_and_what_is_perhaps_one_class(root: Path) -> None:
    notices = given(read_parties(root)).notices
    assert any(text.startswith("a alone has images of frog") for text in notices)
    unmapped = given(read_parties(root, "entities.b.data.class_names={}", "entities.c.data.class_names={}"))
    assert unmapped.classes == ("Cat", "cat", "cats", "dog", "dogs", "frog")
    told = [text for text in unmapped.notices if "`class_names` joins them" in text]
    assert [text.partition(" are ")[0] for text in told] == ["Cat, cat, cats", "dog, dogs"]
    chosen = given(read_parties(root, "data.private_classes=[cat, dog]"))
    assert chosen.classes == ("cat", "dog")
    assert any(text.startswith("a: 20 images not played") and "frog 20" in text for text in chosen.notices)


@pytest.mark.parametrize(
    ("overrides", "error", "told"),
    [
        (["data.public=null"], ScenarioError, "data.public: is missing: with `source: own` nobody's images are public"),
        (["entities.b.data=null"], ScenarioError, r"entities.1.data: is missing: with `source: own` every entity"),
        (["data.hold_out=null", "data.group=null"], DataError, "entity 'a' has no test images of its own. State"),
        (["entities.b.data.class_names={Kat: cat}"], DataError, "b: class_names renames Kat; .* did you mean `Cat`"),
        (["data.group='x(q)'"], DataError, "entity 'a': `group: x.*matches nothing in 'cat/p0_0.png'"),
        (["data.private_classes=[cat, dgo]"], DataError, "dgo; the parties have cat, dog, frog; did you mean `dog`"),
        (["data.task=pose"], ScenarioError, "tells classes alone"),
        (["entities.b.data.image_size=8"], ScenarioError, "unknown key"),
        (["entities.b.data.root=nowhere"], ScenarioError, r"set it with --set entities\.b\.data\.root=FOLDER"),
        (["entities.c.overlap={with: a, fraction: 0.5}"], ScenarioError, "excludes `data`"),
        (["data.heldout={source: imagefolder, root: Q}"], ScenarioError, "no effect beside `data.heldout`"),
        (["entities.b.share=0.001"], DataError, "entity 'b' with share 0.001 would get no image"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_what_to_do(
    root: Path, overrides: Sequence[str], error: type[Exception], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(error, match=told):
        given(read_parties(root, *overrides))


def test_nobody_reads_images_of_another_party(root: Path) -> None:
    scenario = read_parties(root)
    assignment = given(scenario)
    of_b = assignment.entities["b"].rows[:3]

    def read(reader: str, rows: np.ndarray) -> int:
        joined = Joined(assignment.origins, lambda name: open_origin(scenario, name), reader)
        return sum(map(len, joined.images("train", rows)))

    assert read("b", of_b) == 3
    for reader in ("a", "oracle"):
        assert read(reader, assignment.public.rows[:3]) == 3
        with pytest.raises(BoundaryError, match=f"{reader} asked for images of b, which that entity alone reads"):
            read(reader, np.concatenate([assignment.public.rows[:1], of_b]))


def test_a_run_opens_each_folder_in_its_own_partys_stages_alone(
    root: Path, watched: tuple[Played, dict[str, set[str]]]
) -> None:
    played, readers = watched
    assert not played.failures
    assert readers == {"a": {"a"}, "b": {"b"}, "c": {"c"}, "public images": {"a"}}
    crossed = [each for each in read_ledger(played.run / "ledger.parquet") if each.kind == "held-out images"]
    assert [(each.sender, each.receiver) for each in crossed] == [("a", "*"), ("b", "*"), ("c", "*")]
    assignment = given(read_parties(root))
    shown = np.load(played.run / "heldout/images.npy")
    own = np.concatenate([np.load(played.run / f"private/{name}/heldout/images.npy") for name in "abc"])
    assert np.array_equal(shown, own)
    assert len(np.load(played.run / "private/oracle/images.npy")) == len(assignment.everything)


def test_held_out_images_that_are_also_in_training_are_refused(root: Path, tmp_path: Path) -> None:
    """Planted: each party's held-out images are its training images too."""
    folder = root / "A"
    overrides = [f"entities.{name}.data={{source: imagefolder, root: {folder}}}" for name in "abc"]
    overrides += [f"data.heldout={{source: imagefolder, root: {folder}}}", "data.hold_out=null", "data.group=null"]
    scenario = read_parties(root, *overrides)
    with pytest.raises(DataError, match="the test split is a copy of the training split"):
        play_here(scenario, tmp_path)


def test_some_are_dealt_to_and_some_have_their_own(root: Path, tmp_path: Path) -> None:
    """a is dealt half of the creatures of two species; b has photographs that it says are of these."""
    (tmp_path / "mixed.yaml").write_text(f"""
name: mixed
data: {{source: creatures, image_size: 16, classes: 4, train: 160, test: 40, private_classes: [species_00, species_01]}}
model: {{backbone: resnet8, width: 4, hook: conv3_1, pretrain: {{by: a, epochs: 1, batch_size: 16}}}}
reconstructor: {{epochs: 1, batch_size: 16}}
entities:
  - {{name: a, share: 0.5, defense: {{kind: dpm, blocks: 1, epochs: 1, batch_size: 16}}}}
  - name: b
    data: {{source: imagefolder, root: {root}/B, hold_out: 0.25, class_names: {{Cat: species_00, dogs: species_01}}}}
    defense: none
refine: {{epochs: 1, batch_size: 16}}
refinements: [{{row: 2, own: images, share: 1.0, epochs: 1}}, {{row: 3, entity: b, own: features, pool: [a]}}]
""")
    scenario = read_scenario(tmp_path / "mixed.yaml").scenario
    assignment = given(scenario)
    assert assignment.classes == ("species_00", "species_01")
    assert (len(assignment.entities["a"]), len(assignment.entities["b"])) == (40, 27)
    assert (len(assignment.held_out_of("b")), len(assignment.heldout)) == (9, 29)  # beside 20 of the creatures' tests
    assert len(assignment.everything) == 80 + 27
    played = play_here(scenario, tmp_path / "runs")
    assert not played.failures
    shown = np.load(played.run / "heldout/images.npy")
    assert np.array_equal(shown[20:], np.load(played.run / "private/b/heldout/images.npy"))
    assert len(np.load(played.run / "private/oracle/images.npy")) == 107
