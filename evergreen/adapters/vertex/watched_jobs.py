"""Pipeline jobs and custom jobs as Vertex AI has them: each task's state, times and error. Nothing here changes any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

from evergreen.adapters.vertex.states import ENDED, state_of
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError

CALL_TIMEOUT_S = 20.0
CONSOLE = "https://console.cloud.google.com/vertex-ai"
FAILED, RUNNING = "FAILED", "RUNNING"


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
class WatchedJobs:
    """The jobs of a project and region; `credentials` None means those that Google's clients find."""

    project: str
    region: str
    credentials: Any = None

    def link(self, job_id: str) -> str:
        """The page of a pipeline job in Google's console."""
        return f"{CONSOLE}/locations/{self.region}/pipelines/runs/{job_id}?project={self.project}"

    def pipeline(self, job_id: str) -> PipelineJob:
        """The pipeline job of this id, as it is now.

        Raises:
            UnreachableError: no answer for now.
            EvergreenError: any other refusal.
        """
        name = f"projects/{self.project}/locations/{self.region}/pipelineJobs/{job_id}"
        return _pipeline(self._ask(f"pipeline job {job_id}", self._pipelines.get_pipeline_job, name))

    def of_schedule(self, schedule: str, newest: int) -> list[PipelineJob]:
        """The newest jobs that the schedule of this resource name has fired. Raises as `pipeline` does."""
        request = {
            "parent": f"projects/{self.project}/locations/{self.region}",
            "filter": f'schedule_name="{schedule}"',
            "page_size": newest,
        }
        with _translated(f"listing the jobs of {schedule}"):
            listed = self._pipelines.list_pipeline_jobs(request=request, retry=None, timeout=CALL_TIMEOUT_S)
            return [_pipeline(one) for one in islice(listed, newest)]

    def custom_job(self, name: str) -> CustomJob:
        """The custom job of this resource name, as it is now. Raises as `pipeline` does."""
        found = self._ask(f"custom job {name.rpartition('/')[2]}", self._jobs.get_custom_job, name)
        return CustomJob(
            state=state_of(found),
            started=_moment(found.start_time),
            code=found.error.code,
            error=found.error.message,
            spot=found.job_spec.scheduling.strategy.name == "SPOT",
        )

    @cached_property
    def _pipelines(self) -> Any:
        from google.cloud.aiplatform_v1 import PipelineServiceClient

        return self._client(PipelineServiceClient)

    @cached_property
    def _jobs(self) -> Any:
        from google.cloud.aiplatform_v1 import JobServiceClient

        return self._client(JobServiceClient)

    def _client(self, service: Callable[..., Any]) -> Any:
        address = f"{self.region}-aiplatform.googleapis.com"
        with _translated("opening Vertex AI"):
            return service(credentials=self.credentials, client_options={"api_endpoint": address})

    def _ask(self, what: str, method: Callable[..., Any], name: str) -> Any:
        """One call without repetitions: whoever looks again and again repeats it anyway."""
        with _translated(f"looking at {what}"):
            return method(request={"name": name}, retry=None, timeout=CALL_TIMEOUT_S)


def _pipeline(job: Any) -> PipelineJob:
    return PipelineJob(
        name=job.name.rpartition("/")[2],
        state=state_of(job),
        error=job.error.message,
        tasks=tuple(_task(one) for one in job.job_detail.task_details),
        created=_moment(job.create_time),
    )


def _task(detail: Any) -> JobTask:
    executor = detail.executor_detail
    return JobTask(
        name=detail.task_name,
        state=state_of(detail),
        started=_moment(detail.start_time),
        ended=_moment(detail.end_time),
        code=detail.error.code,
        error=detail.error.message,
        job=executor.container_detail.main_job or executor.custom_job_detail.job,
    )


def _moment(time: Any) -> datetime | None:
    """To the microsecond: the client's own time type has nanoseconds."""
    return datetime.fromtimestamp(time.timestamp(), time.tzinfo) if time else None


@contextmanager
def _translated(what: str) -> Iterator[None]:
    import requests
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError, TransportError

    try:
        yield
    except (api.ServerError, api.TooManyRequests, api.RetryError, TransportError, requests.RequestException) as error:
        raise UnreachableError(f"{what}: {_one_line(error)}") from error
    except (api.GoogleAPIError, GoogleAuthError) as error:
        raise EvergreenError(f"{what}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "message", "") or error).split())
