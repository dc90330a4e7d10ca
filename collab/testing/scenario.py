"""The small scenario of drawn images that the conformance kit plays a plugin in."""

from collections.abc import Mapping
from typing import Any, cast

from collab.architectures import ARCHITECTURES, Architecture, Backbone
from collab.plugins.discovery import Plugins
from collab.scenario.kinds import Kinds
from collab.scenario.model import Scenario
from collab.scenario.network import Network
from collab.scenario.reader import with_tuples


def begin_network(kind: str) -> dict[str, Any]:
    """The network of a check as a scenario states it, but for where it is split."""
    return {"backbone": kind, "hook": "", "pretrain": {"by": "other", "epochs": 1}}


def complete_network(kind: str, options: Mapping[str, Any], plugins: Plugins) -> Network:
    """The same with `options`; split in the middle of its hooks, unless they say where."""
    model = Kinds(plugins).options("backbones", kind)
    network = cast(Network, model.model_validate({**begin_network(kind), **options}, context=Kinds(plugins)))
    hooks = entry_of(network.architecture).hooks
    return network.model_copy(update={"hook": network.hook or hooks[len(hooks) // 2] if hooks else ""})


def entry_of(backbone: str | Backbone) -> Architecture | Backbone:
    """What is known of a backbone before it is built."""
    return ARCHITECTURES[backbone] if isinstance(backbone, str) else backbone


def sides(backbone: str | Backbone) -> tuple[int, ...]:
    """The least side that a backbone takes, and one that is larger by half, if it takes that."""
    least, most = entry_of(backbone).sides
    return tuple(dict.fromkeys((least, min(most, least + least // 2))))


def small_scenario() -> Scenario:
    """The scenario of a check, without any plugin."""
    content = content_of("", "", {}, Plugins())
    return Scenario.model_validate(with_tuples(content))


def content_of(group: str, kind: str, options: Mapping[str, Any], plugins: Plugins) -> dict[str, Any]:
    """The scenario of a check: `other` is the paper's entity, `mine` the same but for the plugin."""
    dpm = {"kind": "dpm", "epochs": 2, "blocks": 1}
    other: dict[str, Any] = {"name": "other", "share": 0.2, "defense": dpm}
    mine: dict[str, Any] = {"name": "mine", "share": 0.2, "defense": dpm}
    content: dict[str, Any] = {
        "name": "check",
        "data": {"source": "creatures", "image_size": 16, "classes": 4, "train": 400, "test": 40, "public_images": 32},
        "model": {"backbone": "resnet8", "width": 4, "hook": "conv3_1", "pretrain": {"by": "other", "epochs": 1}},
        "reconstructor": {"epochs": 1},
        "entities": [other, mine],
        "refine": {"epochs": 2},
        "controls": False,
    }
    rows: list[dict[str, Any]] = [{"row": 8, "entity": "mine", "own": "features", "pool": ["other"]}]
    if group == "entities":
        mine |= {"kind": kind, "options": dict(options)}
    if group != "entities" or Kinds(plugins).options(group, kind).publishes:  # type: ignore[attr-defined]
        rows.insert(0, {"row": 7, "entity": "other", "own": "features", "pool": ["mine"]})
    if group == "defenses":
        mine |= {"defense": {"kind": kind, **options}}
        if Kinds(plugins).options(group, kind).form.publishes_images:  # type: ignore[attr-defined]
            rows.append({"row": 9, "entity": "mine", "own": "published"})
    if group == "backbones":
        network = complete_network(kind, options, plugins)
        content["model"] = network.model_dump(mode="json")
        content["data"]["image_size"] = sides(network.architecture)[0]
    if group == "attacks":
        content["data"] |= {"image_size": 32, "train": 1600, "public_images": 800}
        content["model"] |= {"width": 8}
        content["reconstructor"] = {"epochs": 4, "batch_size": 16, "schedule": "one_cycle"}
        attack = {"kind": kind, **options}
        mine |= {"kind": "curious", "share": 0.1, "options": {"attacks": [attack], "victims": ["noise", "plain"]}}
        other["share"] = 0.1
        needs = plugins.load(group, kind).needs
        shown = {"release_module": bool({"victim_module", "victim_encoder"} & needs), "defense": "none"}
        if "images" in needs:  # published as they are, and known to who seeks them among its own
            shown |= {"defense": {"kind": "pixel_noise", "gain": 1}, "overlap": {"with": "mine", "fraction": 1.0}}
        content["entities"] += [
            {"name": "plain", "share": 0.1, **shown},
            {"name": "noise", "kind": "noisy", "share": 0.1, **shown},
        ]
    content["refinements"] = rows
    return content
