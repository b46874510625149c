"""The box's jobs of Dataflow, looked at and cancelled while they end."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from google.cloud import dataflow_v1beta3 as v1

from cloudbox.box import Box, open_or_make_box
from cloudbox.dataflow.jobs import Jobs
from cloudbox.home import Home
from cloudbox.vertex.containers import ContainerSpec

State = v1.JobState


class Ends:
    """A container that ends well when it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()

    def wait(self) -> int:
        self.let.wait(10)
        return 0

    def stop(self) -> None:
        """Too late."""


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return open_or_make_box(Home(tmp_path / "home"))


def asked(box: Box) -> v1.CreateJobRequest:
    image = v1.SdkHarnessContainerImage(container_image="dataflow:1")
    environment = v1.Environment(
        sdk_pipeline_options={"options": {"pipelineUrl": "gs://evergreen/pipeline.pb"}},
        worker_pools=[v1.WorkerPool(sdk_harness_container_images=[image])],
    )
    job = v1.Job(name="prepare", environment=environment)
    return v1.CreateJobRequest(project_id=box.project, location=box.region, job=job)


def test_a_job_that_ends_while_it_is_cancelled_stays_ended(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, container = Jobs(box), Ends()

    def start(spec: ContainerSpec, name: str) -> Ends:
        return container

    monkeypatch.setattr(jobs._containers, "start", start)
    made = jobs.create(asked(box))
    (watcher,) = (thread for thread in threading.enumerate() if thread.name == f"job {made.id}")
    write = jobs._write

    def late(job: v1.Job) -> None:
        if threading.current_thread() is not watcher:
            container.let.set()
            watcher.join(0.2)  # the job ends between what the cancellation has read and what it writes
        write(job)

    monkeypatch.setattr(jobs, "_write", late)
    wanted = v1.Job(requested_state=State.JOB_STATE_CANCELLED)
    request = v1.UpdateJobRequest(project_id=box.project, location=box.region, job_id=made.id, job=wanted)
    jobs.update(request)
    watcher.join(10)
    found = jobs.get(v1.GetJobRequest(project_id=box.project, location=box.region, job_id=made.id))
    assert found.current_state == State.JOB_STATE_DONE
