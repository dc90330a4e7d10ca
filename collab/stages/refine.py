"""Step 3 of the regime, the rows of Table 5: the released C trained further, or a new network from raw images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collab.participants.assignment import ORACLE
from collab.scenario.parts import Refinement
from collab.scenario.stage_rows import is_pretraining
from collab.stages.base import Job, Planning, Playing, Stage, Urgency
from collab.stages.decode import EVERYTHING, decoded
from collab.stages.featurize import Featurize, FeaturizeHeldout
from collab.stages.find_copies import COPIES
from collab.stages.keys import Keys, plain
from collab.stages.publish import Publish
from collab.training.progress import Progress
from collab.types import Report

if TYPE_CHECKING:
    from collab.participants.entity import Entity
    from collab.participants.oracle import Oracle


@dataclass(frozen=True)
class Training:
    """What one job trains: a row of the table; `most_rows` are those of the largest row of all from features."""

    row: Refinement
    most_rows: int = 0


class Refine(Stage["Entity | Oracle"]):
    """Rows that ask for the same thing share a job; upper bounds that need others' images are the oracle's."""

    name, version = "refine", 6

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """From scratch, each row for itself; from features, one for all rows that are alike."""
        for number, row in enumerate(planning.rows):
            if row.is_from_scratch and not is_pretraining(planning.scenario, row):
                yield self._from_scratch(row, number)
        from_features, most = [row for row in planning.rows if not row.is_from_scratch], count_most_rows(planning)
        alike: dict[tuple[object, ...], list[Refinement]] = {}
        for row in from_features:
            others = tuple(sorted(row.pool)), tuple(sorted(row.unpoisoned))
            alike.setdefault((row.entity, row.own, row.init, *others, row.epochs, row.vet, row.repeats), []).append(row)
        for number, group in enumerate(alike.values()):
            yield self._from_features(group, most, number)

    def key(self, keys: Keys, job: Job) -> str:
        """How is trained, and on what of whom."""
        row, most = job.order.row, job.order.most_rows
        return _from_scratch(keys, row) if row.is_from_scratch else key_from_features(keys, row, most)

    def play(self, player: "Entity | Oracle", job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity, or the oracle."""
        return player.refine(job.order.row, job.order.most_rows, progress)

    def _from_scratch(self, row: Refinement, number: int) -> Job:
        participant = row.entity or ORACLE
        senders = row.senders if row.own == "published" else ()
        # The oracle's rows are long, and all poisoning waits for its features of the held-out images.
        after = (COPIES, "featurize heldout") if participant == ORACLE else (COPIES,)
        return Job(
            f"refine {participant} row {row.name}", participant, self.name,
            (Urgency.SCRATCH if row.share is None else Urgency.BOUND, number),
            needs=(f"decode {participant}", "decode heldout", *(f"publish {name}" for name in senders)),
            labels=((str(row.name), row.entity or ""),), order=Training(row), reads=row.senders, after=after,
        )  # fmt: skip

    def _from_features(self, alike: list[Refinement], most: int, number: int) -> Job:
        row = alike[0]
        name = str(row.entity)
        participant = ORACLE if row.is_bound else name
        needs: tuple[str, ...] = ("decode oracle", "featurize heldout")
        if not row.is_bound:
            needs = (f"featurize {name}", "featurize heldout", *(f"publish {sender}" for sender in row.senders))
        return Job(
            f"refine {participant} row {row.name}", participant, self.name, (Urgency.REFINE, number), needs,
            labels=tuple((str(twin.name), name) for twin in alike), order=Training(row, most), reads=row.senders,
        )  # fmt: skip


def count_most_rows(planning: Planning) -> int:
    """Rows that the largest row of all from features reads."""
    from_features = [row for row in planning.rows if not row.is_from_scratch]
    own = [() if row.own == "none" else (str(row.entity),) for row in from_features]
    read = (
        sum(planning.images[name] for name in {*mine, *row.pool, *row.unpoisoned})
        for mine, row in zip(own, from_features, strict=True)
    )
    return max(read, default=0)


def key_from_features(keys: Keys, row: Refinement, most_rows: int) -> str:
    """Of a row that trains C further: how it is trained, and on what of whom."""
    entity, options = str(row.entity), plain(keys.scenario.refine)
    vet, repeats, _ = (options.pop(name) for name in ("vet", "repeats", "leave_out"))
    asked = {
        "options": options,
        "epochs": row.epochs,
        "most": most_rows if options["budget"] == "steps" else None,
        "vet": (row.vet or vet) if row.pool else "none",
        "repeats": row.repeats or repeats,
    }
    if row.init == "fresh":
        asked["network"] = keys.backbone
    if row.own == "none":
        asked["own"] = row.own
    senders = sorted(row.pool) + ([entity] if row.own == "poisoned" else [])
    used = [FeaturizeHeldout.key_of(keys), *(Publish.key_of(keys, name) for name in senders)]
    if row.unpoisoned:
        used += [Featurize.key_of(keys, name) for name in (entity, *sorted(row.unpoisoned))]
    elif row.own in ("features", "none"):  # a plugin may choose peers by own features
        used.append(Featurize.key_of(keys, entity))
    return keys.make(Refine, entity, asked, used)


def _from_scratch(keys: Keys, row: Refinement) -> str:
    schedule = plain(keys.scenario.scratch or keys.scenario.model.pretrain)
    schedule.pop("decider_by", None)
    options = {
        "recipe": {**schedule, "by": None, "epochs": row.epochs or schedule["epochs"]},
        "network": keys.backbone,  # the hook does not change what a whole network learns
        "share": row.share,
        "repeats": row.repeats or 1,
        "drawn_by": None if row.share is None else keys.scenario.data_seed,
    }
    heldout = decoded(keys, "heldout")
    if row.own == "published":
        used = [*(Publish.key_of(keys, name) for name in (str(row.entity), *sorted(row.pool))), heldout]
        return keys.make(Refine, str(row.entity), {**options, "own": row.own}, used)
    whose = EVERYTHING if row.share is not None else str(row.entity)
    return keys.make(Refine, row.entity or ORACLE, options, [decoded(keys, whose), heldout])
