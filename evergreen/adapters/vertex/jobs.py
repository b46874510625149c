"""Pipeline jobs of Vertex AI and the custom jobs that their steps started: cancelled, and their end waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evergreen.adapters.vertex.failures import retry_policy, translated
from evergreen.adapters.vertex.states import ENDED, state_of
from evergreen.core.errors import EndpointError

CALL_TIMEOUT_S = 60.0
RETRY_TIMEOUT_S = 120.0
ENDED_WITHIN_S = 900.0
POLL_S = 2.0


@dataclass(frozen=True)
class VertexJobs:
    """The jobs of a project and region; `credentials` None means those that Google's clients find."""

    project: str
    region: str
    credentials: Any = None

    def cancel_pipeline(self, job_id: str) -> str:
        """The state in which the pipeline job has ended: CANCELLED, or another one when it ended before.

        Raises:
            MissingError: there is no such job.
            EndpointError: it was refused, or has not ended in time.
        """
        client, name = self._pipelines, f"{self._location}/pipelineJobs/{job_id}"
        return self._ended(name, client.get_pipeline_job, client.cancel_pipeline_job)

    def cancel_custom(self, display_names: Iterable[str]) -> list[str]:
        """The resource names of the custom jobs of these display names that had not ended; none of them runs any more.

        Raises:
            EndpointError: one was refused, or has not ended in time.
        """
        client, cancelled = self._custom, list[str]()
        for display_name in display_names:
            request = {"parent": self._location, "filter": f'display_name="{display_name}"'}
            with translated(f"looking for the jobs of {display_name}"):
                found = list(client.list_custom_jobs(request=request, retry=self._retry, timeout=CALL_TIMEOUT_S))
            for job in found:
                if state_of(job) not in ENDED:
                    self._ended(job.name, client.get_custom_job, client.cancel_custom_job)
                    cancelled.append(job.name)
        return cancelled

    def _ended(self, name: str, get: Callable[..., Any], cancel: Callable[..., Any]) -> str:
        from google.api_core.exceptions import FailedPrecondition

        deadline = time.monotonic() + ENDED_WITHIN_S
        asked = False
        while True:
            with translated(f"ending {name}"):
                state = state_of(get(request={"name": name}, retry=self._retry, timeout=CALL_TIMEOUT_S))
                if state in ENDED:
                    return state
                if not asked:
                    asked = True
                    try:
                        cancel(request={"name": name}, retry=self._retry, timeout=CALL_TIMEOUT_S)
                    except FailedPrecondition:  # it ended in between
                        continue
            if time.monotonic() >= deadline:
                raise EndpointError(f"{name} is {state} {ENDED_WITHIN_S:g} s after it was cancelled; run `stop` again")
            time.sleep(POLL_S)

    @property
    def _location(self) -> str:
        return f"projects/{self.project}/locations/{self.region}"

    @cached_property
    def _pipelines(self) -> Any:
        from google.cloud.aiplatform_v1 import PipelineServiceClient

        with translated("opening Vertex AI's pipeline service"):
            return PipelineServiceClient(credentials=self.credentials, client_options=self._options)

    @cached_property
    def _custom(self) -> Any:
        from google.cloud.aiplatform_v1 import JobServiceClient

        with translated("opening Vertex AI's job service"):
            return JobServiceClient(credentials=self.credentials, client_options=self._options)

    @property
    def _options(self) -> dict[str, str]:
        return {"api_endpoint": f"{self.region}-aiplatform.googleapis.com"}

    @property
    def _retry(self) -> Any:
        return retry_policy(RETRY_TIMEOUT_S)
