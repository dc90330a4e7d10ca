"""Every mistake is told, at its line and column, with what is allowed; all of them at once."""

from collections.abc import Callable

import pytest

from collab.scenario.checks import find_cross_mistakes

Complaints = Callable[..., list[str]]

# (what stands in the valid file, what stands there instead with @ where the complaint must point to, its words)
FAULTS = {
    "unknown key": ("epochs: 2", "@epochz: 2", "unknown key; did you mean `epochs`?"),
    "key far from any": ("epochs: 2", "@zzz: 2", "unknown key; allowed: augment, batch_size, by, decider_by, epochs"),
    "python name of lambda": ("lambda: 0.5", "@ssim_weight: 0.5", "unknown key"),
    "key of another kind": ("defense: none", "defense: {kind: none, @blocks: 2}", "unknown key; allowed: kind"),
    "key of another source": ("classes: 6", "@root: .", "unknown key"),
    "label smoothing of R": ("name: small", "name: small\nreconstructor: {@label_smoothing: .1}", "unknown key"),
    "missing key": ("  hook: conv3_1\n", "", "3:1: model.hook: is missing"),
    "missing source": ("{source: creatures, ", "{", "2:1: data.source: is missing; one of creatures, parquet"),
    "unknown source": ("source: creatures", "@source: creature", "must be one of creatures, parquet, "),
    "unknown backbone": ("backbone: resnet8", "@backbone: resnet9", "must be one of resnet8, resnet14"),
    "unknown defense": ("defense: none", "@defense: nope", "must be one of adversarial, class_gaussian, "),
    "unknown defense, long": ("kind: dpm", "@kind: dpn", "(got 'dpn'); did you mean `dpm`?"),
    "defense without kind": (
        "defense: none",
        "@defense: {blocks: 2}",
        "entities.2.defense.kind: is missing; one of adversarial, class_gaussian, dpm",
    ),
    "epochs out of range": ("epochs: 2", "@epochs: 0", "must be greater than or equal to 1 (got 0)"),
    "batch of one": ("epochs: 2", "@batch_size: 1", "must be greater than or equal to 2"),
    "rate not finite": ("epochs: 2", "@learning_rate: 1e999", "must be a finite number"),
    "rate a word": ("epochs: 2", "@learning_rate: .inf", "must be a number (got '.inf')"),
    "whole number": ("blocks: 2", "@blocks: 2.5", "must be a whole number (got 2.5)"),
    "quoted number": ("epochs: 2", '@epochs: "2"', "must be a whole number (got '2')"),
    "boolean as number": ("epochs: 2", "@epochs: true", "must be a whole number (got true)"),
    "null": ("epochs: 2", "@epochs:", "must be a whole number (got null)"),
    "no is a word": ("name: small", "name: small\n@controls: no", "must be true or false, or must be own (got 'no')"),
    "on is a word": (
        "epochs: 2",
        "@augment: on",
        "must be true or false, or must be one of resized_crop, mirror (got 'on')",
    ),
    "12:30 is a word": ("name: small", "name: small\n@seed: 12:30", "must be a whole number (got '12:30')"),
    "a date is a word": ("name: small", "name: small\n@seed: 2020-01-01", "must be a whole number (got '2020-01-01')"),
    "0x10 is a word": ("name: small", "name: small\n@seed: 0x10", "must be a whole number (got '0x10')"),
    "thousands of digits": ("name: small", "name: small\n@seed: " + 5000 * "9", "must be a whole number"),
    "number as name": ("name: small", "@name: 010", "must be a text (got 10)"),
    "name with capitals": ("name: small", "@name: Small", "must be lower-case letters, digits and _"),
    "name of an entity": ("name: a2", "@name: 2a", "must be 1 to 32 of a-z, 0-9, _ and -, a letter first"),
    "list for a mapping": ("name: small", "name: small\n@store: [float16]", "must be a mapping of keys to values"),
    "word for a list": ("pool: [a2, a3]", "@pool: a2", "must be a list (got 'a2')"),
    "reconstructor": (
        "name: small",
        "name: small\nreconstructor: {@kind: px2s3}",
        "must be unet, or p or r, x1 to x9, s2 or s4",
    ),
    "no such paper": ("name: small", "name: small\nexpect: {@paper: dp_table6}", "must be one of dp_table1, dp_table2"),
    "paper misspelled": ("name: small", "name: small\nexpect: {@papr: dp_table5}", "did you mean `paper`?"),
    "paper and more": (
        "name: small",
        "name: small\nexpect: {paper: dp_table5, @row: 7}",
        "unknown key; allowed: against, paper",
    ),
    "paper twice": (
        "name: small",
        "name: small\nexpect: [{paper: dp_table5}, {@paper: dp_table5}]",
        "'dp_table5' is there already",
    ),
    "expects a word": (
        "name: small",
        "name: small\n@expect: dp_table5",
        "must be a mapping of keys to values, or must",
    ),
    "expects a word in a list": ("name: small", "name: small\nexpect: [@good]", "must be a mapping of keys to values"),
    "expects an empty list": ("name: small", "name: small\n@expect: []", "the list is empty"),
    "bound of nothing": (
        "name: small",
        "name: small\nexpect: [@{metric: top1, row: 7}]",
        "expects nothing; state `at_least`, `at_most`, or `near` and `within`",
    ),
    "bound without metric": ("name: small", "name: small\nexpect: [@{row: 7, at_least: 0.5}]", "metric: is missing"),
    "bound misspelled": (
        "name: small",
        "name: small\nexpect: [{metric: top1, row: 7, @at_leest: 0.5}]",
        "did you mean `at_least`?",
    ),
    "bound a word": ("name: small", "name: small\nexpect: {metric: a, row: 7, @at_least: high}", "must be a number"),
    "near nothing": ("name: small", "name: small\n@expect: {metric: top1, row: 7, near: 0.5}", "says how far from"),
    "near and least": (
        "name: small",
        "name: small\nexpect: {metric: top1, row: 7, near: 0.5, within: 0.1, @at_least: 0.5}",
        "excludes `near`",
    ),
    "within nothing": (
        "name: small",
        "name: small\nexpect: {metric: top1, row: 7, at_least: 0.5, @within: 0.1}",
        "has no effect without `near`",
    ),
    "within less than nothing": (
        "name: small",
        "name: small\nexpect: {metric: top1, row: 7, near: 0.5, @within: -0.1}",
        "must be greater than or equal to 0",
    ),
    "least above most": (
        "name: small",
        "name: small\nexpect: {metric: top1, row: 7, at_least: 0.6, @at_most: 0.5}",
        "is below `at_least`, 0.6",
    ),
    "metric with capitals": (
        "name: small",
        "name: small\nexpect: {@metric: Top-1, row: 7, at_least: 0.5}",
        "must be the name of a metric as in the results",
    ),
    "bound on no row": (
        "name: small",
        "name: small\nexpect: [{metric: top1, @row: 8, at_least: 0.5}]",
        "there is no row 8; there are c_public, reconstructor, reconstructor_tried, tables_1_2, publish, 1, 5, 6, 7",
    ),
    "bound on a control that is off": (
        "name: small",
        "name: small\ncontrols: false\nexpect: {metric: top1, @row: c_own_a1, at_least: 0.5}",
        "there is no row c_own_a1 (the scenario has `controls: false`)",
    ),
    "bound on nobody": (
        "name: small",
        "name: small\nexpect: {metric: top1, row: 7, @entity: b, at_least: 0.5}",
        "there is no entity 'b'; there are a1, a2, a3",
    ),
    "bound on another's row": (
        "name: small",
        "name: small\nexpect: {metric: top1, row: 7, @entity: a2, at_least: 0.5}",
        "row 7 is of a1, not of 'a2'",
    ),
    "bound on the row of all": (
        "name: small",
        "name: small\nexpect: {metric: top1, row: 5, @entity: a2, at_least: 0.5}",
        "row 5 is nobody's; leave it out",
    ),
    "class names": ("classes: 6", "private_classes: [a, @3.5]", "data.private_classes.1: must be a text (got 3.5)"),
    "classes, a word": ("classes: 6", "@private_classes: all", "must be half, or must be a list (got 'all')"),
    "one class": ("classes: 6", "@private_classes: [a]", "name two classes or more, each once"),
    "class twice": ("classes: 6", "@private_classes: [a, a]", "name two classes or more, each once"),
    "entity twice": ("name: a2", "@name: a1", "'a1' is the name of an entity before it"),
    "entity twice but for case": ("name: a2", "@name: A1", "is the name of an entity before it"),
    "reserved oracle": ("name: a3", "@name: oracle", "'oracle' is reserved"),
    "shares": ("share: 0.3", "share: 0.45", "7:1: entities: the shares add up to 1.05"),
    "share of nothing": ("share: 0.3", "@share: 0", "must be greater than 0 (got 0)"),
    "neither share nor rows": ("share: 0.3, ", "", "9:5: entities.1.share: is missing; without it only `rows` says"),
    "share and rows": ("share: 0.3", "rows: r.txt, @share: 0.3", "entities.1.share: excludes `rows`"),
    "classes and rows": ("share: 0.3", "rows: r.txt, @classes: [a]", "entities.1.classes: excludes `rows`"),
    "overlap and rows": (
        "share: 0.3",
        "rows: r.txt, @overlap: {with: a1, fraction: 0.5}",
        "entities.1.overlap: excludes `rows`",
    ),
    "no list of rows": ("share: 0.3", "@rows: nowhere.txt", "there is no file"),
    "rows, a number": ("share: 0.3", "@rows: 5", "entities.1.rows: must be a text (got 5)"),
    "no class chosen": ("share: 0.3", "share: 0.3, @classes: []", "name one class or more, each once"),
    "class chosen twice": ("share: 0.3", "share: 0.3, @classes: [a, a]", "name one class or more, each once"),
    "class, a word": ("share: 0.3", "share: 0.3, @classes: a", "must be a list (got 'a')"),
    "overlap with itself": ("share: 0.3", "share: 0.3, overlap: {@with: a2, fraction: 1}", "is the entity itself"),
    "overlap with a later one": (
        "share: 0.3",
        "share: 0.3, overlap: {@with: a3, fraction: 1}",
        "'a3' comes after it; name an entity before it, or change their order",
    ),
    "overlap with nobody": (
        "share: 0.3",
        "share: 0.3, overlap: {@with: b, fraction: 1}",
        "there is no entity 'b'; there are a1, a2, a3",
    ),
    "overlap of other classes": (
        "a1, share: 0.5, defense: dpm}\n  - {name: a2, share: 0.3",
        "a1, share: 0.5, defense: dpm, classes: [x, y]}\n"
        "  - {name: a2, share: 0.3, classes: [z], overlap: {@with: a1, fraction: 1}",
        "'a1' has images of x, y only, this entity of none of them",
    ),
    "overlap, a word": ("share: 0.3", "share: 0.3, @overlap: a1", "must be a mapping of keys to values"),
    "overlap with no fraction": ("share: 0.3", "share: 0.3, @overlap: {with: a1}", "overlap.fraction: is missing"),
    "overlap of nothing": ("share: 0.3", "share: 0.3, overlap: {with: a1, @fraction: 0}", "must be greater than 0"),
    "overlap above one": (
        "share: 0.3",
        "share: 0.3, overlap: {with: a1, @fraction: 1.5}",
        "must be less than or equal to 1 (got 1.5)",
    ),
    "python name of with": (
        "share: 0.3",
        "share: 0.3, overlap: {@entity: a1, fraction: 1}",
        "unknown key; allowed: fraction, with",
    ),
    "unknown partition": (
        "entities:",
        "partition: {@kind: dirichelet}\nentities:",
        "partition.kind: must be one of iid, dirichlet, quantity (got 'dirichelet'); did you mean `dirichlet`?",
    ),
    "unknown partition, short": ("entities:", "@partition: even\nentities:", "must be one of iid, dirichlet, quantity"),
    "partition without kind": ("entities:", "@partition: {alpha: 1}\nentities:", "partition.kind: is missing; one of"),
    "partition without alpha": ("entities:", "@partition: dirichlet\nentities:", "partition.alpha: is missing"),
    "alpha of no skew": ("entities:", "partition: {kind: iid, @alpha: 1}\nentities:", "unknown key; allowed: kind"),
    "alpha of nothing": (
        "entities:",
        "partition: {kind: dirichlet, @alpha: 0}\nentities:",
        "must be greater than or equal to 0.000001 (got 0)",
    ),
    "alpha without end": (
        "entities:",
        "partition: {kind: quantity, @alpha: 1e9}\nentities:",
        "must be less than or equal to 1000000",
    ),
    "quantity and classes": (
        "entities:\n  - {name: a1, share: 0.5, ",
        "partition: {kind: quantity, alpha: 1}\nentities:\n  - {name: a1, share: 0.5, @classes: [x], ",
        "entities.0.classes: excludes `kind: quantity`",
    ),
    "shares of a class": (
        "a1, share: 0.5, defense: dpm}\n  - {name: a2, share: 0.3",
        "a1, share: 0.8, classes: [x], defense: dpm}\n  - {name: a2, share: 0.3",
        "7:1: entities: the shares of class 'x' add up to 1.2",
    ),
    "pretrain by nobody": ("by: a1", "@by: b", "there is no entity 'b'; there are a1, a2, a3"),
    "hook of another": (
        "hook: conv3_1",
        "@hook: conv5_1",
        "resnet8 cannot be split at 'conv5_1'; it has conv2_1, conv2,",
    ),
    "too small": (
        "backbone: resnet8",
        "backbone: resnet18",
        "2:27: data.image_size: resnet18 takes 64 to 512 px, not 16",
    ),
    "too large": ("image_size: 16", "@image_size: 128", "resnet8 takes 16 to 64 px, not 128"),
    "too small by default": (
        "image_size: 16, classes: 6}\nmodel:\n  backbone: resnet8",
        "classes: 6}\nmodel:\n  backbone: resnet50",
        "2:1: data.image_size: resnet50 takes 64 to 512 px, not 32",
    ),
    "width of a large one": (
        "image_size: 16, classes: 6}\nmodel:\n  backbone: resnet8",
        "image_size: 64, classes: 6}\nmodel:\n  backbone: resnet50\n  @width: 16",
        "resnet50 has fixed widths; only resnet8, resnet14, resnet20, resnet18_small, resnet18_small_mlp, "
        "vgg16_small, vit6_small take `width`",
    ),
    "row twice": ("row: 6", "@row: 5", "row 5 is there already"),
    "row of ours": ("row: alone", "@row: c_own", "reserved"),
    "row of a stage": ("row: alone", "@row: publish", "'publish' is reserved"),
    "row too long": ("row: alone", "@row: " + 21 * "a", "longer than 20 letters"),
    "row neither": ("row: 6", "@row: 6.5", "must be a whole number, or must be a text (got 6.5)"),
    "row of nobody": ("entity: a2, own", "@entity: b, own", "there is no entity 'b'; there are a1, a2, a3"),
    "pool of nobody": ("pool: [a2, a3]", "pool: [a2, @b]", "refinements.3.pool.1: there is no entity 'b'"),
    "plain features of nobody": ("unpoisoned: [a2]", "unpoisoned: [@b]", "there is no entity 'b'"),
    "own pool": ("pool: [a2, a3]", "pool: [a2, @a1]", "'a1' is the entity itself"),
    "twice in a pool": ("pool: [a2, a3]", "pool: [a2, @a2]", "'a2' is named twice"),
    "pool and unpoisoned": ("pool: [a2, a3]", "pool: [a2], @unpoisoned: [a3]", "excludes `pool`"),
    "share and entity": ("own: images, share", "own: images, entity: a1, @share", "excludes `entity`"),
    "share of features": ("own: images, share", "own: features, @share", "is for `own: images`"),
    "images and pool": ("own: images}", "own: images, @pool: [a2]}", "features cannot be mixed into `own: images`"),
    "poisoned and unpoisoned": ("own: features, unpoisoned", "own: poisoned, @unpoisoned", "excludes `own: poisoned`"),
    "nobody": ("  - {row: alone, entity: a2, ", "  - @{row: alone, ", "names no entity"),
    "dead scratch": ("own: images}", "own: features}", None),
    "dead expectation": ("name: small", "name: small\nexpect: {paper: dp_table5}", None),
    "fraction above one": ("name: small", "name: small\nresources: {entity: {@gpus: 1.5}}", "neither a fraction"),
    "memory of no GPU": (
        "name: small",
        "name: small\nresources: {entity: {@gpu_memory: 8GiB}}",
        "no effect without `gpus`",
    ),
    "memory unit": (
        "name: small",
        "name: small\nresources: {entity: {gpus: 1, @gpu_memory: 8GB}}",
        "must be a number and KiB, MiB, GiB or TiB, such as 8GiB (got '8GB')",
    ),
    "credentials": (
        "name: small",
        "name: small\nstore: {@uri: 's3://someone:its-secret@bucket/prefix'}",
        "credentials come from the environment",
    ),
    "credentials of Azure": (
        "name: small",
        "name: small\nstore: {@uri: 'abfs://:its-secret@lab1.dfs.core.windows.net/stores'}",
        "credentials come from the environment",
    ),
    "credentials as options": (
        "name: small",
        "name: small\nstore: {@uri: 's3://bucket?access_key=someone&secret_key=its-secret'}",
        "credentials come from the environment",
    ),
    "missing folder": (
        "source: creatures, image_size: 16, classes: 6",
        "source: cifar10, image_size: 16, @root: nowhere",
        "there is no folder",
    ),
    "key twice": ("epochs: 2", "epochs: 2, @epochs: 3", "model.pretrain.epochs: key stands twice"),
    "alias": ("name: small", "name: @&x small", "aliases and anchors are refused"),
    "tag": ("name: small", "name: @!!str small", "tags are refused"),
    "python tag": ("name: small", "name: @!!python/name:os.system x", "tags are refused"),
    "number as key": ("name: small", "name: small\n@1: 2", "a key is a word"),
    "list as key": ("name: small", "name: small\n? @[a]\n: 3", "a key is a word"),
    "tab": ("name: small", "name: small\n@\tseed: 3", "this is not YAML: found character '\\t'"),
    "control character": ("name: small", "name: small\nabout: a@\x01", "the character 0x1 is not allowed"),
    "two documents": ("entities:", "@---\nentities:", "this is not YAML"),
    "unclosed": ("defense: none}", "defense: none\nrefinement@: [", "this is not YAML"),
}


