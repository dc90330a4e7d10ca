"""What classifiers read from what an entity published that nobody meant to tell (`inference`)."""

from collections.abc import Iterator

from collab.assignment import ORACLE
from collab.oracle import Oracle
from collab.stages.base import Planning, Playing, Stage, Task
from collab.stages.decode import decoded
from collab.stages.keys import Keys, plain
from collab.stages.publish import published
from collab.training.progress import Progress
from collab.types import Report


class Infer(Stage[Oracle]):
    """Trains classifiers of private attributes, or of who is shown, on plain and on published features."""

    name, version = "infer", 2

    def tasks(self, planning: Planning) -> Iterator[Task]:
        """One of each entity that publishes, if the scenario measures inference."""
        for name in planning.publishers if planning.scenario.inference is not None else ():
            yield Task(
                f"infer {name}", ORACLE, self.name, planning.publishing(name, 4),
                needs=(f"publish {name}", "decode oracle"), labels=(("inference", name),), reads=(name,), victim=name,
            )  # fmt: skip

    def key(self, keys: Keys, task: Task) -> str:
        """What is read, what was published, and the oracle's images."""
        wanted = keys.scenario.inference
        options = {} if wanted is None else plain(wanted)
        return keys.computed(Infer, ORACLE, options, [published(keys, str(task.victim)), decoded(keys, ORACLE)])

    def play(self, player: Oracle, task: Task, playing: Playing, progress: Progress) -> Report:
        """Asks the oracle."""
        return player.infer(str(task.victim), progress)
