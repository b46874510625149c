"""Runs a pipeline and tells how it goes. On Vertex AI, where ZenML only waits in silence, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.project import Project

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

    from evergreen.adapters.vertex.jobs import PipelineJob
    from orchestration.configuration import Configuration


def run_training(project: Project, *, use_cache: bool) -> PipelineRunResponse | None:
    """The finished run of the training pipeline; None where the orchestrator does not wait for it.

    Raises:
        RuntimeError: it failed, or was not taken; `run_failure` tells why.
        EvergreenError: it goes on, and cannot be watched.
    """
    from orchestration.run_settings import is_watched

    configuration = project.configuration
    if not project.is_on_vertex:
        return _submitted(project, configuration, use_cache=use_cache)
    run = _submitted(project, configuration.without_waiting(), use_cache=use_cache)
    return _watched(project, run) if run and is_watched(configuration.document) else None


def _submitted(project: Project, configuration: Configuration, *, use_cache: bool) -> PipelineRunResponse | None:
    from orchestration.runs import model_tag
    from pipelines.training import training

    options = configuration.options(use_cache=use_cache)
    tags = [*(options.pop("tags", None) or []), model_tag(project.model_name)]
    return training.with_options(**options, tags=tags)()


def _watched(project: Project, run: PipelineRunResponse) -> PipelineRunResponse:
    from zenml.client import Client

    job = _follow(project, run)
    ended = Client().get_pipeline_run(run.id)
    if job is not None and job.state != "SUCCEEDED":
        if not ended.status.is_finished:
            _note_end(ended)
        raise RuntimeError(job.error or f"the pipeline job ended as {job.state}")
    return ended


def _follow(project: Project, run: PipelineRunResponse) -> PipelineJob | None:
    """The run's pipeline job, ended and told; None where all came from cache, so that there is none."""
    from orchestration.machines import machine_of
    from orchestration.notes import Notes
    from orchestration.vertex_runs import job_id_of, jobs_of
    from orchestration.watch import Watch, follow

    job_id = job_id_of(run)
    if job_id is None:
        return None
    jobs = jobs_of(run)
    _say(f"{'pipeline':<11} {jobs.link(job_id)}")
    found = {step: machine_of(project.configuration.document, step) for step in project.steps}
    machines = {step: str(one) for step, one in found.items() if not isinstance(one, str)}
    with Notes(run.id, _say) as notes:
        return follow(jobs, job_id, Watch(project.steps, machines, _say), notes.newest)


def _note_end(run: PipelineRunResponse) -> None:
    """Tells ZenML what it did not hear: no code of the run was left to say that it failed."""
    from zenml.orchestrators.publish_utils import publish_failed_pipeline_run

    publish_failed_pipeline_run(run.id)


def _say(line: str) -> None:
    print(line, flush=True)
