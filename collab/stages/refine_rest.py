"""Rows of Table 5 once more without the images that an audit exposes most (`refine.leave_out`): what peers lose."""

from collections.abc import Iterator
from dataclasses import dataclass

from collab.participants.assignment import ORACLE
from collab.scenario.rows import Rest, list_rests
from collab.stages.base import Job, OracleStage, Planning, Urgency
from collab.stages.judge import Judge
from collab.stages.keys import Keys
from collab.stages.refine import count_most_rows, key_from_features
from collab.stages.trials import Trial, find_trials


@dataclass(frozen=True)
class Training:
    """A row without the most exposed images, all attacks on its pool, and the rows of the largest row of all."""

    rest: Rest
    trials: tuple[Trial, ...]
    most_rows: int


class RefineRest(OracleStage):
    """Played by the oracle, who alone knows what attacks found, with the randomness of the row that it repeats."""

    name, version = "refine_rest", 1

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One for each row and share."""
        most, trials = count_most_rows(planning), tuple(find_trials(planning))
        for number, rest in enumerate(list_rests(planning.scenario)):
            row, on_pool = rest.row, tuple(trial for trial in trials if trial.victim in rest.row.pool)
            judged = (trial.name_job("judge") for trial in on_pool)
            published = (f"publish {sender}" for sender in row.senders)
            yield Job(
                f"refine {ORACLE} row {rest.name}", ORACLE, self.name, (Urgency.ATTACK, len(trials) + number),
                ("decode oracle", "featurize heldout", *published, *judged), ((rest.name, str(row.entity)),),
                Training(rest, on_pool, most), row.senders,
            )  # fmt: skip

    def key(self, keys: Keys, job: Job) -> str:
        """The row that it repeats, the share, and what all attacks on its pool found."""
        training: Training = job.order
        entity, row = str(training.rest.row.entity), key_from_features(keys, training.rest.row, training.most_rows)
        judged = [Judge.key_of(keys, trial) for trial in training.trials]
        return keys.make(RefineRest, entity, {"share": training.rest.share}, [row, *judged])