@pytest.mark.parametrize("fault", [name for name, (_, _, words) in FAULTS.items() if words])
def test_a_planted_fault_is_told_where_it_stands(fault: str, valid: str, complaints: Complaints) -> None:
    old, new, words = FAULTS[fault]
    before, found, after = valid.partition(old)
    assert found
    text = before + new.replace("@", "") + after
    where = ""
    if "@" in new:
        line = (before + new.partition("@")[0]).split("\n")
        where = f"{len(line)}:{len(line[-1]) + 1}: "
    told = complaints(text)
    assert any(complaint.startswith(where) and words in complaint for complaint in told), told
    assert "its-secret" not in " ".join(told)


@pytest.mark.parametrize(
    "fault",
    [
        "no such paper",
        "expects a word",
        "bound of nothing",
        "bound misspelled",
        "bound a word",
        "bound on no row",
        "epochs out of range",
        "unknown key",
        "hook of another",
        "row twice",
        "key twice",
    ],
)
def test_one_fault_is_one_complaint(fault: str, valid: str, complaints: Complaints) -> None:
    old, new, _ = FAULTS[fault]
    assert len(complaints(valid.replace(old, new.replace("@", ""), 1))) == 1


def test_the_valid_file_is_valid(complaints: Complaints) -> None:
    assert complaints() == []


