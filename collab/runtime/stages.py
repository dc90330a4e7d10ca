"""What each stage depends on, as one digest: equal keys mean equal results, to the last bit."""

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from collab.plugins.discovery import INSTALLED, Plugins, is_ours
from collab.runtime.assign import ORACLE, Assignment, Holding
from collab.runtime.plan import Task
from collab.scenario.base import AttackOptions, EntityOptions
from collab.scenario.model import Dpm, Refinement, Scenario
from collab.scenario.parts import Federation

VERSIONS = {
    "decode": 2,
    "find_copies": 1,
    "pretrain": 3,
    "reconstruct": 2,
    "featurize": 1,
    "featurize_heldout": 2,
    "poison": 6,
    "recognize": 3,
    "disclose": 3,
    "embed": 2,
    "expose": 4,
    "publish": 2,
    "infer": 3,
    "refine": 2,
    "federate": 1,
    "average": 2,
    "withdraw": 1,
    "rehearse": 2,
    "hand_out": 1,
    "attack": 2,
    "judge": 4,
}
"""Meaning of each stage's code: raise one whenever its results may change; tests/runtime/test_stage_code.py watches."""


@dataclass(frozen=True)
class Setting:
    """What a stage is computed on: device and type of `Compute`, threads, version of torch."""

    compute: str
    threads: int
    torch: str = version("torch")


def stage_keys(
    scenario: Scenario,
    given: Assignment,
    tasks: Sequence[Task],
    setting: Setting,
    plugins: Plugins = INSTALLED,
    seeds: Mapping[str, int] | None = None,
) -> dict[str, str]:
    """The key of each task by its name: stage and version, its part of the scenario, data, and keys of what it uses.

    Not in a key: name, text and expectations of the scenario, names of rows, how many workers play it, and which tasks
    come before without giving it anything. `seeds` are the secrets of entities that have drawn one.
    """
    keys = _Keys(scenario, given, setting, plugins, seeds or {})
    return {task.name: keys.of(task) for task in tasks}


