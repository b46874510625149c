"""Google's filter language on messages as the box keeps them."""

from __future__ import annotations

import datetime

import grpc
import pytest
from google.cloud import aiplatform_v1 as v1

from cloudbox.errors import ApiError
from cloudbox.rpc import raw
from cloudbox.vertex.filters import matcher
from cloudbox.vertex.listing import page

JOB = v1.CustomJob(
    display_name="news daily",
    state=v1.JobState.JOB_STATE_RUNNING,
    labels={"model": "news", "run-id": "a_1"},
    create_time=datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC),
)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", True),
        ('labels.model="news"', True),
        ("labels.model=news", True),
        ("labels.model=weather", False),
        ("labels.missing=news", False),
        ("labels.missing!=news", True),
        ("labels:model", True),
        ("labels:other", False),
        ("labels.run-id:*", True),
        ('display_name="news daily" AND state="JOB_STATE_RUNNING"', True),
        ('display_name="news*"', True),
        ('display_name="[n]ews*"', False),
        ('display_name:"NEWS*"', True),
        ('display_name:"daily*"', False),
        ("display_name:daily", True),
        ("state=JOB_STATE_FAILED OR state=JOB_STATE_RUNNING", True),
        ("state=JOB_STATE_RUNNING AND labels.model=a OR labels.model=b", False),
        ("NOT state=JOB_STATE_RUNNING", False),
        ("NOT (state=JOB_STATE_FAILED AND labels.model=news)", True),
        ('create_time>"2026-02-01T00:00:00Z"', True),
        ('create_time>="2026-03-01T00:00:01Z"', False),
        ("end_time:*", False),
    ],
)
def test_a_filter_lets_through_what_it_says(text: str, passes: bool) -> None:
    assert matcher(text)(raw(JOB)) is passes


@pytest.mark.parametrize(
    "text",
    ["labels.model", "labels.model=", "=news", "labels.model~news", "(state=X", "state=X)", "state=X state=Y",
     "colour=red", "labels=news", 'create_time>"soon"', "AND", 'display_name="open', "state==X"],
)  # fmt: skip
def test_what_is_not_understood_is_an_error_and_never_everything(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        matcher(text)(raw(JOB))
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_pages_follow_each_other_until_the_last() -> None:
    jobs = [v1.CustomJob(display_name=f"job {number}") for number in range(7)]
    seen, token, pages = [], "", 0
    while pages == 0 or token:
        request = v1.ListCustomJobsRequest(filter='display_name="job*"', page_size=3, page_token=token)
        chosen, token = page(jobs, request)
        seen += [job.display_name for job in chosen]
        pages += 1
    assert (pages, seen) == (3, [job.display_name for job in jobs])


def test_a_page_token_of_another_filter_is_refused() -> None:
    jobs = [v1.CustomJob(display_name=f"job {number}") for number in range(3)]
    _, token = page(jobs, v1.ListCustomJobsRequest(page_size=1))
    with pytest.raises(ApiError):
        page(jobs, v1.ListCustomJobsRequest(page_size=1, page_token=token, filter="display_name:job"))


def test_models_are_ordered_as_asked() -> None:
    models = [v1.Model(display_name=name) for name in ("b", "c", "a")]
    ordered, _ = page(models, v1.ListModelsRequest(order_by="display_name desc"))
    assert [job.display_name for job in ordered] == ["c", "b", "a"]