def test_all_mistakes_are_told_at_once_and_in_order(valid: str, complaints: Complaints) -> None:
    planted = {
        "name: small": "name: small\nname: Small",  # YAML itself, and a pattern
        "classes: 6": "classes: 3",  # a bound
        "hook: conv3_1": "hook: conv7",  # between parts
        "epochs: 2": "epohcs: 2",  # an unknown key
        "blocks: 2": "blocks: x",  # a type, deep in a union
        "pool: [a2, a3]": "pool: [a2, b]",  # between parts
    }
    for old, new in planted.items():
        valid = valid.replace(old, new)
    told = complaints(valid)
    assert [complaint.split(": ")[:2] for complaint in told] == [
        ["2:1", "name"],
        ["2:1", "name"],
        ["3:43", "data.classes"],
        ["6:3", "model.hook"],
        ["7:22", "model.pretrain.epohcs"],
        ["10:49", "entities.1.defense.blocks"],
        ["16:52", "refinements.3.pool.1"],
    ]


def test_parts_without_effect_are_mistakes(valid: str, complaints: Complaints) -> None:
    rows = "refinements:\n  - {row: alone, entity: a2, own: features}\n"
    only_features = valid[: valid.index("refinements:")] + rows
    assert complaints(only_features) == []
    assert complaints(only_features + "scratch: {epochs: 3}\n") == [
        "13:1: scratch: has no effect: no row has `own: images`"
    ]
    told = complaints(only_features + "expect: {paper: dp_table5}\n")
    assert told == ["13:1: expect: has no effect: no row is called 1 to 12, as those of the paper's table are"]
    assert complaints(valid + "scratch: {epochs: 3}\nexpect: {paper: dp_table5}\n") == []


