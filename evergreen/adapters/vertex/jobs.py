"""Pipeline jobs and custom jobs of Vertex AI: each task's state, times and error, why it ended, and how it is ended.

"com.google.…AiPlatformException: code=RESOURCE_EXHAUSTED, message=The following quota metrics exceed quota limits: …"
→ `no machine was to be had: The following quota metrics exceed quota limits: …`
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from evergreen.adapters.google.calls import (
    CALL_TIMEOUT_S,
    RETRY_TIMEOUT_S,
    Failure,
    Kind,
    calling,
    passing_over,
    retry_policy,
)
from evergreen.adapters.vertex.clients import MissingError
from evergreen.adapters.vertex.names import label_filter
from evergreen.core.base import Frozen
from evergreen.core.errors import EndpointError, EvergreenError, InputError

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import CustomJob as GoogleCustomJob
    from google.cloud.aiplatform_v1 import JobServiceClient, PipelineServiceClient
    from google.cloud.aiplatform_v1 import PipelineJob as GoogleJob
    from google.cloud.aiplatform_v1 import PipelineTaskDetail as GoogleTask

ASK_TIMEOUT_S = 20.0
ENDED_WITHIN_S = 900.0
POLL_S = 2.0
ADVICE = {Kind.DENIED: "the account needs roles/aiplatform.user"}
CONSOLE = "https://console.cloud.google.com/vertex-ai"
FAILED, RUNNING = "FAILED", "RUNNING"
ENDED = frozenset({"SUCCEEDED", FAILED, "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED", "SKIPPED", "NOT_TRIGGERED"})
"""States of a pipeline job, of a custom job and of a task: nothing of it changes any more."""
RESOURCE_EXHAUSTED, PERMISSION_DENIED, INTERNAL = 8, 7, 13
"""Numbers of google.rpc.Code."""
MESSAGE = re.compile(r"\bmessage=(?P<message>.+?), cause=", re.DOTALL)
MOST_CHARS = 600


T = TypeVar("T")


class UnreachableError(EvergreenError):
    """Vertex AI does not answer now, or a quota is used up; the same question may be answered later."""


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
        UnreachableError: no answer for now, or a quota is used up.
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
        return _pipeline(self._ask(f"pipeline job {job_id}", self._pipelines.get_pipeline_job, name))

    def custom_job(self, name: str) -> CustomJob:
        """The custom job of this resource name, as it is now."""
        job = self._ask(f"custom job {name.rpartition('/')[2]}", self._custom.get_custom_job, name)
        return CustomJob(
            state=_state(job),
            started=_moment(job.start_time),
            code=job.error.code,
            error=job.error.message,
            spot=job.job_spec.scheduling.strategy.name == "SPOT",
        )

    def of_schedule(self, schedule: str, newest: int) -> list[PipelineJob]:
        """The newest jobs that the schedule of this resource name has fired."""
        request = {"parent": self.location, "filter": f'schedule_name="{schedule}"', "page_size": newest}
        with calling(job_error(f"listing the jobs of {schedule}")):
            listed = self._pipelines.list_pipeline_jobs(request=request, retry=None, timeout=ASK_TIMEOUT_S)
            return [_pipeline(job) for job in islice(listed, newest)]

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
            listed = self._listed(client.list_custom_jobs, f'display_name="{display_name}"')
            cancelled += self._cancelled(listed, client.get_custom_job, client.cancel_custom_job)
        return cancelled

    def cancel_batch(self, labels: Mapping[str, str]) -> list[str]:
        """The same of the batch prediction jobs with all these labels."""
        client = self._custom
        listed = self._listed(client.list_batch_prediction_jobs, label_filter(labels))
        return self._cancelled(listed, client.get_batch_prediction_job, client.cancel_batch_prediction_job)

    def call(self, what: str, method: Callable[..., T], request: object) -> T:
        """The answer to the request, which is repeated while errors are transient."""
        with calling(job_error(what)):
            return method(request=request, retry=retry_policy(RETRY_TIMEOUT_S), timeout=CALL_TIMEOUT_S)

    def call_list(self, what: str, method: Callable[..., Iterable[T]], request: object) -> list[T]:
        """All items of all pages."""
        with calling(job_error(what)):
            return list(method(request=request, retry=retry_policy(RETRY_TIMEOUT_S), timeout=CALL_TIMEOUT_S))

    def client(self, service: Callable[..., T]) -> T:
        """Google's client of one of Vertex AI's services in the region."""
        with calling(job_error("opening Vertex AI")):
            options = {"api_endpoint": f"{self.region}-aiplatform.googleapis.com"}
            return service(credentials=self.credentials, client_options=options)

    def _ask(self, what: str, method: Callable[..., T], name: str) -> T:
        """One call without repetitions: whoever looks again and again repeats it anyway."""
        with calling(job_error(f"looking at {what}")):
            return method(request={"name": name}, retry=None, timeout=ASK_TIMEOUT_S)

    def _listed(self, method: Callable[..., Iterable[T]], wanted: str) -> list[T]:
        request = {"parent": self.location, "filter": wanted}
        return self.call_list(f"looking for jobs with {wanted}", method, request)

    def _cancelled(self, jobs: Iterable[Any], get: Callable[..., Any], cancel: Callable[..., Any]) -> list[str]:
        """The names of those that had not ended; none of them runs any more."""
        names = [job.name for job in jobs if _state(job) not in ENDED]
        for name in names:
            self._ended(name, get, cancel)
        return names

    def _ended(self, name: str, get: Callable[..., Any], cancel: Callable[..., Any]) -> str:
        deadline = time.monotonic() + ENDED_WITHIN_S
        asked = False
        while (state := _state(self.call(f"ending {name}", get, {"name": name}))) not in ENDED:
            if not asked:
                asked = True
                with calling(job_error(f"ending {name}")), passing_over(Kind.PRECONDITION):  # it ended in between
                    cancel(request={"name": name}, retry=retry_policy(RETRY_TIMEOUT_S), timeout=CALL_TIMEOUT_S)
            if time.monotonic() >= deadline:
                raise EndpointError(f"{name} is {state} {ENDED_WITHIN_S:g} s after it was cancelled; run `stop` again")
            time.sleep(POLL_S)
        return state

    @cached_property
    def _pipelines(self) -> PipelineServiceClient:
        from google.cloud.aiplatform_v1 import PipelineServiceClient

        return self.client(PipelineServiceClient)

    @cached_property
    def _custom(self) -> JobServiceClient:
        from google.cloud.aiplatform_v1 import JobServiceClient

        return self.client(JobServiceClient)


def job_error(what: str) -> Callable[[Failure], EvergreenError]:
    """What a failed call that does `what` with jobs or schedules is raised as."""

    def error_of(failure: Failure) -> EvergreenError:
        message = failure.message(what, ADVICE)
        match failure.kind:
            case Kind.CREDENTIALS | Kind.DENIED:
                return InputError(message)
            case Kind.MISSING:
                return MissingError(message)
            case Kind.EXHAUSTED | Kind.UNANSWERED:
                return UnreachableError(message)
        return EvergreenError(message)

    return error_of


def _state(job: GoogleJob | GoogleTask | GoogleCustomJob) -> str:
    """The state of a job or task as its client has it, without the prefix of its kind."""
    return str(job.state.name).removeprefix("PIPELINE_STATE_").removeprefix("JOB_STATE_")


def _pipeline(job: GoogleJob) -> PipelineJob:
    return PipelineJob(
        name=job.name.rpartition("/")[2],
        state=_state(job),
        error=job.error.message,
        tasks=tuple(_task(detail) for detail in job.job_detail.task_details),
        created=_moment(job.create_time),
    )


def _task(detail: GoogleTask) -> JobTask:
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


def _moment(time: datetime | None) -> datetime | None:
    """To the microsecond: the client's own time type has nanoseconds."""
    return datetime.fromtimestamp(time.timestamp(), time.tzinfo) if time else None


