"""What becomes of a step's job that Vertex AI does not take, or does not cancel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from google.api_core import exceptions as api
from google.auth.exceptions import RefreshError
from google.cloud.aiplatform_v1 import JobState

from evergreen.adapters.vertex import jobs
from evergreen.adapters.vertex.jobs import VertexJobs
from evergreen.core.errors import EvergreenError, InputError
from orchestration.attempts import QUEUED_S, Attempts
from orchestration.machine_lists import MachineChoice

LARGE, SMALL = MachineChoice(machine_type="n1-standard-16"), MachineChoice(machine_type="n1-standard-4")
ENDED = api.FailedPrecondition("it has ended")  # type: ignore[no-untyped-call]  # google.api_core has few types
EVICTED = api.Aborted("try that again")  # type: ignore[no-untyped-call]


class Refusing:
    """A JobService in which every job is queued for long, and that refuses to make or to cancel one."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def create_custom_job(self, **_: Any) -> Any:
        raise self.error

    def get_custom_job(self, **_: Any) -> Any:
        created = datetime.now(UTC) - timedelta(seconds=QUEUED_S + 1)
        return SimpleNamespace(state=JobState.JOB_STATE_QUEUED, start_time=None, create_time=created)

    def cancel_custom_job(self, **_: Any) -> Any:
        raise self.error

    def attempts(self) -> Attempts:
        return Attempts(lambda: self, "projects/news/locations/us-central1", [LARGE, SMALL], lambda _: {})


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            api.Unauthenticated("who?"),  # type: ignore[no-untyped-call]
            InputError,
            "n1-standard-16: who?; log in: gcloud auth application-default login",
        ),
        (RefreshError("expired", {"a": 1}), InputError, "n1-standard-16: expired; log in: gcloud auth"),  # type: ignore[no-untyped-call]
        (api.PermissionDenied("no"), InputError, "n1-standard-16: no; the account needs roles/aiplatform.user"),  # type: ignore[no-untyped-call]
        (api.InvalidArgument("no disk"), EvergreenError, "n1-standard-16: no disk"),  # type: ignore[no-untyped-call]
    ],
)
def test_a_job_that_is_not_taken_is_told_with_what_to_do(
    error: Exception, kind: type[EvergreenError], message: str
) -> None:
    with pytest.raises(kind) as raised:
        Refusing(error).attempts().submit()
    assert type(raised.value) is kind
    assert str(raised.value).startswith(f"Vertex AI does not take the step's job on {message}")


def test_a_job_is_left_alone_where_it_has_just_begun_or_ended_and_for_no_other_refusal() -> None:
    assert not Refusing(ENDED).attempts().waits_in_vain("jobs/1")
    with pytest.raises(api.Aborted):
        Refusing(EVICTED).attempts().waits_in_vain("jobs/1")


def test_a_pipeline_job_that_ended_before_it_was_cancelled_is_no_failure_and_any_other_refusal_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "POLL_S", 0)

    def cancel(error: Exception) -> str:
        states = iter(("RUNNING", "SUCCEEDED"))

        def get(**_: Any) -> Any:
            return SimpleNamespace(state=SimpleNamespace(name=f"PIPELINE_STATE_{next(states)}"))

        def refuse(**_: Any) -> Any:
            raise error

        service = SimpleNamespace(get_pipeline_job=get, cancel_pipeline_job=refuse)
        monkeypatch.setattr(VertexJobs, "_pipelines", service)
        return VertexJobs("news", "us-central1").cancel_pipeline("training-1")

    assert cancel(ENDED) == "SUCCEEDED"
    with pytest.raises(EvergreenError, match=r"ending .*training-1: try that again"):
        cancel(EVICTED)
