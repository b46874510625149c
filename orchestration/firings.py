"""Firings of a model's schedule that ended before ZenML heard of them: nobody watches, and no run tells of them."""

from __future__ import annotations

from datetime import datetime

from zenml.client import Client

from evergreen.adapters.vertex.jobs import FAILED, PipelineJob, VertexJobs
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError
from orchestration.schedules import schedule_prefix, schedules, vertex_schedules
from orchestration.vertex_runs import words_of

NEWEST = 3
"""So many firings are looked at: it is the last nights that somebody asks about."""


class LostFiring(Frozen):
    """A firing without a run of ZenML: its pipeline job, and why it ended."""

    job: str
    created: datetime | None
    reason: str


def lost_firings(model: str) -> tuple[LostFiring, ...]:
    """The newest lost firings of the model's schedule; none where it has no schedule, or Vertex AI does not answer."""
    client = Client()
    if not client.list_schedules(name=f"startswith:{schedule_prefix(model)}", size=1).items:
        return ()
    try:
        jobs = vertex_schedules().jobs
        fired = [job for schedule in schedules(model) for job in jobs.of_schedule(schedule.resource, NEWEST)]
        return tuple(_lost(jobs, job) for job in fired if job.state == FAILED and not _known(client, job))
    except EvergreenError:
        return ()


def _known(client: Client, job: PipelineJob) -> bool:
    return bool(client.list_pipeline_runs(orchestrator_run_id=job.name, size=1, hydrate=False).items)


def _lost(jobs: VertexJobs, job: PipelineJob) -> LostFiring:
    whole = jobs.pipeline(job.name)  # a list may leave out what became of each task
    reason = words_of(jobs, whole) or whole.error or "Vertex AI does not say why"
    return LostFiring(job=job.name, created=job.created, reason=reason)
