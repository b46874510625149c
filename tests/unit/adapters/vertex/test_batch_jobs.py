"""Batch prediction jobs: which one is gone on with, what ends badly, and what an interrupted wait leaves."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from google.cloud import aiplatform_v1 as v1

from evergreen.adapters.vertex.batch_jobs import answers_of_job
from evergreen.adapters.vertex.clients import Clients
from evergreen.core.errors import EvergreenError


class Google:
    """A job service that has these jobs; what is looked at ends as the next of `ends`."""

    location = "projects/p/locations/europe-west4"

    def __init__(self, *states: str, ends: tuple[str, ...] = ()) -> None:
        self.held = [self.job(str(number), state) for number, state in enumerate(states)]
        self.ends = list(ends)
        self.did: list[str] = []
        self.jobs = SimpleNamespace(
            list_batch_prediction_jobs=lambda _: self.held,
            create_batch_prediction_job=self.create,
            get_batch_prediction_job=self.get,
            cancel_batch_prediction_job=lambda name: self.did.append(f"cancel {name}"),
        )

    @property
    def clients(self) -> Clients:
        return cast("Clients", self)

    def job(self, name: str, state: str) -> v1.BatchPredictionJob:
        output = {"gcs_output_directory": f"gs://news/answers-{name}"}
        error = {"code": 8, "message": "no machine"} if state == "FAILED" else None
        known = getattr(v1.JobState, f"JOB_STATE_{state}")
        return v1.BatchPredictionJob(name=name, display_name="asked", state=known, output_info=output, error=error)

    def create(self, request: dict[str, Any]) -> v1.BatchPredictionJob:
        self.did.append("create")
        self.held.append(self.job("new", "PENDING"))
        return self.held[-1]

    def get(self, request: dict[str, Any]) -> v1.BatchPredictionJob:
        self.did.append(f"look at {request['name']}")
        held = next(job for job in self.held if job.name == request["name"])
        if self.ends:
            held = self.job(held.name, self.ends.pop(0))
        return held

    def call(self, what: str, method: Callable[..., Any], request: object) -> Any:
        return method(request)

    def call_once(self, what: str, method: Callable[..., Any], request: object, made: Callable[[], bool]) -> Any:
        assert not made()
        return method(request)

    call_list = call


def answers(google: Google, *there: str) -> str:
    asked = v1.BatchPredictionJob(display_name="asked")
    return answers_of_job(google.clients, asked, lambda address: address in there)


def test_a_job_that_goes_on_is_waited_for_and_none_made() -> None:
    google = Google("RUNNING", ends=("RUNNING", "SUCCEEDED"))
    assert answers(google) == "gs://news/answers-0"
    assert google.did == ["look at 0", "look at 0"]


def test_answers_that_are_there_are_not_asked_for_again() -> None:
    google = Google("FAILED", "SUCCEEDED")
    assert answers(google, "gs://news/answers-1") == "gs://news/answers-1"
    assert google.did == ["look at 1"]


def test_one_that_failed_or_whose_answers_are_gone_is_made_anew() -> None:
    google = Google("FAILED", "SUCCEEDED", ends=("SUCCEEDED",))
    assert answers(google) == "gs://news/answers-new"
    assert google.did == ["create", "look at new"]


def test_why_a_job_failed_is_told() -> None:
    google = Google(ends=("FAILED",))
    with pytest.raises(EvergreenError, match="job new is FAILED: no machine was to be had: no machine"):
        answers(google)
    assert "cancel new" not in google.did


def test_a_wait_that_is_interrupted_ends_the_job() -> None:
    google = Google()
    google.jobs.get_batch_prediction_job = lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        answers(google)
    assert google.did == ["create", "cancel new"]
