"""Schedules of Vertex AI Pipelines: which there are, what runs of them, and their end. ZenML only creates them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from evergreen.adapters.vertex.states import ENDED, state_of
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError, InputError

CALL_TIMEOUT_S = 60.0
RETRY_TIMEOUT_S = 120.0
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
    """The schedules of a project and region; `credentials` None means those that Google's clients find."""

    project: str
    region: str
    credentials: Any = None

    def beginning(self, prefix: str) -> list[VertexSchedule]:
        """Those whose display name begins with `prefix`, newest first.

        Raises:
            InputError: no credentials, or no permission.
            EvergreenError: Vertex AI does not answer.
        """
        request = {"parent": self._parent, "filter": f'display_name:"{prefix}*"'}
        with self._translated(f"listing schedules of {self._parent}"):
            listed = list(self._client.list_schedules(request=request, retry=self._retry, timeout=CALL_TIMEOUT_S))
        return [_schedule(one) for one in listed if one.display_name.startswith(prefix)]

    def running(self, resource: str) -> list[str]:
        """The pipeline jobs of a schedule that have not ended, by their ids. Raises as `beginning` does."""
        request = {
            "parent": self._parent,
            "filter": f"schedule_name={resource}",
            "read_mask": {"paths": ["name", "state"]},  # without the specifications, which hold a token
        }
        with self._translated(f"listing runs of schedule {resource}"):
            jobs = list(self._jobs.list_pipeline_jobs(request=request, retry=self._retry, timeout=CALL_TIMEOUT_S))
        return [job.name.rpartition("/")[2] for job in jobs if state_of(job) not in ENDED]

    def pause(self, resource: str) -> None:
        """Lets no further run begin; those that run go on. Raises as `beginning` does."""
        with self._translated(f"pausing schedule {resource}"):
            self._client.pause_schedule(request={"name": resource}, retry=self._retry, timeout=CALL_TIMEOUT_S)

    def hold_to_one_run(self, resource: str) -> None:
        """Lets no run of the schedule begin while one goes on: two would undo each other's rollout.

        `max_concurrent_run_count`, which is 1 by default, bounds the runs being started, not those that run.
        """
        change = {"name": resource, "max_concurrent_active_run_count": 1}
        request = {"schedule": change, "update_mask": {"paths": ["max_concurrent_active_run_count"]}}
        with self._translated(f"limiting schedule {resource} to one run at a time"):
            self._client.update_schedule(request=request, retry=self._retry, timeout=CALL_TIMEOUT_S)

    def delete(self, resource: str) -> None:
        """Ends a schedule; its runs stay. Does nothing when it is gone. Raises as `beginning` does."""
        from google.api_core.exceptions import NotFound

        with self._translated(f"deleting schedule {resource}"):
            try:
                operation = self._client.delete_schedule(
                    request={"name": resource}, retry=self._retry, timeout=CALL_TIMEOUT_S
                )
                operation.result(timeout=DELETE_TIMEOUT_S)
            except NotFound:
                return

    @property
    def _parent(self) -> str:
        return f"projects/{self.project}/locations/{self.region}"

    @cached_property
    def _client(self) -> Any:
        from google.cloud.aiplatform_v1 import ScheduleServiceClient

        return ScheduleServiceClient(credentials=self.credentials, client_options=self._address)

    @cached_property
    def _jobs(self) -> Any:
        from google.cloud.aiplatform_v1 import PipelineServiceClient

        return PipelineServiceClient(credentials=self.credentials, client_options=self._address)

    @property
    def _address(self) -> dict[str, str]:
        return {"api_endpoint": f"{self.region}-aiplatform.googleapis.com"}

    @property
    def _retry(self) -> Any:
        """Transient errors alone (429, 503, timeouts), with growing waits."""
        from google.api_core import exceptions, retry

        transient = (exceptions.TooManyRequests, exceptions.ServiceUnavailable, exceptions.GatewayTimeout)
        return retry.Retry(predicate=retry.if_exception_type(*transient), initial=0.5, timeout=RETRY_TIMEOUT_S)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        from google.api_core import exceptions as api
        from google.auth.exceptions import GoogleAuthError

        try:
            yield
        except GoogleAuthError as error:
            raise InputError(f"{what}: {error}; run `gcloud auth application-default login`") from error
        except (api.Forbidden, api.Unauthorized) as error:
            raise InputError(f"{what}: {error.message}; the account needs roles/aiplatform.user") from error
        except TimeoutError as error:
            raise EvergreenError(f"{what}: not done within {DELETE_TIMEOUT_S:g} s; look again later") from error
        except api.GoogleAPIError as error:
            reason = getattr(error, "message", "") or error
            raise EvergreenError(f"{what}: {reason}; try again later") from error


def _schedule(one: Any) -> VertexSchedule:
    return VertexSchedule(
        name=one.display_name, resource=one.name, cron=one.cron, state=one.state.name, next_run=_next(one)
    )


def _next(schedule: Any) -> datetime | None:
    """The next run of an active schedule, to the second: the client's own time type has nanoseconds."""
    if schedule.state.name != "ACTIVE" or not schedule.next_run_time:
        return None
    return datetime.fromtimestamp(schedule.next_run_time.timestamp(), schedule.next_run_time.tzinfo)
