"""Outcomes of jobs as rows of results.parquet, and what follows from them: gains and verdicts."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from collab.results.gains import list_gains, list_gaps, list_rhos
from collab.results.local import list_local
from collab.results.table import Result
from collab.runtime.host import Outcome
from collab.scenario.model import Scenario
from collab.stages.base import Job
from collab.store.answers import Answers
from collab.verdicts.verdicts import judge_results, list_verdicts


def tabulate(
    scenario: Scenario,
    jobs: Sequence[Job],
    outcomes: Mapping[str, Outcome],
    answers_of: Callable[[str, str], Answers | None] = lambda participant, digest: None,
    local: Mapping[str, np.ndarray] | None = None,
    score_answers: Callable[[Sequence[Result]], list[Result]] = lambda rows: [],
) -> list[Result]:
    """One row for each measure and label of each finished job, in the order of the plan; then gains, then verdicts.

    `answers_of` finds what a participant kept under a digest; `local` says which held-out images are an entity's own;
    `score_answers` is what else follows from answers.
    """
    defenses = {entity.name: entity.protection for entity in scenario.entities}
    rows = []
    for job in jobs:
        outcome = outcomes[job.name]
        for row, entity in job.labels:
            for measure in outcome.report.measures:
                answers = None if measure.answers is None else answers_of(job.participant, measure.answers)
                rows.append(
                    Result(
                        **vars(measure) | {"answers": answers},
                        scenario=scenario.name,
                        row=row,
                        entity=entity or None,
                        defense=defenses.get(entity),
                        attack=job.attack,
                        seed=scenario.seed,
                        seconds=outcome.seconds,
                        device=outcome.device,
                    )
                )
    rows += score_answers(rows)
    rows += list_local(scenario.data.main_metric, rows, local or {})
    rows += [*list_gains(scenario, rows), *list_gaps(scenario, rows), *list_rhos(scenario, rows)]
    return [*judge_results(scenario, rows), *list_verdicts(scenario, rows)]