@pytest.mark.parametrize("text", ["", "- a\n", "5\n", "text\n", "entities: 5\nmodel: 3\ndata: []\nrefinements: x\n"])
def test_a_file_of_another_shape_is_no_traceback(text: str, complaints: Complaints) -> None:
    assert complaints(text)


@pytest.mark.parametrize(
    "bomb",
    [
        "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n",
        "a: " + 100_000 * "[",
        "a: " + 50_000 * "{a: ",
        100 * "- " + "a\n",
        "a: " + 5_000 * "[" + 5_000 * "]",
        "a: b\n" * 60_000,
    ],
    ids=["aliases", "lists", "mappings", "items", "closed lists", "size"],
)
def test_bombs_are_refused(bomb: str, complaints: Complaints) -> None:
    assert complaints(bomb)


def test_a_defense_of_none_may_be_pooled(valid: str, complaints: Complaints) -> None:
    assert complaints(valid.replace("pool: [a2, a3]", "pool: [a3]")) == []


@pytest.mark.parametrize(
    "planted",
    [
        "partition: iid",
        "partition: {kind: iid}",
        "partition: {kind: dirichlet, alpha: 0.3}",
        "partition: {kind: quantity, alpha: 1e6}",
    ],
)
def test_partitions_that_are_right_are_let_pass(planted: str, valid: str, complaints: Complaints) -> None:
    assert complaints(valid.replace("entities:", planted + "\nentities:", 1)) == []


