"""Step 2 of the regime: an entity fits its defense, publishes what that makes of its images, and may withdraw it."""

from collections.abc import Iterator, Sequence
from typing import Any

from collab.scenario import stage_rows
from collab.stages.base import EntityStage, Job, Planning, Urgency
from collab.stages.exchange import last_round, name_round, round_keys
from collab.stages.featurize import Featurize, FeaturizeHeldout
from collab.stages.keys import Keys, plain, remember
from collab.stages.reconstruct import Reconstruct, name_trial


class Poison(EntityStage):
    """Fits the defense, and measures on held-out images what it costs and hides (Tables 1 and 2)."""

    name, version, runs = "poison", 9, ("defenses",)

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that publishes."""
        for name in planning.publishers:
            tried = (name_trial(name),) if name in planning.row_publishers else ()
            before = name_round(planning.scenario, last_round(planning.scenario, name))
            needs = (f"featurize {name}", f"reconstruct {planning.leader}", "featurize heldout", *tried, *before)
            labels = ((stage_rows.TABLES_1_2, name),) if name in planning.parties else ()
            yield Job(f"poison {name}", name, self.name, planning.publishing(name, 1), needs, labels)

    @staticmethod
    @remember
    def key_of(keys: Keys, name: str) -> str:
        """The defense and its code, the entity's features, R, F of the held-out images, and the round before."""
        defenses = keys.entity(name).defenses
        options: dict[str, Any] = {
            "defense": [plain(defense) for defense in defenses],
            "code": [keys.code("defenses", defense.kind) for defense in defenses],
        }
        if any(defense.hides_people for defense in defenses):
            options["identifier"] = {**plain(keys.scenario.inference), "of": None}
        if keys.scenario.reconstructor.by == "own":
            options["reconstructor"] = plain(keys.scenario.reconstructor)
        used = [Featurize.key_of(keys, name), Reconstruct.key_of(keys, keys.leader), FeaturizeHeldout.key_of(keys)]
        used += round_keys(keys, last_round(keys.scenario, name))
        return keys.make(Poison, name, options, used)


class Publish(EntityStage):
    """Writes protected features (or images) to the store, in an order that says nothing about the own images."""

    name, version, runs = "publish", 3, ("defenses",)

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that publishes."""
        for name in planning.publishers:
            needs, labels = (f"poison {name}",), ((stage_rows.PUBLISH, name),) if name in planning.parties else ()
            yield Job(f"publish {name}", name, self.name, planning.publishing(name, 2), needs, labels)

    @staticmethod
    @remember
    def key_of(keys: Keys, name: str) -> str:
        """The fitted defense, the features, whether the module is released and whether the manifest is signed."""
        options = {"release_module": True} if keys.entity(name).opens_module else {}
        options |= {"signed": True} if keys.entity(name).signing_key else {}
        return keys.make(Publish, name, options, [Poison.key_of(keys, name), Featurize.key_of(keys, name)])


class Withdraw(EntityStage):
    """Marks shards as withdrawn once all have read them who may; what was read was read."""

    name, version = "withdraw", 1

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """None before it is known who reads."""
        yield from ()

    def jobs_after(self, planning: Planning, others: Sequence[Job]) -> Iterator[Job]:
        """One of each entity that leaves, after all who read its shards."""
        for number, entity in enumerate(planning.scenario.entities):
            if entity.options.leaves_after is not None:
                name = entity.name
                readers = (job.name for job in sorted(others, key=lambda job: job.place) if name in job.reads)
                yield Job(
                    f"withdraw {name}", name, self.name, (Urgency.WITHDRAW, number),
                    needs=(f"publish {name}", *readers), labels=((stage_rows.WITHDRAW, name),),
                )  # fmt: skip

    @staticmethod
    def key_of(keys: Keys, name: str) -> str:
        """What was published."""
        return keys.make(Withdraw, name, {}, [Publish.key_of(keys, name)])
