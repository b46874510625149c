"""Runs a pipeline and tells how it goes. On Vertex AI, where ZenML only waits in silence, step by step; and once more,
from cache, on the next machine of a step for whose task there was none.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from commands.garbage_collection import usual_garbage_collection
from commands.interruption import held_back
from commands.project import Configured
from evergreen.core.errors import EvergreenError

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

    from evergreen.adapters.vertex.jobs import PipelineJob, VertexJobs
    from orchestration.configuration import Configuration

SUBMITTED = "the job is submitted, so that it can be stopped"
SUCCEEDED, FAILED, CANCELLED = "SUCCEEDED", "FAILED", "CANCELLED"


def run_pipeline(project: Configured, name: str, *, use_cache: bool) -> PipelineRunResponse | None:
    """The finished run of the project's pipeline under this name; None where the orchestrator does not wait for it.

    Raises:
        RuntimeError: it failed, or was not taken; `run_failure` tells why.
        EvergreenError: it goes on, and cannot be watched.
    """
    from orchestration.run_settings import is_watched
    from orchestration.vertex_runs import job_id_of

    configuration = project.configuration
    if not project.is_on_vertex:
        return _submit(project, _options(project, configuration, name, use_cache=use_cache))
    configuration = configuration.without_waiting()
    with held_back(SUBMITTED):
        run = _submit(project, _options(project, configuration, name, use_cache=use_cache))
    if run is None or not is_watched(project.configuration.document):
        return None
    if job_id_of(run) is None:  # all of it came from cache: there was nothing to submit
        return run
    return _watch(project, name, run, use_cache=use_cache)


def _watch(project: Configured, name: str, run: PipelineRunResponse, *, use_cache: bool) -> PipelineRunResponse:
    """The run at its end, or the one that took its place on other machines."""
    from zenml.client import Client

    from orchestration.watch import Patience, patiently

    attempts = _Attempts(project, name, use_cache)
    while True:
        jobs, job = _follow(project, attempts.configuration, run)
        patience = Patience("ZenML", f"the run has ended ({job.state}), see {jobs.link(job.name)}", _say)
        ended = patiently(partial(Client().get_pipeline_run, run.id), patience)
        if job.state == SUCCEEDED:
            return ended
        if job.state == CANCELLED:
            raise EvergreenError(f"run {run.name} was stopped; see {jobs.link(job.name)}")
        _end_in_zenml(ended)
        run = attempts.submit_next(jobs, job)


class _Attempts:
    """A run that is submitted once more, from cache, when a step's own task had no machine and its list has another.

    Without cache, what an earlier attempt of the same command did is not done again, and all else is.
    """

    def __init__(self, project: Configured, name: str, use_cache: bool) -> None:
        self.configuration = project.configuration
        """That of the newest attempt."""
        self._project = project
        self._name = name
        self._use_cache = use_cache
        self._number = 1
        self._chosen: dict[str, int] = {}
        self._refused: list[str] = []
        self._done: set[str] = set()

    def submit_next(self, jobs: VertexJobs, job: PipelineJob) -> PipelineRunResponse:
        """Submits the run that takes the place of the failed job. Raises RuntimeError: there is none to take it."""
        from orchestration.machine_lists import next_machines
        from orchestration.notes import note_machines

        first, lists = self._project.configuration, self._project.configuration.machines
        lacking = _lacking(first, jobs, job, self._project.steps)
        following = next_machines(lists, self._chosen, lacking)
        if following is None:
            raise RuntimeError(job.error or f"the pipeline job ended as {job.state}")
        for step, words in lacking.items():
            refusal = f"{lists[step][self._chosen.get(step, 0)]}: {words}"
            _say(f"{step:<11} {refusal}; once more from cache, on {lists[step][following[step]]}")
            self._refused.append(f"{step}: {refusal}")
        self._chosen, self.configuration = following, first.on_machines(following)
        self._done |= {task.name for task in job.tasks if task.state == SUCCEEDED}
        run = self._submit_again()
        note_machines(run.id, self._refused)
        return run

    def _submit_again(self) -> PipelineRunResponse:
        from orchestration.runs import attempt_name

        self._number += 1
        fresh = () if self._use_cache else [step for step in self._project.steps if step not in self._done]
        name = attempt_name(self._name, self._number)
        options = _options(self._project, self.configuration.without_waiting(), name, fresh=fresh)
        with held_back(SUBMITTED):
            run = _submit(self._project, options)
        if run is None:
            raise RuntimeError("the orchestrator took no second run")
        return run


def _options(project: Configured, configuration: Configuration, name: str, **cache: Any) -> dict[str, Any]:
    """What the pipeline is started with, under this name, and with what `cache` says of it."""
    options = configuration.options(accelerators=project.accelerators_in(configuration), **cache)
    return {**options, "run_name": name}


def _submit(project: Configured, options: dict[str, Any]) -> PipelineRunResponse | None:
    from orchestration.integrations import activated_by_need
    from orchestration.runs import marked

    with activated_by_need(), usual_garbage_collection():
        file, scheduled = project.configuration.path, project.scheduled
        started = marked(options, project.model_name, configuration=file, scheduled=scheduled)
        return project.pipeline.with_options(**started)()


def _follow(
    project: Configured, configuration: Configuration, run: PipelineRunResponse
) -> tuple[VertexJobs, PipelineJob]:
    """The run's pipeline job, ended and told."""
    from orchestration.machines import machine_of
    from orchestration.notes import Notes
    from orchestration.vertex_runs import job_id_of, jobs_of
    from orchestration.watch import Watch, follow

    jobs, job_id = jobs_of(run), str(job_id_of(run))
    _say(f"{'pipeline':<11} {jobs.link(job_id)}")
    chosen = {step: machine_of(configuration.document, step) for step in project.steps}
    machines = {step: str(machine) for step, machine in chosen.items() if not isinstance(machine, str)}
    with Notes(run.id, _say) as notes:
        return jobs, follow(jobs, job_id, Watch(project.steps, machines, _say), notes.newest)


def _lacking(
    configuration: Configuration, jobs: VertexJobs, job: PipelineJob, steps: Collection[str]
) -> dict[str, str]:
    """Google's words by step, of those whose own task had no machine; empty where something else failed as well.

    A step on the step operator is none of them: its operator has tried its whole list.
    """
    from orchestration.machine_lists import runs_on_operator
    from orchestration.vertex_runs import deaths

    lacking = {death.task: death.words for death in deaths(jobs, job) if death.lacked_a_machine}
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
