"""What classifiers read from what an entity published that nobody meant to tell (`inference`)."""

from collections.abc import Iterator

from collab.participants.assignment import ORACLE
from collab.scenario import stage_rows
from collab.stages.base import Job, OracleStage, Planning
from collab.stages.decode import decoded
from collab.stages.keys import Keys, plain
from collab.stages.publish import Publish


class Infer(OracleStage):
    """Trains classifiers of private attributes, or of who is shown, on plain and on published features."""

    name, version = "infer", 4

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that publishes, if the scenario measures inference."""
        for name in planning.row_publishers if planning.scenario.inference is not None else ():
            yield Job(
                f"infer {name}", ORACLE, self.name, planning.publishing(name, 4),
                needs=(f"publish {name}", "decode oracle"), labels=((stage_rows.INFERENCE, name),),
                reads=(name,), victim=name,
            )  # fmt: skip

    def key(self, keys: Keys, job: Job) -> str:
        """What is read, what was published, and the oracle's images."""
        used = [Publish.key_of(keys, str(job.victim)), decoded(keys, ORACLE)]
        return keys.make(Infer, ORACLE, plain(keys.scenario.inference), used)