def test_a_partition_without_effect_is_a_mistake(valid: str, complaints: Complaints) -> None:
    entities, rest = valid.index("entities:"), valid.index("refinements:")
    alone = "entities:\n  - {name: a1, share: 0.5, classes: [x], defense: dpm}\n"
    rows = "refinements:\n  - {row: 1, entity: a1, own: images}\n"
    assert rest > entities
    for kind, words in [("dirichlet", "no entity draws from more than one class"), ("quantity", "it takes two")]:
        text = valid[:entities] + f"partition: {{kind: {kind}, alpha: 1}}\n" + alone + rows
        told = complaints(text.replace("classes: [x], ", "") if kind == "quantity" else text)
        assert len(told) == 1
        assert told[0].startswith(f"7:1: partition: has no effect: {words}")


def test_shares_may_exceed_one_by_what_overlaps(valid: str, complaints: Complaints) -> None:
    text = valid.replace("share: 0.3", "share: 0.45, overlap: {with: a1, fraction: 0.5}")
    assert complaints(text) == []
    assert any("add up to 1.05" in told for told in complaints(valid.replace("share: 0.3", "share: 0.45")))
    drawn = text.replace("entities:", "partition: {kind: quantity, alpha: 1}\nentities:", 1)
    assert any("add up to 1.05" in told for told in complaints(drawn))  # all of it may be drawn for a1


