"""ZenML's runs on Vertex AI Pipelines as Vertex AI has them: ZenML hears nothing of what dies before its code runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evergreen.adapters.vertex.jobs import FAILED, Cause, JobTask, PipelineJob, VertexJobs, cause_of, describe
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse
    from zenml.stack import StackComponent

FLAVOR = "vertex"
RUN_ID = "orchestrator_run_id"
"""Metadata of a run: the id of its pipeline job."""
ENDS = {"FAILED": "failed", "CANCELLED": "stopped"}
"""Ends of a pipeline job of which ZenML may hear nothing; of its success the last step tells it."""


class Death(Frozen):
    """A task that Vertex AI ended, or never began; `words` are Google's, after what kind of failure they tell.

    `began` tells whether its container ran: what it did until then may be there.
    """

    task: str
    cause: Cause | None
    words: str
    began: bool

    @property
    def lacked_a_machine(self) -> bool:
        """Whether another machine may do what this one could not be had for."""
        return self.cause is Cause.CAPACITY and not self.began


def is_on_vertex(run: PipelineRunResponse) -> bool:
    """Whether Vertex AI Pipelines runs it."""
    from zenml.enums import StackComponentType

    return run.stack is not None and run.stack.components[StackComponentType.ORCHESTRATOR][0].flavor_name == FLAVOR


def job_id_of(run: PipelineRunResponse) -> str | None:
    """The id of the run's pipeline job; None when it was never submitted."""
    noted = run.run_metadata.get(RUN_ID) or run.orchestrator_run_id
    return str(noted) if noted else None


def jobs_of(run: PipelineRunResponse) -> VertexJobs:
    """The jobs of the run's own stack, whatever stack is active. Raises EvergreenError: nobody can tell."""
    from zenml.enums import StackComponentType
    from zenml.stack import StackComponent

    stack = run.stack
    if stack is None:
        raise EvergreenError(f"the stack of run {run.name} was deleted; look in Google's console")
    orchestrator = StackComponent.from_model(stack.components[StackComponentType.ORCHESTRATOR][0])
    jobs = jobs_by(orchestrator)
    if jobs is None:
        raise EvergreenError(f"run {run.name} is no run of Vertex AI (orchestrator: {orchestrator.flavor})")
    return jobs


def jobs_by(orchestrator: StackComponent) -> VertexJobs | None:
    """Where an orchestrator has its jobs, with its own credentials (service connectors too); None: not on Vertex AI."""
    from zenml.integrations.gcp.orchestrators import VertexOrchestrator

    if not isinstance(orchestrator, VertexOrchestrator):
        return None
    credentials, project = orchestrator._get_authentication()  # as it signs in itself
    return VertexJobs(orchestrator.config.project or project, orchestrator.config.location, credentials)


def pipeline_job_of(run: PipelineRunResponse) -> tuple[VertexJobs, PipelineJob] | None:
    """The run's pipeline job; None where it has none. Raises EvergreenError when Vertex AI does not tell."""
    job_id = job_id_of(run) if is_on_vertex(run) else None
    if job_id is None:
        return None
    jobs = jobs_of(run)
    return jobs, jobs.pipeline(job_id)


def deaths(jobs: VertexJobs, job: PipelineJob) -> list[Death]:
    """The failed tasks of a job whose own code is not to blame, in the order of their ends.

    The job itself is listed among its tasks, under its own name.
    """
    failed = sorted(
        (task for task in job.tasks if task.state == FAILED and task.error and task.name != job.name), key=_end
    )
    return [death for task in failed if (death := _death(jobs, task))]


def death_words(run: PipelineRunResponse) -> str | None:
    """What Google says of a run that it ended; None where it says nothing of use, or cannot be asked."""
    try:
        answer = pipeline_job_of(run)
        if answer is None:
            return None
        return words_of(*answer)
    except EvergreenError as error:
        return f"Vertex AI does not tell why ({error})"


def words_of(jobs: VertexJobs, job: PipelineJob) -> str | None:
    """What Google says of a job that it ended; None where it says nothing of use. Raises EvergreenError: no answer."""
    if dead := deaths(jobs, job):
        return "; ".join(f"task '{death.task}': {death.words}" for death in dead)
    return describe(0, job.error) if job.error and not any(task.state == FAILED for task in job.tasks) else None


def ended_on_vertex(run: PipelineRunResponse) -> str | None:
    """How Vertex AI says that a run ended, in ZenML's words, when ZenML does not know; None where it goes on."""
    try:
        answer = pipeline_job_of(run)
    except EvergreenError:
        return None
    return ENDS.get(answer[1].state) if answer else None


def _death(jobs: VertexJobs, task: JobTask) -> Death | None:
    """Why a task died; None when its container ran and ended by itself."""
    code, text, began, ran_on_spot = task.code, task.error, False, False
    if task.job:
        custom = jobs.custom_job(task.job)
        began = custom.started is not None
        code, text = custom.code or code, custom.error or text
        ran_on_spot = began and custom.spot
    cause = cause_of(code, text, ran_on_spot=ran_on_spot)
    if began and cause is not Cause.PREEMPTED:
        return None
    return Death(task=task.name, cause=cause, words=describe(code, text, ran_on_spot=ran_on_spot), began=began)


def _end(task: JobTask) -> float:
    return task.ended.timestamp() if task.ended else 0.0
