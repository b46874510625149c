"""The jobs of Dataflow: created by Beam's client, looked at and cancelled, each a container that runs `worker.py`.

A job is kept as `<home>/gateway/dataflow/<id>.json`. One that was under way when the gateway ended has failed. Machine
types, workers and disks are noted and stand for nothing: a job runs on this machine.
"""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.cloud import dataflow_v1beta3 as v1

from cloudbox.box import Box
from cloudbox.dataflow import worker
from cloudbox.errors import failed_precondition, invalid, not_found
from cloudbox.rpc import Method
from cloudbox.vertex.containers import Container, Containers, ContainerSpec

log = logging.getLogger(__name__)

JOBS, MESSAGES = "/google.dataflow.v1beta3.JobsV1Beta3", "/google.dataflow.v1beta3.MessagesV1Beta3"
State = v1.JobState
ENDED = (State.JOB_STATE_DONE, State.JOB_STATE_FAILED, State.JOB_STATE_CANCELLED)
LOG_LINES = 40


class Jobs:
    """The jobs of a box's project and region."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._folder = box.home.state("gateway") / "dataflow"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._containers = Containers(box.home, service="gateway")
        self._running: dict[str, Container] = {}
        self._lock = threading.RLock()
        for file in self._folder.glob("*.json"):
            lost = self._read(file)
            if lost.current_state not in ENDED:
                self._end(lost.id, State.JOB_STATE_FAILED, "the service restarted meanwhile")

    def methods(self) -> dict[str, Method]:
        """The methods by path."""
        return {
            f"{JOBS}/CreateJob": Method(self.create, v1.CreateJobRequest),
            f"{JOBS}/GetJob": Method(self.get, v1.GetJobRequest),
            f"{JOBS}/ListJobs": Method(self.page, v1.ListJobsRequest),
            f"{JOBS}/UpdateJob": Method(self.update, v1.UpdateJobRequest),
            f"{MESSAGES}/ListJobMessages": Method(self.messages, v1.ListJobMessagesRequest),
        }

    def create(self, request: v1.CreateJobRequest) -> v1.Job:
        """CreateJob: the job of this name that is under way, as its `client_request_id` shows, or a new job."""
        self._check_place(request.project_id, request.location)
        asked = request.job
        address = _staged(asked)
        with self._lock:
            if active := next((job for job in self._all() if job.name == asked.name and _is_active(job)), None):
                return active
            made = v1.Job(asked)
            now = datetime.now(UTC)
            made.id, made.project_id = f"{now:%Y-%m-%d_%H_%M_%S}-{uuid.uuid4().int % 10**19}", self._box.project
            made.location, made.create_time, made.start_time = request.location, now, now
            made.current_state, made.current_state_time = v1.JobState(State.JOB_STATE_RUNNING), now
            container = self._containers.start(_spec(made, address), f"dataflow-{made.id}")
            self._running[made.id] = container
            self._write(made)
        threading.Thread(target=self._watch, args=(made.id, container), name=f"job {made.id}", daemon=True).start()
        return made

    def get(self, request: v1.GetJobRequest) -> v1.Job:
        """GetJob."""
        self._check_place(request.project_id, request.location)
        return self._find(request.job_id)

    def page(self, request: v1.ListJobsRequest) -> v1.ListJobsResponse:
        """ListJobs: all in one page, the newest first."""
        self._check_place(request.project_id, request.location)
        wanted = {
            v1.ListJobsRequest.Filter.ACTIVE: _is_active,
            v1.ListJobsRequest.Filter.TERMINATED: lambda job: not _is_active(job),
        }.get(request.filter, lambda _: True)
        return v1.ListJobsResponse(jobs=sorted(filter(wanted, self._all()), key=lambda job: job.id, reverse=True))

    def update(self, request: v1.UpdateJobRequest) -> v1.Job:
        """UpdateJob: a cancellation; nothing else of a batch job can be changed."""
        self._check_place(request.project_id, request.location)
        if request.job.requested_state != State.JOB_STATE_CANCELLED:
            raise invalid(f"The box cancels jobs, and sets no other state ({request.job.requested_state}).")
        with self._lock:
            job = self._find(request.job_id)
            if not _is_active(job):
                raise failed_precondition(f"Job {job.id} has ended already: {State(job.current_state).name}.")
            job.requested_state = State.JOB_STATE_CANCELLED
            self._write(job)
            container = self._running.get(job.id)
        if container is not None:
            threading.Thread(target=container.stop, name=f"cancel {job.id}", daemon=True).start()
        return job

    def messages(self, request: v1.ListJobMessagesRequest) -> v1.ListJobMessagesResponse:
        """ListJobMessages: why a job failed, since `start_time`."""
        self._check_place(request.project_id, request.location)
        job = self._find(request.job_id)
        file = self._folder / f"{job.id}.error"
        if not file.is_file() or (request.start_time and job.current_state_time < request.start_time):
            return v1.ListJobMessagesResponse()
        message = v1.JobMessage(
            id="1",
            time=job.current_state_time,
            message_text=file.read_text(encoding="utf-8"),
            message_importance=v1.JobMessageImportance.JOB_MESSAGE_ERROR,
        )
        return v1.ListJobMessagesResponse(job_messages=[message])

    def close(self) -> None:
        """Stops every job."""
        self._containers.close()

    def _watch(self, job_id: str, container: Container) -> None:
        code = container.wait()
        with self._lock:
            self._running.pop(job_id, None)
            if code == 0:
                self._end(job_id, State.JOB_STATE_DONE)
            elif self._find(job_id).requested_state == State.JOB_STATE_CANCELLED:
                self._end(job_id, State.JOB_STATE_CANCELLED)
            else:
                self._end(job_id, State.JOB_STATE_FAILED, f"exit code {code}\n{container.tail(LOG_LINES)}")

    def _end(self, job_id: str, state: int, error: str = "") -> None:
        with self._lock:
            job = self._find(job_id)
            if error:
                (self._folder / f"{job_id}.error").write_text(error, encoding="utf-8")
            job.current_state, job.current_state_time = v1.JobState(state), datetime.now(UTC)
            self._write(job)

    def _check_place(self, project: str, location: str) -> None:
        if project not in {self._box.project, str(self._box.project_number)} or location != self._box.region:
            raise not_found("Project and region", f"{project}, {location}")

    def _all(self) -> list[v1.Job]:
        return [self._read(file) for file in sorted(self._folder.glob("*.json"))]

    def _find(self, job_id: str) -> v1.Job:
        file = self._folder / f"{Path(job_id).name}.json"
        if not file.is_file():
            raise not_found("Job", job_id)
        return self._read(file)

    def _read(self, file: Path) -> v1.Job:
        with self._lock:
            kept: v1.Job = v1.Job.from_json(file.read_text(encoding="utf-8"))
        return kept

    def _write(self, job: v1.Job) -> None:
        with self._lock:
            self._box.home.write(self._folder / f"{job.id}.json", v1.Job.to_json(job))


def _is_active(job: v1.Job) -> bool:
    return job.current_state not in ENDED


def _staged(job: v1.Job) -> str:
    """Where the job's pipeline lies."""
    options: Any = v1.Environment.to_dict(job.environment).get("sdk_pipeline_options") or {}
    address = (options.get("options") or {}).get("pipelineUrl", "")
    if not str(address).startswith("gs://"):
        raise invalid("The job has no staged pipeline (options.pipelineUrl); the box runs jobs of Beam's Python alone.")
    return str(address)


def _spec(job: v1.Job, address: str) -> ContainerSpec:
    images = [
        image.container_image for pool in job.environment.worker_pools for image in pool.sdk_harness_container_images
    ]
    if not images:
        raise invalid("The job names no container image for its workers.")
    return ContainerSpec(
        image=images[0],
        command=["python", str(Path(worker.__file__).resolve()), address],
        account=job.environment.service_account_email,
    )
