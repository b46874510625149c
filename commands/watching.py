"""Runs a pipeline and tells how it goes. On Vertex AI, where ZenML only waits in silence, step by step; and once more,
from cache, on the next machine of a step for whose task there was none.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from commands.project import Project
from evergreen.core.errors import EvergreenError

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

    from evergreen.adapters.vertex.watched_jobs import PipelineJob, WatchedJobs
    from orchestration.configuration import Configuration

SUCCEEDED, FAILED, CANCELLED = "SUCCEEDED", "FAILED", "CANCELLED"


def run_training(project: Project, *, use_cache: bool) -> PipelineRunResponse | None:
    """The finished run of the training pipeline; None where the orchestrator does not wait for it.

    Raises:
        RuntimeError: it failed, or was not taken; `run_failure` tells why.
        EvergreenError: it goes on, and cannot be watched.
    """
    from orchestration.run_settings import is_watched
    from orchestration.vertex_runs import job_id_of

    configuration = project.configuration
    if not project.is_on_vertex:
        return _submitted(project, configuration, use_cache=use_cache)
    run = _submitted(project, configuration.without_waiting(), use_cache=use_cache)
    if run is None or not is_watched(configuration.document):
        return None
    if job_id_of(run) is None:  # all of it came from cache: there was nothing to submit
        return run
    return _watched(project, run, use_cache=use_cache)


def _submitted(
    project: Project, configuration: Configuration, *, use_cache: bool, fresh: Collection[str] = (), attempt: int = 1
) -> PipelineRunResponse | None:
    from orchestration.runs import model_tag
    from pipelines.training import training

    options = configuration.options(use_cache=use_cache, fresh=fresh)
    if attempt > 1 and options.get("run_name"):
        options["run_name"] += f"-{attempt}"  # ZenML gives a name once
    tags = [*(options.pop("tags", None) or []), model_tag(project.model_name)]
    return training.with_options(**options, tags=tags)()


def _watched(project: Project, run: PipelineRunResponse, *, use_cache: bool) -> PipelineRunResponse:
    """The run at its end, or the one that took its place on other machines.

    Without cache, what an earlier attempt of the same command did is not done again, and all else is.
    """
    from zenml.client import Client

    from orchestration.machine_lists import next_machines
    from orchestration.notes import note_machines
    from orchestration.watch import Patience, patiently

    configuration, lists = project.configuration, project.configuration.machines
    attempt, chosen, refused, done = 1, dict[str, int](), list[str](), set[str]()
    while True:
        jobs, job = _follow(project, configuration, run)
        patience = Patience("ZenML", f"the run has ended ({job.state}), see {jobs.link(job.name)}", _say)
        ended = patiently(partial(Client().get_pipeline_run, run.id), patience)
        if job.state == SUCCEEDED:
            return ended
        if job.state == CANCELLED:
            raise EvergreenError(f"run {run.name} was stopped; see {jobs.link(job.name)}")
        _end_in_zenml(ended)
        lacking = _lacking(configuration, jobs, job, project.steps)
        following = next_machines(lists, chosen, lacking)
        if following is None:
            raise RuntimeError(job.error or f"the pipeline job ended as {job.state}")
        for step, words in lacking.items():
            refused.append(f"{step}: {lists[step][chosen.get(step, 0)]}: {words}")
            _say(
                f"{step:<11} {refused[-1].partition(': ')[2]}; once more from cache, on {lists[step][following[step]]}"
            )
        chosen = following
        done |= {task.name for task in job.tasks if task.state == SUCCEEDED}
        fresh = () if use_cache else [step for step in project.steps if step not in done]
        configuration = project.configuration.on_machines(chosen)
        attempt += 1
        again = _submitted(project, configuration.without_waiting(), use_cache=True, fresh=fresh, attempt=attempt)
        if again is None:
            raise RuntimeError("the orchestrator took no second run")
        run = again
        note_machines(run.id, refused)


def _follow(
    project: Project, configuration: Configuration, run: PipelineRunResponse
) -> tuple[WatchedJobs, PipelineJob]:
    """The run's pipeline job, ended and told."""
    from orchestration.machines import machine_of
    from orchestration.notes import Notes
    from orchestration.vertex_runs import job_id_of, jobs_of
    from orchestration.watch import Watch, follow

    jobs, job_id = jobs_of(run), str(job_id_of(run))
    _say(f"{'pipeline':<11} {jobs.link(job_id)}")
    found = {step: machine_of(configuration.document, step) for step in project.steps}
    machines = {step: str(one) for step, one in found.items() if not isinstance(one, str)}
    with Notes(run.id, _say) as notes:
        return jobs, follow(jobs, job_id, Watch(project.steps, machines, _say), notes.newest)


def _lacking(
    configuration: Configuration, jobs: WatchedJobs, job: PipelineJob, steps: Collection[str]
) -> dict[str, str]:
    """Google's words by step, of those whose own task had no machine; empty where something else failed as well.

    A step on the step operator is none of them: its operator has tried its whole list.
    """
    from orchestration.machine_lists import runs_on_operator
    from orchestration.vertex_runs import deaths

    lacking = {one.task: one.words for one in deaths(jobs, job) if one.lacked_a_machine}
    failed = {task.name for task in job.tasks if task.state == FAILED and task.name in steps}
    on_operator = any(runs_on_operator(configuration.document, step) for step in lacking)
    return {} if on_operator or lacking.keys() != failed else lacking


def _end_in_zenml(run: PipelineRunResponse) -> None:
    """Tells ZenML that a run failed, where no code of the run was left to say so."""
    from zenml.orchestrators.publish_utils import publish_failed_pipeline_run

    if not run.status.is_finished:
        publish_failed_pipeline_run(run.id)


def _say(line: str) -> None:
    print(line, flush=True)
