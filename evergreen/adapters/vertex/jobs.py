"""Pipeline jobs and custom jobs of Vertex AI: each task's state, times and error, and how they are ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

from evergreen.adapters.google.calls import (
    CALL_TIMEOUT_S,
    LOGIN,
    RETRY_TIMEOUT_S,
    Failure,
    Kind,
    calling,
    passing_over,
    retry_policy,
)
from evergreen.adapters.vertex.clients import MissingError
from evergreen.core.base import Frozen
from evergreen.core.errors import EndpointError, EvergreenError, InputError

LOOK_TIMEOUT_S = 20.0
ENDED_WITHIN_S = 900.0
POLL_S = 2.0
CONSOLE = "https://console.cloud.google.com/vertex-ai"
FAILED, RUNNING = "FAILED", "RUNNING"
ENDED = frozenset({"SUCCEEDED", FAILED, "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED", "SKIPPED", "NOT_TRIGGERED"})
"""States of a pipeline job, of a custom job and of a task: nothing of it changes any more."""


class UnreachableError(EvergreenError):
    """Vertex AI does not answer now; the same question may be answered later."""


class JobTask(Frozen):
    """A task of a pipeline job; `job` is the custom job that runs it, `code` and `error` are of google.rpc.Status.

    `started` is null until the task has a machine; `error` is empty unless it failed.
    """

    name: str
    state: str
    started: datetime | None = None
    ended: datetime | None = None
    code: int = 0
    error: str = ""
    job: str = ""


class PipelineJob(Frozen):
    """A pipeline job; `tasks` are those that Vertex AI has made so far, in no order to rely on."""

    name: str
    state: str
    error: str
    tasks: tuple[JobTask, ...]
    created: datetime | None = None

    @property
    def is_ended(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.state in ENDED


class CustomJob(Frozen):
    """A custom job; `started` is null until its container runs, `spot` tells whether its machine may be taken back."""

    state: str
    started: datetime | None
    code: int
    error: str
    spot: bool


@dataclass(frozen=True)
class VertexJobs:
    """The jobs of a project and region; `credentials` None means those that Google's clients find.

    Every method raises:
        InputError: there are no credentials, or the account may not.
        MissingError: there is no such job.
        UnreachableError: no answer for now.
        EvergreenError: any other refusal.
    """

    project: str
    region: str
    credentials: Any = None

    @property
    def location(self) -> str:
        """The resource name that everything of the region is below."""
        return f"projects/{self.project}/locations/{self.region}"

    def link(self, job_id: str) -> str:
        """The page of a pipeline job in Google's console."""
        return f"{CONSOLE}/locations/{self.region}/pipelines/runs/{job_id}?project={self.project}"

    def pipeline(self, job_id: str) -> PipelineJob:
        """The pipeline job of this id, as it is now."""
        name = f"{self.location}/pipelineJobs/{job_id}"
        return _pipeline(self._look(f"pipeline job {job_id}", self._pipelines.get_pipeline_job, name))

    def custom_job(self, name: str) -> CustomJob:
        """The custom job of this resource name, as it is now."""
        found = self._look(f"custom job {name.rpartition('/')[2]}", self._custom.get_custom_job, name)
        return CustomJob(
            state=_state(found),
            started=_moment(found.start_time),
            code=found.error.code,
            error=found.error.message,
            spot=found.job_spec.scheduling.strategy.name == "SPOT",
        )

    def of_schedule(self, schedule: str, newest: int) -> list[PipelineJob]:
        """The newest jobs that the schedule of this resource name has fired."""
        request = {"parent": self.location, "filter": f'schedule_name="{schedule}"', "page_size": newest}
        with calling(job_error(f"listing the jobs of {schedule}")):
            listed = self._pipelines.list_pipeline_jobs(request=request, retry=None, timeout=LOOK_TIMEOUT_S)
            return [_pipeline(one) for one in islice(listed, newest)]

    def under_way(self, schedule: str) -> list[str]:
        """The ids of the pipeline jobs of a schedule that have not ended."""
        request = {
            "parent": self.location,
            "filter": f"schedule_name={schedule}",
            "read_mask": {"paths": ["name", "state"]},  # without the specifications, which hold a token
        }
        what = f"listing runs of schedule {schedule}"
        jobs = self.call_list(what, self._pipelines.list_pipeline_jobs, request)
        return [job.name.rpartition("/")[2] for job in jobs if _state(job) not in ENDED]

    def cancel_pipeline(self, job_id: str) -> str:
        """The state in which the pipeline job has ended: CANCELLED, or another one when it ended before.

        Raises:
            EndpointError: it has not ended in time.
        """
        client, name = self._pipelines, f"{self.location}/pipelineJobs/{job_id}"
        return self._ended(name, client.get_pipeline_job, client.cancel_pipeline_job)

    def cancel_custom(self, display_names: Iterable[str]) -> list[str]:
        """The resource names of the custom jobs of these display names that had not ended; none of them runs any more.

        Raises:
            EndpointError: one has not ended in time.
        """
        client, cancelled = self._custom, list[str]()
        for display_name in display_names:
            request = {"parent": self.location, "filter": f'display_name="{display_name}"'}
            what = f"looking for the jobs of {display_name}"
            for job in self.call_list(what, client.list_custom_jobs, request):
                if _state(job) not in ENDED:
                    self._ended(job.name, client.get_custom_job, client.cancel_custom_job)
                    cancelled.append(job.name)
        return cancelled

    def call(self, what: str, method: Callable[..., Any], request: Any) -> Any:
        """The answer to the request, which is repeated while errors are transient."""
        with calling(job_error(what)):
            return method(request=request, retry=retry_policy(RETRY_TIMEOUT_S), timeout=CALL_TIMEOUT_S)

    def call_list(self, what: str, method: Callable[..., Iterable[Any]], request: Any) -> list[Any]:
        """All items of all pages."""
        with calling(job_error(what)):
            return list(method(request=request, retry=retry_policy(RETRY_TIMEOUT_S), timeout=CALL_TIMEOUT_S))

    def client(self, service: Callable[..., Any]) -> Any:
        """Google's client of one of Vertex AI's services in the region."""
        with calling(job_error("opening Vertex AI")):
            options = {"api_endpoint": f"{self.region}-aiplatform.googleapis.com"}
            return service(credentials=self.credentials, client_options=options)

    def _look(self, what: str, method: Callable[..., Any], name: str) -> Any:
        """One call without repetitions: whoever looks again and again repeats it anyway."""
        with calling(job_error(f"looking at {what}")):
            return method(request={"name": name}, retry=None, timeout=LOOK_TIMEOUT_S)

    def _ended(self, name: str, get: Callable[..., Any], cancel: Callable[..., Any]) -> str:
        deadline = time.monotonic() + ENDED_WITHIN_S
        asked = False
        while (state := _state(self.call(f"ending {name}", get, {"name": name}))) not in ENDED:
            if not asked:
                asked = True
                with calling(job_error(f"ending {name}")), passing_over(Kind.CONFLICT):  # it ended in between
                    cancel(request={"name": name}, retry=retry_policy(RETRY_TIMEOUT_S), timeout=CALL_TIMEOUT_S)
            if time.monotonic() >= deadline:
                raise EndpointError(f"{name} is {state} {ENDED_WITHIN_S:g} s after it was cancelled; run `stop` again")
            time.sleep(POLL_S)
        return state

    @cached_property
    def _pipelines(self) -> Any:
        from google.cloud.aiplatform_v1 import PipelineServiceClient

        return self.client(PipelineServiceClient)

    @cached_property
    def _custom(self) -> Any:
        from google.cloud.aiplatform_v1 import JobServiceClient

        return self.client(JobServiceClient)