def test_shares_of_a_class_are_not_counted_where_an_overlap_may_lie_in_it(valid: str, complaints: Complaints) -> None:
    text = valid.replace("share: 0.5", "share: 0.8, classes: [x]")
    text = text.replace("share: 0.3", "share: 0.3, classes: [x, y], overlap: {with: a1, fraction: 0.2}")
    assert complaints(text) == []
    assert any(
        "of class 'x' add up to 1.2" in told
        for told in complaints(text.replace(", overlap: {with: a1, fraction: 0.2}", ""))
    )


def test_shares_of_distinct_classes_have_no_total(valid: str, complaints: Complaints) -> None:
    text = valid.replace("share: 0.5", "share: 0.9, classes: [x]").replace("share: 0.3", "share: 0.9, classes: [y]")
    assert complaints(text) == []


def test_a_public_class_is_told_where_the_file_names_the_private_ones(valid: str, complaints: Complaints) -> None:
    chosen = valid.replace("share: 0.5", "share: 0.5, classes: [a, c]")
    assert complaints(chosen) == []  # which classes are private is drawn later
    told = complaints(chosen.replace("classes: 6", "private_classes: [a, b]"))
    assert told == ["8:41: entities.0.classes.1: 'c' is no private class; those are a, b"]


@pytest.mark.parametrize(("source", "is_known"), [("creatures", True), ("cifar10", False)])
def test_people_are_hidden_only_where_it_is_known_who_they_are(source: str, is_known: bool) -> None:
    dp = {"epsilon": 8, "unit": "identity"}
    content = {
        "data": {"source": source},
        "entities": [
            {"name": "a1", "defense": {"kind": "public_gaussian", "dp": dp}},
            {"name": "a2", "defense": "dpm"},
        ],
        "federated": [{"row": "fed", "dp": dp}, {"row": "plain"}],
    }
    found = [trail for trail, text in find_cross_mistakes(content) if "people are known" in text]
    expected = [("entities", 0, "defense", "dp", "unit"), ("federated", 0, "dp", "unit")]
    assert found == ([] if is_known else expected)
