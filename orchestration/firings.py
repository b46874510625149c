"""When a model's schedule fires next, and firings that ended before ZenML heard of them.

Nobody watches those, and no run tells of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from zenml.client import Client

from evergreen.adapters.vertex.jobs import FAILED, PipelineJob, VertexJobs
from evergreen.adapters.vertex.schedules import VertexSchedule
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError
from orchestration.schedules import is_schedule_of, schedule_prefix, schedules, vertex_schedules
from orchestration.vertex_runs import words_of

NEWEST = 3
"""So many firings are looked at: it is the last nights that somebody asks about."""


class LostFiring(Frozen):
    """A firing without a run of ZenML: its pipeline job, and why it ended."""

    job: str
    created: datetime | None
    reason: str


class Schedule(Frozen):
    """What fires a model's runs: its cron line, and when it fires next.

    `state` is Vertex AI's word, `active` or `paused`; null, as `next_run` then is, where Vertex AI cannot be asked.
    """

    cron: str
    state: str | None
    next_run: datetime | None


def schedule_of(model: str) -> tuple[Schedule | None, tuple[LostFiring, ...]]:
    """The model's schedule, and its newest lost firings; none where it has none, or Vertex AI does not answer."""
    client = Client()
    noted = client.list_schedules(name=f"startswith:{schedule_prefix(model)}", sort_by="desc:created").items
    own = [schedule for schedule in noted if is_schedule_of(model, schedule.name)]
    if not own:
        return None, ()
    try:
        jobs, there = vertex_schedules().jobs, schedules(model)
    except EvergreenError:
        return Schedule(cron=own[0].cron_expression or "", state=None, next_run=None), ()
    if not there:
        return None, ()
    newest = Schedule(cron=there[0].cron, state=there[0].state.lower(), next_run=there[0].next_run)
    return newest, _lost_firings(client, jobs, there)


def _lost_firings(client: Client, jobs: VertexJobs, of: Sequence[VertexSchedule]) -> tuple[LostFiring, ...]:
    try:
        fired = [job for schedule in of for job in jobs.of_schedule(schedule.resource, NEWEST)]
        return tuple(_lost(jobs, job) for job in fired if job.state == FAILED and not _known(client, job))
    except EvergreenError:
        return ()


def _known(client: Client, job: PipelineJob) -> bool:
    return bool(client.list_pipeline_runs(orchestrator_run_id=job.name, size=1, hydrate=False).items)


def _lost(jobs: VertexJobs, job: PipelineJob) -> LostFiring:
    whole = jobs.pipeline(job.name)  # a list may leave out what became of each task
    reason = words_of(jobs, whole) or whole.error or "Vertex AI does not say why"
    return LostFiring(job=job.name, created=job.created, reason=reason)
