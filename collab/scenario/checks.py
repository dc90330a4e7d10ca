"""What is wrong between parts that may each be right; looks at plain values, to tell all it can of a broken file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collab.architectures import ARCHITECTURES, Architecture, Backbone
from collab.meant import did_you_mean
from collab.scenario.holding_checks import check_holding, check_onlookers, check_partition
from collab.scenario.network import NOBODY
from collab.scenario.own_source_checks import check_own_sources
from collab.scenario.plain_values import Finding, entry, items, names_in, no_such_entity, number_in
from collab.scenario.row_checks import check_expectations, check_federation, check_row
from collab.scenario.sources import SOURCES, list_sources_that_tell
from collab.tasks import TASKS

OF_ANY_WIDTH = tuple(name for name, kind in ARCHITECTURES.items() if kind.width is not None)
"""Backbones whose width is free."""

RESERVED = {"oracle", "public", "store", "release", "heldout", NOBODY}
"""Names of no entity: folders and parties of a run."""


def find_cross_mistakes(content: Mapping[str, Any]) -> Iterator[Finding]:
    """The mistakes between the parts of a scenario as it stands in a file; values of a wrong type are passed over."""
    entities = items(content.get("entities"))
    names = [name for _, entity in entities if (name := entry(entity, "name", str)) is not None]
    rows = items(content.get("refinements"))
    yield from _check_entities(content, entities)
    private = names_in(entry(content, "data", dict) or {}, "private_classes") or None
    for place, (index, entity) in enumerate(entities):
        before = [other for _, other in entities[:place]]
        yield from ((("entities", index, *at), text) for at, text in check_holding(entity, before, names, private))
    yield from check_onlookers(content, entities)
    yield from _check_rounds(entities)
    if entities:
        yield from check_partition(content, entities)
    yield from check_own_sources(content, entities)
    yield from _check_data(content)
    yield from _check_model(content, names)
    seen: set[str] = set()
    for index, row in rows:
        yield from ((("refinements", index, *at), text) for at, text in check_row(row, names, seen))
    for index, federation in items(content.get("federated")):
        yield from ((("federated", index, *at), text) for at, text in check_federation(federation, names, seen))
    if content.get("scratch") is not None and not any(row.get("own") in ("images", "published") for _, row in rows):
        yield ("scratch",), "has no effect: no row has `own: images`"
    yield from check_expectations(content.get("expect"), [row for _, row in rows])
    resources = entry(entry(content, "resources", dict), "entity", dict) or {}
    gpus = number_in(resources, "gpus") or 0
    if gpus > 1 and gpus != int(gpus):
        yield ("resources", "entity", "gpus"), f"{gpus:g} is neither a fraction of one GPU nor a whole number of them"
    if resources.get("gpu_memory") is not None and gpus == 0:
        yield ("resources", "entity", "gpu_memory"), "has no effect without `gpus`"


def _check_entities(content: Mapping[str, Any], entities: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Finding]:
    if content.get("entities") in ([], ()):
        yield ("entities",), "there is none; at least one entity is needed"
    seen: set[str] = set()
    for index, entity in entities:
        name = (entry(entity, "name", str) or "").casefold()
        if name and name in seen:
            yield ("entities", index, "name"), f"{entity['name']!r} is the name of an entity before it; names differ"
        if name in RESERVED:
            yield ("entities", index, "name"), f"{entity['name']!r} is reserved; choose another"
        seen.add(name)


def _check_rounds(entities: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Finding]:
    """Rounds of answers, which take several who count them alike."""
    stated = list[tuple[tuple[str | int, ...], Any, float]]()
    for index, entity in entities:
        chain = entity.get("defense")
        is_chain = isinstance(chain, list | tuple)
        for place, defense in items(chain if is_chain else [chain]):
            rounds = number_in(defense, "rounds") or 1
            if defense.get("kind") == "public_answers" and rounds > 1:
                at: tuple[str | int, ...] = ("entities", index, "defense", *([place] if is_chain else []), "rounds")
                stated.append((at, entity.get("name"), rounds))
    if len(stated) == 1:
        yield stated[0][0], "averages answers of several, and no other entity answers in rounds"
    for at, _, rounds in stated[1:]:
        if rounds != stated[0][2]:
            yield at, f"is {rounds:g}, but {stated[0][2]:g} of {stated[0][1]!r}; all answer in as many rounds"


def _check_data(content: Mapping[str, Any]) -> Iterator[Finding]:
    data = entry(content, "data", dict) or {}
    names = data.get("private_classes", "half")
    if isinstance(names, list | tuple) and (len(names) < 2 or len({str(name) for name in names}) < len(names)):
        yield ("data", "private_classes"), "name two classes or more, each once, or write `half`"
    yield from _check_inference(content)
    yield from _check_readings(content)
    yield from _check_units(content)
    if data.get("score_on") == "validation" and not data.get("validation"):
        yield ("data", "score_on"), "there are no validation images; say in `data.validation` how many to set apart"
    task, source = data.get("task", "classification"), data.get("source")
    needs = TASKS[task].needs if isinstance(task, str) and task in TASKS else ""
    is_plugin = str(source) not in SOURCES  # what one tells is asked when it is opened
    if needs and not is_plugin and source not in (sources := list_sources_that_tell(needs)):
        yield (
            ("data", "task"),
            f"the images of {source!r} come without {needs}; those of {', '.join(sources)} have them",
        )
    utility, private = names_in(data, "utility_attributes"), names_in(data, "private_attributes")
    if utility and needs != "attributes":
        yield ("data", "utility_attributes"), "has no effect without `task: attributes`"
    if private and not is_plugin and source not in (sources := list_sources_that_tell("attributes")):
        yield ("data", "private_attributes"), f"needs images with attributes, of {', '.join(sources)}"
    for key, names in (("utility_attributes", utility), ("private_attributes", private)):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            yield ("data", key), f"names {', '.join(twice)} twice"
    if both := sorted(set(utility) & set(private)):
        yield ("data", "private_attributes"), f"{', '.join(both)} cannot be both answered and hidden"


def _check_inference(content: Mapping[str, Any]) -> Iterator[Finding]:
    """What classifiers are to read, and a DPM that confuses one of them, against what the images tell."""
    data, inference = entry(content, "data", dict) or {}, entry(content, "inference", dict)
    quantities = (inference or {}).get("of", ["attributes"])
    is_ours = str(data.get("source")) in SOURCES
    if inference is not None and is_ours and data["source"] not in (sources := list_sources_that_tell("identities")):
        yield ("inference",), f"needs images whose people are known, of {', '.join(sources)}"
    is_told = data.get("task") == "attributes" or bool(names_in(data, "private_attributes"))
    if inference is not None and isinstance(quantities, list | tuple) and "attributes" in quantities and not is_told:
        yield ("inference", "of"), "attributes need `data.private_attributes`, or `task: attributes`"
    for index, entity in items(content.get("entities")):
        chain = entity.get("defense")
        is_chain = isinstance(chain, list | tuple)
        for place, defense in items(chain if is_chain else [chain]):
            at: tuple[str | int, ...] = ("entities", index, "defense", *([place] if is_chain else []))
            is_confusing = defense.get("confuse") == "identification"
            if is_confusing and inference is None:
                yield (*at, "confuse"), "needs `inference`, which states the network that is to be confused"
            for name in ("against", "adapt"):
                if is_confusing and defense.get(name):
                    yield (*at, name), "has no effect with `confuse: identification`: no reconstructor is an opponent"
            if not is_confusing and defense.get("target") == "per_image":
                yield (*at, "target"), "has no effect without `confuse: identification`"


def _check_readings(content: Mapping[str, Any]) -> Iterator[Finding]:
    """What attacks are to read of rows, against what the images and the rows tell."""
    data = entry(content, "data", dict) or {}
    is_ours, is_classes = str(data.get("source")) in SOURCES, data.get("task", "classification") == "classification"
    is_told = data.get("task") == "attributes" or bool(names_in(data, "private_attributes"))
    for index, entity in items(content.get("entities")):
        for place, attack in items((entry(entity, "options", dict) or {}).get("attacks")):
            at: tuple[str | int, ...] = ("entities", index, "options", "attacks", place, "of")
            of = attack.get("of")
            if attack.get("kind") == "attribute_inference" and of == "attributes" and not is_told:
                yield at, "attributes need `data.private_attributes`, or `task: attributes`"
            if attack.get("kind") != "identity_inference":
                continue
            if of == "classes" and is_classes:
                yield at, "rows tell their class: it is no secret. Ask for identities, or state another `data.task`"
            if (
                of in (None, "identities")
                and is_ours
                and data["source"] not in (sources := list_sources_that_tell("identities"))
            ):
                yield at, f"needs images whose people are known, of {', '.join(sources)}"


def _check_units(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Privacy of people, against what the images tell."""
    source, sources = (entry(content, "data", dict) or {}).get("source"), list_sources_that_tell("identities")
    if str(source) not in SOURCES or source in sources:
        return
    asking: list[tuple[tuple[str | int, ...], Any]] = [
        (("entities", index, "defense"), entity.get("defense")) for index, entity in items(content.get("entities"))
    ]
    asking += [(("federated", index), federation) for index, federation in items(content.get("federated"))]
    for at, part in asking:
        dp = entry(part, "dp", dict) if isinstance(part, Mapping) else None
        if (dp or {}).get("unit") == "identity":
            yield (*at, "dp", "unit"), f"needs images whose people are known, of {', '.join(sources)}"