def job_error(what: str) -> Callable[[Failure], EvergreenError]:
    """What a failed call that does `what` with jobs or schedules is raised as."""

    def error_of(failure: Failure) -> EvergreenError:
        said = f"{what}: {failure.reason}"
        match failure.kind:
            case Kind.CREDENTIALS:
                return InputError(f"{said}; run `{LOGIN}`")
            case Kind.DENIED:
                return InputError(f"{said}; the account needs roles/aiplatform.user")
            case Kind.MISSING:
                return MissingError(said)
            case Kind.EXHAUSTED | Kind.UNANSWERED:
                return UnreachableError(said)
        return EvergreenError(said)

    return error_of


def _state(job: Any) -> str:
    """The state of a job or task as its client has it, without the prefix of its kind."""
    return str(job.state.name).removeprefix("PIPELINE_STATE_").removeprefix("JOB_STATE_")


def _pipeline(job: Any) -> PipelineJob:
    return PipelineJob(
        name=job.name.rpartition("/")[2],
        state=_state(job),
        error=job.error.message,
        tasks=tuple(_task(one) for one in job.job_detail.task_details),
        created=_moment(job.create_time),
    )


def _task(detail: Any) -> JobTask:
    executor = detail.executor_detail
    return JobTask(
        name=detail.task_name,
        state=_state(detail),
        started=_moment(detail.start_time),
        ended=_moment(detail.end_time),
        code=detail.error.code,
        error=detail.error.message,
        job=executor.container_detail.main_job or executor.custom_job_detail.job,
    )


def _moment(time: Any) -> datetime | None:
    """To the microsecond: the client's own time type has nanoseconds."""
    return datetime.fromtimestamp(time.timestamp(), time.tzinfo) if time else None
