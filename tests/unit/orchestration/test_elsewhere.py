"""Jobs that a stopped run has had begun elsewhere: its own are cancelled, where the box has them, and no others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.cloud import aiplatform_v1, dataflow_v1beta3

from cloudbox.box import open_or_make_box
from cloudbox.dataflow.jobs import Jobs
from cloudbox.errors import ApiError
from cloudbox.home import Home
from cloudbox.vertex.batch_jobs import BatchJobs
from cloudbox.vertex.store import Store
from evergreen.adapters.vertex import jobs as vertex_jobs
from evergreen.adapters.vertex.jobs import VertexJobs
from evergreen.batch.settings import DataflowBatch, VertexBatch
from evergreen.batch.vertex import VertexRun
from evergreen.preparation.dataflow_jobs import DataflowJobs
from evergreen.preparation.settings import RUN_LABEL, LocalRunnerSettings
from orchestration.elsewhere import end_elsewhere

RUN, OTHER = "1f0c6c1e-7d1c-4f39-9a59-6d5b9f3c2a10", "a-run-that-goes-on"
ASKED, ANSWERED = "gs://news/tmp/asked/00003.jsonl", "gs://news/tmp/answered"


@pytest.fixture
def box(tmp_path: Path) -> Any:
    return open_or_make_box(Home(tmp_path / "home"))


class NeverReady:
    """Replicas that do not come up before their job is cancelled."""

    def deploy(self, _replica: object, is_cancelled: Callable[[], bool]) -> None:
        while not is_cancelled():
            threading.Event().wait(0.01)
        raise ApiError(grpc.StatusCode.CANCELLED, "The job was cancelled.")


class Batches:
    """JobService as the box has it, without a wire."""

    def __init__(self, box: Any, folder: Path) -> None:
        models = SimpleNamespace(version=lambda _: aiplatform_v1.Model(version_id="1"))
        store: Any = Store(folder / "vertex.db")
        self._jobs = BatchJobs(box, store, None, models, NeverReady())  # type: ignore[arg-type]

    def create(self, parent: str, job: Any) -> str:
        request = aiplatform_v1.CreateBatchPredictionJobRequest(parent=parent, batch_prediction_job=job)
        return str(self._jobs.create(request).name)

    def list_batch_prediction_jobs(self, request: dict[str, str], **_: Any) -> Any:
        asked = aiplatform_v1.ListBatchPredictionJobsRequest(request)
        return self._jobs.list_jobs(asked).batch_prediction_jobs

    def get_batch_prediction_job(self, request: dict[str, str], **_: Any) -> Any:
        return aiplatform_v1.BatchPredictionJob(
            self._jobs._job(aiplatform_v1.GetBatchPredictionJobRequest(request).name)
        )

    def cancel_batch_prediction_job(self, request: dict[str, str], **_: Any) -> None:
        self._jobs.cancel(aiplatform_v1.CancelBatchPredictionJobRequest(request))


class Containers:
    """Of Dataflow's jobs: each ends when it is stopped."""

    def __init__(self) -> None:
        self.started: list[Any] = []

    def start(self, *_: object) -> Any:
        ended = threading.Event()
        self.started.append(ended)
        return SimpleNamespace(wait=lambda: not ended.wait(10), stop=ended.set, tail=lambda _: "")


class Dataflow:
    """Its jobs as the box has them, without a wire."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def list_jobs(self, request: Any, **_: Any) -> Any:
        listed = self._jobs.page(dataflow_v1beta3.ListJobsRequest(request)).jobs
        return [dataflow_v1beta3.Job(id=job.id, name=job.name) for job in listed]  # a summary

    def get_job(self, request: Any, **_: Any) -> Any:
        return self._jobs.get(dataflow_v1beta3.GetJobRequest(request))

    def update_job(self, request: Any, **_: Any) -> Any:
        return self._jobs.update(dataflow_v1beta3.UpdateJobRequest(request))


@pytest.fixture
def waiting() -> Iterator[list[Any]]:
    started: list[Any] = []
    yield started
    for ended in started:
        ended.set()


def of_vertex(box: Any) -> VertexBatch:
    return VertexBatch(project=box.project, region=box.region, temp="gs://news/tmp", labels={"team": "news"})


def of_dataflow(box: Any) -> DataflowBatch:
    return DataflowBatch(project=box.project, region=box.region, temp="gs://news/tmp", image="i")


def test_batch_prediction_jobs_of_the_run_are_cancelled(
    box: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = Batches(box, tmp_path)
    monkeypatch.setattr(VertexJobs, "_custom", batches)
    monkeypatch.setattr(vertex_jobs, "POLL_S", 0.01)
    parent, names = f"projects/{box.project}/locations/{box.region}", dict[str, str]()
    for run in (RUN, OTHER):
        message = VertexRun(of_vertex(box).of_run(run))._message("news", "models/1", [ASKED], ANSWERED)
        assert message.labels[RUN_LABEL] == run
        assert message.labels["team"] == "news"
        names[run] = batches.create(parent, message)
    parameters: list[dict[str, Any]] = [{"seed": 1}, {"runner": of_vertex(box).model_dump(mode="json")}]
    assert end_elsewhere(RUN, parameters) == ["1 batch prediction job cancelled"]
    states = {run: batches.get_batch_prediction_job({"name": name}).state.name for run, name in names.items()}
    assert states == {RUN: "JOB_STATE_CANCELLED", OTHER: "JOB_STATE_PENDING"}
    assert end_elsewhere(RUN, parameters) == [], "nothing of it is left"
    batches.cancel_batch_prediction_job({"name": names[OTHER]})


def test_jobs_of_dataflow_of_the_run_are_cancelled(
    box: Any, monkeypatch: pytest.MonkeyPatch, waiting: list[Any]
) -> None:
    jobs, containers = Jobs(box), Containers()
    containers.started = waiting
    monkeypatch.setattr(jobs, "_containers", containers)
    monkeypatch.setattr(DataflowJobs, "_client", Dataflow(jobs))
    made = {}
    for run, name in ((RUN, "evergreen-batch-1"), (OTHER, "evergreen-batch-2")):
        environment = dataflow_v1beta3.Environment(
            sdk_pipeline_options={"options": {"pipelineUrl": "gs://news/pipeline.pb"}},
            worker_pools=[{"sdk_harness_container_images": [{"container_image": "i"}]}],
        )
        job = dataflow_v1beta3.Job(name=name, environment=environment, labels=of_dataflow(box).of_run(run).labels)
        request = dataflow_v1beta3.CreateJobRequest(project_id=box.project, location=box.region, job=job)
        made[run] = jobs.create(request).id
    preparation = {"preparation": {"runner": of_dataflow(box).model_dump(mode="json")}}
    assert end_elsewhere(RUN, [preparation]) == [f"Dataflow cancels {made[RUN]}"]
    asked = {run: jobs._find(job).requested_state.name for run, job in made.items()}
    assert asked == {RUN: "JOB_STATE_CANCELLED", OTHER: "JOB_STATE_UNKNOWN"}


def test_what_runs_on_this_machine_has_nothing_elsewhere() -> None:
    local = LocalRunnerSettings(workers=2)
    assert local.of_run(RUN) == local
    assert end_elsewhere(RUN, [{"runner": local.model_dump(mode="json")}, {"preparation": None}, {}]) == []
