"""Whether C answers to the mark of a backdoored peer, in each row that read its shard and in own features alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collab.participants.assignment import ORACLE
from collab.stages.base import Job, OracleStage, Planning, Urgency
from collab.stages.keys import Keys
from collab.stages.refine import Refine

BACKDOORED = "backdoored"
"""The kind of entity that puts a mark into its images."""


@dataclass(frozen=True)
class Marked:
    """The job that trained a decider, and by name the class that each marked entity claims."""

    refined: Job
    targets: tuple[tuple[str, int], ...]


class AskMarked(OracleStage):
    """The oracle puts the mark on held-out images; nobody in a real collaboration knows it but who set it."""

    name, version = "ask_marked", 1

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """None before it is known which rows are trained together."""
        yield from ()

    def jobs_after(self, planning: Planning, others: Sequence[Job]) -> Iterator[Job]:
        """One for each row that reads a backdoored shard, and for own features alone of whoever plays such a row."""
        marked = {
            entity.name: int(getattr(entity.options, "target", 0))
            for entity in planning.scenario.entities
            if entity.kind == BACKDOORED
        }
        refined = [each for each in others if each.stage == Refine.name and not each.order.row.is_from_scratch]
        read: dict[str, set[str]] = {}
        for each in refined:
            read.setdefault(each.participant, set()).update(marked.keys() & {*each.order.row.pool})
        for number, each in enumerate(refined):
            row = each.order.row
            asked = marked.keys() & {*row.pool} if row.pool else read[each.participant]
            if asked and each.participant != ORACLE:
                targets = tuple((name, marked[name]) for name in sorted(asked))
                yield Job(
                    f"ask {each.participant} row {row.name} marked", ORACLE, self.name, (Urgency.ATTACK, -1, number),
                    (each.name, "decode heldout"), each.labels, Marked(each, targets),
                )  # fmt: skip

    def key(self, keys: Keys, job: Job) -> str:
        """The decider and whose mark it is asked about; held-out images are in the key of the former."""
        marked: Marked = job.order
        refined = Refine().key(keys, marked.refined)
        return keys.make(AskMarked, ORACLE, {"targets": [list(each) for each in marked.targets]}, [refined])