def _check_model(content: Mapping[str, Any], names: Sequence[str]) -> Iterator[Finding]:
    model = entry(content, "model", dict)
    pretrain = entry(model, "pretrain", dict)
    by, fits = entry(pretrain, "by", str), entry(pretrain, "decider_by", str)
    for key, name in (("by", by), ("decider_by", fits)):
        if name not in (None, NOBODY) and names and name not in names:
            yield ("model", "pretrain", key), no_such_entity(str(name), names)
    if by == NOBODY and (model is None or model.get("weights") is None):
        yield ("model", "pretrain", "by"), "is nobody, so that F must come from `weights`, and there are none"
    if by == NOBODY and fits in (None, NOBODY):
        yield ("model", "pretrain", "by"), "is nobody; name in `decider_by` the entity that fits C on its own images"
    if by not in (None, NOBODY) and fits is not None:
        yield ("model", "pretrain", "decider_by"), "has no effect without `by: nobody`"
    for key in ("weights_license", "mean", "std"):
        if model is not None and model.get(key) is not None and model.get("weights") is None:
            yield ("model", key), "has no effect without `weights`"
    backbone = entry(model, "backbone", str)
    kind = ARCHITECTURES.get(backbone or "")
    if kind is None:
        return
    side = entry({"image_size": 32, **(entry(content, "data", dict) or {})}, "image_size", int)  # the default of Data
    yield from check_backbone(str(backbone), kind, entry(model, "hook", str), side, entry(model, "width", int))


def check_backbone(
    name: str, kind: Architecture | Backbone, hook: str | None, side: int | None, width: int | None
) -> Iterator[Finding]:
    """What a scenario asks of a backbone that it has not; of what is None nothing is said."""
    if hook is not None and hook not in kind.hooks:
        meant = did_you_mean(hook, kind.hooks)
        yield ("model", "hook"), f"{name} cannot be split at {hook!r}; it has {', '.join(kind.hooks)}{meant}"
    if side is not None and not kind.sides[0] <= side <= kind.sides[1]:
        yield ("data", "image_size"), f"{name} takes {kind.sides[0]} to {kind.sides[1]} px, not {side}"
    elif side is not None and side % kind.patch:
        yield ("data", "image_size"), f"{name} takes multiples of {kind.patch} px, its patches, not {side}"
    if width is not None and kind.width is None:
        yield ("model", "width"), f"{name} has fixed widths; only {', '.join(OF_ANY_WIDTH)} take `width`"