class Cause(StrEnum):
    """What kept code from running, or ended it from outside, in words."""

    PREEMPTED = "its Spot machine was taken back (preempted)"
    IMAGE = "its image cannot be pulled"
    CAPACITY = "no machine was to be had"
    PERMISSION = "a permission is missing"
    PLATFORM = "Vertex AI failed before any code ran"


PATTERNS = (
    (Cause.PREEMPTED, r"pre-?empt"),
    (Cause.IMAGE, r"pull(ing)? (the )?image|image .{0,200}(not found|cannot be pulled|does not exist)"),
    (Cause.CAPACITY, r"RESOURCE_EXHAUSTED|STOCKOUT|quota.* exceed|exceed.* quota|resources are insufficient"),
    (Cause.PERMISSION, r"PERMISSION_DENIED|permission|not have access|\bdenied\b"),
    (Cause.PLATFORM, r"DRIVER_FAILED|internal error"),
)
CODES = {RESOURCE_EXHAUSTED: Cause.CAPACITY, PERMISSION_DENIED: Cause.PERMISSION, INTERNAL: Cause.PLATFORM}


def cause_of(code: int, words: str, *, ran_on_spot: bool = False) -> Cause | None:
    """The kind of failure; None for one that code caused itself. What the words name counts more than the number.

    `ran_on_spot`: code had begun on a Spot machine. Where that is taken back, Google says what it says of one that is
    not to be had: "job fails with a STOCKOUT error" (cloud.google.com/vertex-ai/docs/predictions/use-spot-vms).
    """
    cause = next((cause for cause, pattern in PATTERNS if re.search(pattern, words, re.IGNORECASE)), CODES.get(code))
    return Cause.PREEMPTED if ran_on_spot and cause is Cause.CAPACITY else cause


def google_words(text: str) -> str:
    """What Google says, in one line, without what its services wrap it in; the end alone of what is long."""
    match = MESSAGE.search(text)
    plain = " ".join((match["message"] if match else text).split())
    return plain if len(plain) <= MOST_CHARS else f"… {plain[-MOST_CHARS:]}"


def describe(code: int, text: str, *, ran_on_spot: bool = False) -> str:
    """The cause in words, where it is known, before Google's own."""
    words = google_words(text)
    cause = cause_of(code, text, ran_on_spot=ran_on_spot)
    return f"{cause}: {words}" if cause else words
