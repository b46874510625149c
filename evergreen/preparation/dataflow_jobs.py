"""Jobs of Dataflow that a run has started, known by a label, and cancelled when the run is stopped."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from evergreen.adapters.google.calls import (
    CALL_TIMEOUT_S,
    RETRY_TIMEOUT_S,
    Failure,
    Kind,
    calling,
    passing_over,
    retry_policy,
)
from evergreen.core.errors import EvergreenError
from evergreen.preparation.settings import JOB_PREFIX, RUN_LABEL, DataflowRunnerSettings

if TYPE_CHECKING:
    from google.cloud.dataflow_v1beta3 import Job, JobsV1Beta3Client

ADVICE = {Kind.DENIED: "the account needs roles/dataflow.developer"}


class DataflowJobs:
    """The jobs of the settings' project and region."""

    def __init__(self, settings: DataflowRunnerSettings) -> None:
        self._place = {"project_id": settings.project, "location": settings.region}

    def end(self, run: str) -> str:
        """Asks for the end of all jobs of a run, by its id; what was asked for, in words, empty where there was none.

        Raises:
            EvergreenError: Dataflow refuses, or does not answer.
        """
        from google.cloud.dataflow_v1beta3 import JobState

        with calling(_error):
            jobs = [job for job in self._active() if job.labels.get(RUN_LABEL) == run]
            for job in jobs:
                cancelled = {"job": {"requested_state": JobState.JOB_STATE_CANCELLED}, "job_id": job.id}
                with passing_over(Kind.PRECONDITION):  # it ended in between
                    self._client.update_job(
                        {**self._place, **cancelled}, retry=retry_policy(RETRY_TIMEOUT_S), timeout=CALL_TIMEOUT_S
                    )
        return f"Dataflow cancels {', '.join(job.id for job in jobs)}" if jobs else ""

    def _active(self) -> list[Job]:
        """Ours that have not ended, with their labels, which a list leaves out."""
        from google.cloud.dataflow_v1beta3 import JobView, ListJobsRequest

        asked = {**self._place, "filter": ListJobsRequest.Filter.ACTIVE}
        listed = self._client.list_jobs(asked, retry=retry_policy(RETRY_TIMEOUT_S), timeout=CALL_TIMEOUT_S)
        return [
            self._client.get_job(
                {**self._place, "job_id": job.id, "view": JobView.JOB_VIEW_ALL},
                retry=retry_policy(RETRY_TIMEOUT_S),
                timeout=CALL_TIMEOUT_S,
            )
            for job in listed
            if job.name.startswith(JOB_PREFIX)
        ]

    @cached_property
    def _client(self) -> JobsV1Beta3Client:
        from google.cloud.dataflow_v1beta3 import JobsV1Beta3Client

        return JobsV1Beta3Client()


def _error(failure: Failure) -> EvergreenError:
    return EvergreenError(failure.message("ending jobs of Dataflow", ADVICE))
