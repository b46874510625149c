"""Schedules of Vertex AI Pipelines: which there are, what runs of them, and their end. ZenML only creates them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from evergreen.adapters.google.calls import calling
from evergreen.adapters.vertex.clients import MissingError
from evergreen.adapters.vertex.jobs import VertexJobs, job_error
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import Schedule, ScheduleServiceClient

DELETE_TIMEOUT_S = 300.0


class VertexSchedule(Frozen):
    """One schedule; `resource` is its name in Google's form, `next_run` None when it will not run again."""

    name: str
    resource: str
    cron: str
    state: str
    next_run: datetime | None


@dataclass(frozen=True)
class VertexSchedules:
    """The schedules whose runs are these `jobs`, and which are in the same project and region. Raises as they do."""

    jobs: VertexJobs

    def beginning(self, prefix: str) -> list[VertexSchedule]:
        """Those whose display name begins with `prefix`, newest first."""
        location = self.jobs.location
        request = {"parent": location, "filter": f'display_name:"{prefix}*"'}
        listed = self.jobs.call_list(f"listing schedules of {location}", self._client.list_schedules, request)
        return [_schedule(schedule) for schedule in listed if schedule.display_name.startswith(prefix)]

    def running(self, resource: str) -> list[str]:
        """The pipeline jobs of a schedule that have not ended, by their ids."""
        return self.jobs.under_way(resource)

    def pause(self, resource: str) -> None:
        """Lets no further run begin; those that run go on."""
        self.jobs.call(f"pausing schedule {resource}", self._client.pause_schedule, {"name": resource})

    def hold_to_one_run(self, resource: str) -> None:
        """Lets no run of the schedule begin while one goes on: two would undo each other's rollout.

        `max_concurrent_run_count`, which is 1 by default, bounds the runs being started, not those that run.
        """
        change = {"name": resource, "max_concurrent_active_run_count": 1}
        request = {"schedule": change, "update_mask": {"paths": ["max_concurrent_active_run_count"]}}
        self.jobs.call(f"limiting schedule {resource} to one run at a time", self._client.update_schedule, request)

    def delete(self, resource: str) -> None:
        """Ends a schedule; its runs stay. Does nothing when it is gone."""
        what = f"deleting schedule {resource}"
        with suppress(MissingError):
            operation = self.jobs.call(what, self._client.delete_schedule, {"name": resource})
            with calling(job_error(what)):
                try:
                    operation.result(timeout=DELETE_TIMEOUT_S)  # type: ignore[no-untyped-call]  # google.api_core has none
                except TimeoutError as error:
                    raise EvergreenError(f"{what}: not done within {DELETE_TIMEOUT_S:g} s; look again later") from error

    @cached_property
    def _client(self) -> ScheduleServiceClient:
        from google.cloud.aiplatform_v1 import ScheduleServiceClient

        return self.jobs.client(ScheduleServiceClient)


def _schedule(schedule: Schedule) -> VertexSchedule:
    return VertexSchedule(
        name=schedule.display_name,
        resource=schedule.name,
        cron=schedule.cron,
        state=schedule.state.name,
        next_run=_next(schedule),
    )


def _next(schedule: Schedule) -> datetime | None:
    """The next run of an active schedule, to the second: the client's own time type has nanoseconds."""
    if schedule.state.name != "ACTIVE" or not schedule.next_run_time:
        return None
    return datetime.fromtimestamp(schedule.next_run_time.timestamp(), schedule.next_run_time.tzinfo)