class _Keys:
    def __init__(
        self, scenario: Scenario, given: Assignment, setting: Setting, plugins: Plugins, seeds: Mapping[str, int]
    ) -> None:
        self._seeds = seeds
        self._scenario, self._given, self._setting, self._plugins = scenario, given, setting, plugins
        self._leader = scenario.model.pretrain.by
        self._entities = {entity.name: entity for entity in scenario.entities}
        self._known: dict[tuple[str, str], str] = {}
        self._rounds: dict[tuple[tuple[str, ...], int, int, str], str] = {}

    def of(self, task: Task) -> str:
        match task.stage:
            case "decode":
                return self.decode(self._rows_of(task))
            case "decode_heldout":
                return self.decode(self._given.heldout)
            case "decode_public":
                return self.decode(self._given.public)
            case "infer":
                return self.infer(task.victim)
            case "refine" if task.row is not None:
                return self.refine(task.row, task.most_rows)
            case "federate" if task.federation is not None:
                return self.federate(task.who, task.federation, task.number)
            case "average" if task.federation is not None:
                return self.average(task.who, task.federation)
            case "attack" if task.attack is not None:
                return self.attack(task.who, task.attack, task.victim, task.rehearsed_on)
            case "rehearse" if task.attack is not None:
                return self.rehearse(task.who, task.attack, task.victim)
            case "hand_out" if task.attack is not None:
                return self.hand_out(task.attacker, task.attack, task.victim)
            case "judge" if task.attack is not None:
                attacked = self.attack(task.attacker, task.attack, task.victim, task.rehearsed_on)
                everything = self.decode(self._given.oracle(self._scenario))
                options, seen = self._disclosure()
                return self._computed(
                    "judge", ORACLE, options, [attacked, self.publish(task.victim), everything, *seen]
                )
            case _:
                key: str = getattr(self, task.stage)(task.who)
                return key

    def decode(self, holding: Holding) -> str:
        return _digest("decode", VERSIONS["decode"], self._content(holding))

    def find_copies(self, who: str) -> str:
        held = [[name, self.decode(holding)] for name, holding in self._given.entities.items()]
        public = self.decode(self._given.public)
        return _digest("find_copies", VERSIONS["find_copies"], held, self._heldout(), public)

    def pretrain(self, who: str) -> str:
        model = _plain(self._scenario.model)
        return self._computed("pretrain", who, model, [self.decode(self._given.entities[who]), self._heldout()])

    def reconstruct(self, who: str) -> str:
        options = {**_plain(self._scenario.reconstructor), **self._stored()}
        return self._computed("reconstruct", who, options, [self._released(), self.decode(self._given.public)])

    def featurize(self, who: str) -> str:
        return self._computed(
            "featurize", who, self._stored(), [self._released(), self.decode(self._given.entities[who])]
        )

    def featurize_heldout(self, who: str) -> str:
        return self._computed("featurize_heldout", who, self._stored(), [self._released(), self._heldout()])

    def poison(self, who: str) -> str:
        defenses = self._entities[who].defenses
        options = {
            "defense": [_plain(defense) for defense in defenses],
            "code": [self._code("defenses", defense.kind) for defense in defenses],
        }
        if any(isinstance(defense, Dpm) and defense.confuse == "identification" for defense in defenses):
            options["identifier"] = {**self._inference(), "of": None}
        used = [self.featurize(who), self.reconstruct(self._leader), self.featurize_heldout(ORACLE)]
        return self._computed("poison", who, options, used)

    def infer(self, victim: str) -> str:
        options = self._inference()
        return self._computed(
            "infer", ORACLE, options, [self.publish(victim), self.decode(self._given.oracle(self._scenario))]
        )

    def _inference(self) -> dict[str, Any]:
        wanted = self._scenario.inference
        return {} if wanted is None else _plain(wanted)

    def publish(self, who: str) -> str:
        options = {"release_module": True} if self._entities[who].opens_module else {}
        return self._computed("publish", who, options, [self.poison(who), self.featurize(who)])

    def recognize(self, who: str) -> str:
        wanted = self._scenario.disclosure
        options = {} if wanted is None else _plain(wanted)
        options = {name: options.get(name) for name in ("recognizer", "lpips")}
        return self._computed(
            "recognize", who, options, [self.decode(self._given.oracle(self._scenario)), self._heldout()]
        )

    def disclose(self, who: str) -> str:
        options, seen = self._disclosure()
        return self._computed("disclose", who, options, [self.poison(who), *seen])

    def embed(self, who: str) -> str:
        wanted = None if self._scenario.exposure is None else self._scenario.exposure.embedding
        options = {} if wanted is None else _plain(wanted)
        return self._computed("embed", who, options, [self.decode(self._given.public), self._heldout()])

    def expose(self, who: str) -> str:
        wanted = self._scenario.exposure
        options = {} if wanted is None else _plain(wanted)
        seen = [self.embed(ORACLE)] if self._scenario.embeds else []
        return self._computed("expose", who, options, [self.poison(who), *seen])

    def withdraw(self, who: str) -> str:
        return self._computed("withdraw", who, {}, [self.publish(who)])

    def attack(self, who: str, attack: AttackOptions, victim: str, rehearsed_on: str | None) -> str:
        used = [self.publish(victim), *self._attacker(who)]
        if attack.hand_out is not None:
            used.append(self.hand_out(who, attack, victim))
        if rehearsed_on is not None:
            used.append(self.rehearse(who, attack, rehearsed_on))
        return self._computed("attack", who, self._attacking(attack), used)

    def rehearse(self, who: str, attack: AttackOptions, victim: str) -> str:
        recipe = [_plain(defense) for defense in self._entities[victim].defenses]
        options = {**self._attacking(attack), "recipe": recipe, "for": victim}
        return self._computed("rehearse", who, options, self._attacker(who))

    def hand_out(self, who: str, attack: AttackOptions, victim: str) -> str:
        options = {**self._attacking(attack), "to": who, "of": victim}
        used = [self.publish(victim), self.decode(self._given.oracle(self._scenario))]
        return self._computed("hand_out", ORACLE, options, used)

    def _attacking(self, attack: AttackOptions) -> dict[str, Any]:
        return {"attack": _plain(attack), "code": self._code("attacks", attack.kind)}

    def _attacker(self, who: str) -> list[str]:
        own = self.publish(who) if self._entities[who].options.publishes else self.featurize(who)
        return [own, self.reconstruct(self._leader), self.decode(self._given.public)]

    def refine(self, row: Refinement, most_rows: int) -> str:
        if row.own in ("images", "published"):
            return self._scratch(row)
        who, options = str(row.entity), _plain(self._scenario.refine)
        vet = options.pop("vet")
        asked = {
            "options": options,
            "epochs": row.epochs,
            "most": most_rows if options["budget"] == "steps" else None,
            "vet": (row.vet or vet) if row.pool else "none",
        }
        senders = sorted(row.pool) + ([who] if row.own == "poisoned" else [])
        used = [self.featurize_heldout(ORACLE), *(self.publish(name) for name in senders)]
        if row.unpoisoned:
            used += [self.featurize(name) for name in (who, *sorted(row.unpoisoned))]
        elif row.own == "features":
            used.append(self.featurize(who))
        return self._computed("refine", who, asked, used)

    def federate(self, who: str, federation: Federation, number: int) -> str:
        known = (tuple(sorted(federation.entities)), federation.local_epochs, number, who)
        if known not in self._rounds:
            options = {"refine": self._refining(), "local_epochs": federation.local_epochs, "round": number}
            used = [self.featurize(who), *self._round(federation, number - 1)]
            self._rounds[known] = self._computed("federate", who, options, used)
        return self._rounds[known]

    def average(self, who: str, federation: Federation) -> str:
        used = [self.featurize_heldout(ORACLE), *self._round(federation, federation.rounds)]
        return self._computed("average", who, {"rounds": federation.rounds}, used)

    def _round(self, federation: Federation, number: int) -> list[str]:
        """The keys of a round, none for that before the first; from the first on, so that nothing nests deeply."""
        for earlier in range(1, number + 1):
            found = [self.federate(name, federation, earlier) for name in sorted(federation.entities)]
        return found if number else []

    def _refining(self) -> dict[str, Any]:
        options = _plain(self._scenario.refine)
        return {name: value for name, value in options.items() if name not in ("vet", "epochs", "budget")}

    def _scratch(self, row: Refinement) -> str:
        stated = _plain(self._scenario.scratch or self._scenario.model.pretrain)
        model = self._scenario.model
        options = {
            "recipe": {**stated, "by": None, "epochs": row.epochs or stated["epochs"]},
            "network": [model.backbone, model.width],  # the hook does not change what a whole network learns
            "share": row.share,
        }
        if row.own == "published":
            senders = [str(row.entity), *sorted(row.pool)]
            used = [*map(self.publish, senders), self._heldout()]
            return self._computed("refine", str(row.entity), {**options, "own": row.own}, used)
        held = self._given.everything if row.share is not None else self._given.entities[str(row.entity)]
        return self._computed("refine", row.entity or ORACLE, options, [self.decode(held), self._heldout()])

    def _computed(self, stage: str, who: str, options: Mapping[str, Any], used: Sequence[str]) -> str:
        """The key of a stage of `who` that computes: its randomness and arithmetic belong to it."""
        known = (stage, json.dumps([who, options, used], sort_keys=True))
        if known not in self._known:
            setting, scenario = self._setting, self._scenario
            on = [setting.compute, setting.threads, setting.torch, self._given.outputs]
            stated = self._entities.get(who)
            plugin = stated and [stated.kind, _deciding(stated.options), self._code("entities", stated.kind)]
            seed = self._seeds.get(who, scenario.seed)
            self._known[known] = _digest(stage, VERSIONS[stage], seed, who, plugin, on, options, list(used))
        return self._known[known]

    def _code(self, group: str, kind: str) -> str:
        """The digest of a plugin's file, and of those beside it that it may share, where it is not ours.

        Its author raises no version; ours have theirs above.
        """
        plugin = self._plugins.load(group, kind)
        if is_ours(plugin.__module__):
            return ""
        file = Path(inspect.getfile(plugin))
        return _digest(*(path.read_text(encoding="utf-8") for path in (file, *sorted(file.parent.glob("_*.py")))))

    def _stored(self) -> dict[str, str]:
        return {"dtype": self._scenario.store.codec}

    def _disclosure(self) -> tuple[dict[str, Any], list[str]]:
        """What is measured of reconstructions, and the stage that made the networks that look at them."""
        wanted = self._scenario.disclosure
        if wanted is None:
            return {}, []
        return wanted.model_dump(mode="json", include={"queries", "gallery"}), [self.recognize(ORACLE)]

    def _released(self) -> str:
        return self.pretrain(self._leader)

    def _heldout(self) -> str:
        return self.decode(self._given.heldout)

    def _rows_of(self, task: Task) -> Holding:
        return self._given.oracle(self._scenario) if task.who == ORACLE else self._given.entities[task.who]

    def _content(self, holding: Holding) -> list[Any]:
        rows, labels = (np.ascontiguousarray(part, dtype=np.int64) for part in (holding.rows, holding.labels))
        side = self._scenario.data.image_size
        digests = [hashlib.sha256(part.tobytes()).hexdigest() for part in (rows, labels)]
        asked = [] if self._given.asked.is_plain else [asdict(self._given.asked)]
        return [self._given.source_digest, holding.split, side, *digests, *asked]


def _deciding(options: EntityOptions) -> dict[str, Any]:
    """Options of an entity but for those that only say what is played: a new attack leaves what is there as it is."""
    found: dict[str, Any] = options.model_dump(mode="json", exclude=set(options.says_what_is_played))
    return found


def _plain(part: Any) -> dict[str, Any]:
    found: dict[str, Any] = part.model_dump(mode="json")
    return found


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
