"""Batch prediction jobs of Vertex AI, known by their display names: one that a killed run left behind is gone on with.

gs://news/tmp/batch-0c91…/asked/00003-9f2c41d07be8a615.jsonl      {"row": "3-17", "text": "Shares fell …"}
gs://news/tmp/batch-0c91…/answered/prediction-news-2026-…/…jsonl  {"key": "3-17", "prediction": {"label": …}}

Google's documentation of BatchPredictionJob says how instances are asked and answers written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from evergreen.adapters.google.calls import Kind, passing_over
from evergreen.adapters.vertex.clients import Clients, in_time
from evergreen.adapters.vertex.jobs import ENDED, describe
from evergreen.core.errors import EvergreenError

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import BatchPredictionJob

ROW = "row"
"""The field of what is asked that tells the row: models do not see it, answers call it `key`."""
SUCCEEDED = "SUCCEEDED"


def answers_of_job(clients: Clients, job: BatchPredictionJob, is_there: Callable[[str], bool]) -> str:
    """The folder of the answers: of a job of this name that goes on, or whose answers are there, else of a new one.

    It is cancelled when waiting for it is interrupted.

    Raises:
        EvergreenError: it failed, or Vertex AI refuses it or does not answer.
    """
    name = _known(clients, job.display_name, is_there) or _created(clients, job)
    ended = _ended(clients, name)
    if _state(ended) != SUCCEEDED:
        words = describe(ended.error.code, ended.error.message) or "Vertex AI does not say why"
        raise EvergreenError(f"batch prediction job {_id(name)} is {_state(ended)}: {words}")
    return ended.output_info.gcs_output_directory


def _known(clients: Clients, display_name: str, is_there: Callable[[str], bool]) -> str | None:
    for job in _named(clients, display_name):
        if _state(job) not in ENDED:
            return job.name
        if _state(job) == SUCCEEDED and is_there(job.output_info.gcs_output_directory):
            return job.name
    return None


def _named(clients: Clients, display_name: str) -> Sequence[BatchPredictionJob]:
    request = {"parent": clients.location, "filter": f'display_name="{display_name}"'}
    return clients.call_list("looking for a batch prediction", clients.jobs.list_batch_prediction_jobs, request)


def _created(clients: Clients, job: BatchPredictionJob) -> str:
    before = {known.name for known in _named(clients, job.display_name)}

    def new() -> list[str]:
        return [known.name for known in _named(clients, job.display_name) if known.name not in before]

    request = {"parent": clients.location, "batch_prediction_job": job}
    create = clients.jobs.create_batch_prediction_job
    made = clients.call_once("asking for a batch prediction", create, request, lambda: bool(new()))
    return new()[0] if made is None else made.name


def _ended(clients: Clients, name: str) -> BatchPredictionJob:
    """The job, once it has ended."""
    seen: list[BatchPredictionJob] = []

    def ended() -> bool:
        what = f"looking at batch prediction job {_id(name)}"
        seen[:] = [clients.call(what, clients.jobs.get_batch_prediction_job, {"name": name})]
        return _state(seen[0]) in ENDED

    try:
        in_time(ended, math.inf)
    except BaseException:  # also Ctrl-C, or a task that is ended
        with passing_over(*Kind):  # it may have ended meanwhile
            clients.jobs.cancel_batch_prediction_job(name=name)
        raise
    return seen[0]


def _state(job: BatchPredictionJob) -> str:
    return str(job.state.name).removeprefix("JOB_STATE_")


def _id(name: str) -> str:
    return name.rpartition("/")[2]
