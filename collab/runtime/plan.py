"""A scenario as a list of jobs: what is played, by whom, after what; the order of the list is the order of urgency."""

from collections.abc import Mapping, Sequence

from collab.errors import ScenarioError
from collab.meant import did_you_mean
from collab.participants.assignment import ORACLE, Assignment
from collab.plugins.discovery import INSTALLED, Plugins
from collab.scenario.model import Scenario
from collab.scenario.rows import list_played_rows, refuse_mistakes
from collab.stages.base import Job, Planning
from collab.stages.keys import Keys, Setting
from collab.stages.registry import STAGES


def plan(scenario: Scenario, images: Mapping[str, int]) -> tuple[Job, ...]:
    """All jobs of a scenario, of all stages; `images` counts each entity's.

    Raises ScenarioError where rows and kinds of entities do not go together.
    """
    refuse_mistakes(scenario)
    planning = Planning(scenario, list_played_rows(scenario), images)
    jobs = [job for stage in STAGES.values() for job in stage.jobs(planning)]
    jobs += [job for stage in STAGES.values() for job in stage.jobs_after(planning, jobs)]
    return tuple(sorted(jobs, key=lambda job: job.place))


def needed(jobs: Sequence[Job], only: str) -> tuple[Job, ...]:
    """The job called `only` and all that it needs. Raises ScenarioError if there is none, and says which there are."""
    named = {job.name: job for job in jobs}
    if only not in named:
        meant = did_you_mean(only, named, "'")
        raise ScenarioError(f"there is no job {only!r}{meant or '.'} There are: {', '.join(named)}.")
    wanted, stack = set[str](), [only]
    while stack:
        name = stack.pop()
        wanted.add(name)
        stack.extend(named[name].needs)
    return tuple(job for job in jobs if job.name in wanted)


def make_keys(
    scenario: Scenario,
    given: Assignment,
    jobs: Sequence[Job],
    setting: Setting,
    plugins: Plugins = INSTALLED,
    seeds: Mapping[str, int] | None = None,
) -> dict[str, str]:
    """The key of each job by its name; `seeds` are the secrets of entities that have drawn one."""
    keys = Keys(scenario, given, setting, plugins, seeds or {})
    return {job.name: STAGES[job.stage].key(keys, job) for job in jobs}


def participants(scenario: Scenario) -> tuple[str, ...]:
    """Who plays, first those whom others wait for."""
    leader = scenario.model.pretrain.leader
    return leader, ORACLE, *(entity.name for entity in scenario.entities if entity.name != leader)
