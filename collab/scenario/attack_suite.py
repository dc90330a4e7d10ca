"""The suite of attacks that an audit adds to a scenario (ATTACKS 2), and who runs it; free of torch."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from collab.architectures import ARCHITECTURES
from collab.scenario.plain_values import items

Depth = Literal["quick", "full"]
CONTROLS = {"control_plain": "plain", "control_noise": "noise"}
"""The victims that an audit adds, and what they publish: every attack has to break the first, and none the second."""

AUDITORS = ("auditor", "auditor_2")
"""The outsiders that an audit adds, so that two attacks are tried at a time; they publish nothing."""

QUICK: tuple[dict[str, Any], ...] = tuple(
    {**attack, "rows": 500}
    for attack in (
        {"kind": "straw_man"},
        {"kind": "leaked_module", "is_stolen": True, "start": "released", "epochs": 1},
        {"kind": "shadow_modules", "modules": 8, "images": 500, "module_epochs": 1, "epochs": 2},
        {"kind": "through_decider", "depth": 1, "epochs": 1},
        {"kind": "leaked_pairs", "pairs": 4, "epochs": 0},
        {"kind": "leaked_pairs", "pairs": 64, "epochs": 0},
        {"kind": "distribution_matching", "map": "zca"},
        {"kind": "distribution_matching", "map": "eigen"},
        {"kind": "matching", "candidates": 1000},
        {"kind": "attribute_inference"},
        {"kind": "membership_inference", "candidates": 1000},
        {"kind": "membership_inference", "candidates": 1000, "by": "span"},
        {"kind": "membership_inference", "candidates": 1000, "by": "loss"},
        {"kind": "membership_inference", "candidates": 1000, "by": "relative"},
        {"kind": "answer_membership", "candidates": 1000},
    )
)
"""Minutes on two cores: the least honest set (ATTACKS 2), few modules and steps, as few rows as it allows."""

FULL: tuple[dict[str, Any], ...] = (
    {"kind": "shadow_modules", "modules": 8, "images": 2500, "module_epochs": 6},
    {"kind": "shadow_modules", "modules": 32, "images": 1250, "module_epochs": 3},
    {"kind": "leaked_module", "is_stolen": True, "start": "released", "epochs": 2},
    {"kind": "shadow_modules", "modules": 1, "images": 2500, "module_epochs": 6, "epochs": 2},
    {"kind": "shadow_modules", "modules": 4, "images": 2500, "module_epochs": 6, "epochs": 2},
    {"kind": "unseen_reconstructor", "reconstructor": "rx2s2", "epochs": 2},
    {"kind": "through_decider", "depth": 1, "epochs": 2},
    {"kind": "optimization_inversion", "through": "module", "is_stolen": True},
    {"kind": "optimization_inversion", "through": "decider"},
    {"kind": "straw_man"},
    {"kind": "through_decider", "depth": 2, "epochs": 2},
    *({"kind": "leaked_pairs", "pairs": count} for count in (1, 4, 16, 64, 256)),
    {"kind": "leaked_pairs", "pairs": 64, "epochs": 0, "sides": [3], "name": "leaked_pairs_ridge"},
    *({"kind": "distribution_matching", "map": way} for way in ("zca", "transport", "eigen")),
    {"kind": "distribution_matching", "map": "zca", "per_class": True},
    {"kind": "adversarial_alignment"},
    *({"kind": "matching", "boost": 0, "views": [view]} for view in ("logits", "penultimate", "blocks", "frame_free")),
    {"kind": "matching"},
    {"kind": "matching", "present": 0.1, "name": "matching_tenth"},
    {"kind": "matching", "present": 0.0, "name": "matching_absent"},
    {"kind": "planted_images"},
    {"kind": "attribute_inference"},
    {"kind": "attribute_inference", "pairs": 100},
    {"kind": "membership_inference"},
    *({"kind": "membership_inference", "by": way} for way in ("span", "means", "loss", "relative", "ratio")),
    {"kind": "answer_membership"},
)
"""All there is, with curves over K and over the number of pairs; the auditors take turns, so the longest come first."""

SUITES: dict[Depth, tuple[dict[str, Any], ...]] = {"quick": QUICK, "full": FULL}

DISCLOSURE: dict[Depth, dict[str, Any]] = {
    "quick": {"images": 1000, "queries": 200, "gallery": 1000, "recognizer": {"epochs": 5}},
    "full": {},
}
"""How disclosure is measured where the scenario does not say."""


def add_auditors(content: dict[str, Any], depth: Depth) -> dict[str, Any]:
    """A scenario's content with auditors that attack everybody who publishes, their controls, and disclosure measured.

    What was played before stays as it is: auditors and controls say nothing of images of their own, so that nobody has
    fewer for them (`collab.participants.assignment`), and no pool names them. They take names that no entity has.
    """
    entities = [entity for _, entity in items(content.get("entities"))]
    taken = {str(entity.get("name")).casefold() for entity in entities}
    names = itertools.islice((name for name in _name_like(AUDITORS) if name not in taken), len(AUDITORS))
    attacks = [dict(each) for each in SUITES[depth] if each.get("depth", 0) <= _blocks_of_c(content)]
    auditors = [
        {"name": name, "kind": "auditor", "defense": "none", "options": {"attacks": attacks[place :: len(AUDITORS)]}}
        for place, name in enumerate(names)
    ]
    controls = [
        {
            "name": next(each for each in _name_like((name,)) if each not in taken),
            "kind": "control", "defense": "none", "options": {"shows": shows, "of": donor},
        }
        for donor in _find_donor(content, entities)
        for name, shows in CONTROLS.items()
    ]  # fmt: skip
    return {"disclosure": DISCLOSURE[depth], **content, "entities": [*entities, *controls, *auditors]}


def _name_like(names: Sequence[str]) -> Iterator[str]:
    """These names, then the first with numbers behind it."""
    return itertools.chain(names, (f"{names[0]}_{number}" for number in itertools.count(len(names) + 1)))


def _find_donor(content: dict[str, Any], entities: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Of whose images controls publish features: the first entity that is dealt some and has not pre-trained.

    F and C know the images of whoever pre-trained: an attack on the release finds them whatever was published. Where
    nobody else is dealt images it is that one all the same; nobody where all entities have sources of their own.
    """
    pretrain = (content.get("model") or {}).get("pretrain") or {}
    leaders = {pretrain.get("by"), pretrain.get("decider_by")}
    dealt = [
        str(entity.get("name"))
        for entity in entities
        if entity.get("data") is None and (entity.get("share") is not None or entity.get("rows") is not None)
    ]
    yield from sorted(dealt, key=lambda name: name in leaders)[:1]


def _blocks_of_c(content: dict[str, Any]) -> int:
    """Blocks behind the hook, 1 where the scenario says too little."""
    model = content.get("model") or {}
    kind = ARCHITECTURES.get(model.get("backbone", ""))
    if kind is None or model.get("hook") not in kind.hooks:
        return 1
    blocks = [name for name in kind.hooks if "_" in name or name.startswith("block")]
    last = kind.last_piece(model["hook"])
    return len(blocks) - 1 - blocks.index(last) if last in blocks else 1
