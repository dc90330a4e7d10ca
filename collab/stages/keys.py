"""The key of a job: a digest of what its stage depends on; equal keys mean equal results, to the last bit."""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import numpy as np

from collab.data.joined import DEALT, Origin
from collab.participants.assignment import Assignment
from collab.participants.holding import Holding
from collab.participants.sources import find_parts
from collab.plugins.discovery import Plugins
from collab.scenario.base import Part
from collab.scenario.model import EntityPart, Scenario
from collab.scenario.sources import SOURCES
from collab.stages.base import Stage

Asked = ParamSpec("Asked")


@dataclass(frozen=True)
class Setting:
    """What a stage is computed on: device and type of `Compute`, threads, version of torch."""

    compute: str
    threads: int
    torch: str = version("torch")


class Keys:
    """What keys of a run are made of: its scenario, who holds which rows, the setting, plugins, and drawn seeds.

    Not in a key: name, text and expectations of the scenario, names of rows, how many workers play it, and which jobs
    come before without giving it anything. `seeds` are the secrets of entities that have drawn one.
    """

    def __init__(
        self, scenario: Scenario, given: Assignment, setting: Setting, plugins: Plugins, seeds: Mapping[str, int]
    ) -> None:
        self.scenario, self.given, self.memory = scenario, given, dict[tuple[Any, ...], str]()
        self._setting, self._plugins, self._seeds = setting, plugins, seeds
        self._entities = {entity.name: entity for entity in scenario.entities}

    @property
    def leader(self) -> str:
        """The entity that pre-trains."""
        return self.scenario.model.pretrain.leader

    def entity(self, name: str) -> EntityPart:
        """An entity as the scenario states it."""
        return self._entities[name]

    def make(self, stage: type[Stage[Any]], participant: str, options: Mapping[str, Any], used: Sequence[str]) -> str:
        """The key of what one computes from what has the keys `used`: its randomness and arithmetic belong to it."""
        setting, part = self._setting, self._entities.get(participant)
        on = [setting.compute, setting.threads, setting.torch, self.given.outputs]
        plugin = None
        if part is not None:  # of its options those that decide: a new attack leaves what is there as it is
            deciding = part.options.model_dump(mode="json", exclude=set(part.options.says_what_is_played))
            plugin = [part.kind, deciding, self.code("entities", part.kind)]
        seed = self._seeds.get(participant, self.scenario.seed)
        return digest(stage.name, stage.version, seed, participant, plugin, on, options, list(used))

    def code(self, group: str, kind: str) -> str:
        """The digest of a plugin's file, and of those beside it that it may share, where it is not ours.

        Its author raises no version; the versions of stages stand for our own code.
        """
        if self._plugins.origin(group, kind).is_ours:  # so that it need not be imported
            return ""
        file = Path(inspect.getfile(self._plugins.load(group, kind)))
        return digest(*(path.read_text(encoding="utf-8") for path in (file, *sorted(file.parent.glob("_*.py")))))

    def images(self, holding: Holding) -> list[Any]:
        """What the decoded images of a holding depend on: of each source that it has rows of, this and no other."""
        made = [self._images_of(origin, part) for origin, part in self.given.divide(holding)]
        return made[0] if len(made) == 1 else made

    def _images_of(self, origin: Origin, part: Holding) -> list[Any]:
        """The same of rows of one source, which are counted from its first, so that they move with no other's."""
        first = origin.starts[part.split]
        rows, labels = (np.ascontiguousarray(each, dtype=np.int64) for each in (part.rows - first, part.labels))
        digests = [hashlib.sha256(each.tobytes()).hexdigest() for each in (rows, labels)]
        asked: list[Any] = [] if self.given.asked.is_plain else [asdict(self.given.asked)]
        asked += ["without broken images, noted by source"] if self.scenario.data.broken == "skip" else []
        source = find_parts(self.scenario)[origin.name].source
        code = [] if source in SOURCES else [source, self.code("sources", source)]
        # Two entities may read one folder, and what is held out for all may be one of theirs: files of other places.
        split = part.split if origin.name == DEALT else origin.name
        return [origin.digest, split, self.scenario.data.image_size, *digests, *asked, *code]

    @property
    def backbone(self) -> list[Any]:
        """What a new network depends on: its backbone and width, and of a plugin its own options and its code."""
        model = self.scenario.model
        if not model.opens:
            return [model.backbone, model.width]
        own = model.model_dump(mode="json", include=set(model.own_options))
        return [model.backbone, model.width, own, self.code("backbones", model.backbone)]

    @property
    def metrics(self) -> list[Any]:
        """The metrics of images that are plugins, and their code."""
        asked = [metric for metric in self.scenario.metrics if metric.of == "images"]
        return [[plain(metric), self.code("metrics", metric.kind)] for metric in asked]

    @property
    def stored(self) -> dict[str, str]:
        """How features are stored."""
        return {"dtype": self.scenario.store.codec}


def remember(make: Callable[Concatenate[Keys, Asked], str]) -> Callable[Concatenate[Keys, Asked], str]:
    """Makes each key once: those of late stages are made of those of early ones, again and again."""

    @wraps(make)
    def made(keys: Keys, /, *asked: Asked.args, **named: Asked.kwargs) -> str:
        place = (make.__qualname__, *asked, *named.items())
        if place not in keys.memory:
            keys.memory[place] = make(keys, *asked, **named)
        return keys.memory[place]

    return made


def plain(part: Part | None) -> dict[str, Any]:
    """A part of a scenario as plain values; none of one that the scenario leaves out."""
    return {} if part is None else part.model_dump(mode="json")


def digest(*parts: Any) -> str:
    """The digest of plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
