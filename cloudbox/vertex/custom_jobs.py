"""Custom jobs of JobService: one container each, with states, times, exit codes and errors."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

import grpc
from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2

from cloudbox import faults
from cloudbox.errors import ApiError, failed_precondition, invalid
from cloudbox.home import Home
from cloudbox.rpc import Method
from cloudbox.vertex.containers import OUT_OF_MEMORY, Container, Containers, ContainerSpec
from cloudbox.vertex.labels import check_labels
from cloudbox.vertex.listing import page
from cloudbox.vertex.machines import memory_bytes
from cloudbox.vertex.operations import Operations
from cloudbox.vertex.provisioning import check_quota, check_start, is_spot, queued_s
from cloudbox.vertex.serving import expanded
from cloudbox.vertex.store import Store, location_of, new_id, now

log = logging.getLogger(__name__)

State = v1.JobState
ENDED = (State.JOB_STATE_SUCCEEDED, State.JOB_STATE_FAILED, State.JOB_STATE_CANCELLED, State.JOB_STATE_EXPIRED)

PREEMPTED = "The replica workerpool0-0 failed with a STOCKOUT error."
"""Google documents the word alone (Vertex AI, "Use Spot VMs"): nothing tells it from a machine that is not there."""


class CustomJobs:
    """The custom jobs of the service; the tasks of pipelines run as such jobs too."""

    def __init__(self, home: Home, store: Store, operations: Operations, containers: Containers) -> None:
        self._home = home
        self._store = store
        self._operations = operations
        self._containers = containers
        self._running: dict[str, Container] = {}
        self._changed = threading.Condition(store.lock)

    def methods(self) -> dict[str, Method]:
        """The methods of JobService by name."""
        return {
            "CreateCustomJob": Method(
                lambda request: self.create(request.parent, request.custom_job), v1.CreateCustomJobRequest
            ),
            "GetCustomJob": Method(lambda request: self.get(request.name), v1.GetCustomJobRequest),
            "ListCustomJobs": Method(self.list_jobs, v1.ListCustomJobsRequest),
            "CancelCustomJob": Method(lambda request: self.cancel(request.name), v1.CancelCustomJobRequest),
            "DeleteCustomJob": Method(self.delete, v1.DeleteCustomJobRequest),
        }

    def recover(self) -> None:
        """Fail what was under way when the service last stopped."""
        for job in self._store.listed(v1.CustomJob):
            if job.state not in ENDED:
                self._end(job.name, State.JOB_STATE_FAILED, "The service restarted while the job ran.")

    def get(self, name: str) -> Any:
        """The job of this name. Raises ApiError(NOT_FOUND)."""
        return self._store.get(v1.CustomJob, name)

    def create(self, parent: str, job: Any, memory: int | None = None) -> Any:
        """A job that starts at once; `memory` (bytes) limits it, else the memory of its machine type does.

        Raises:
            ApiError: INVALID_ARGUMENT, UNIMPLEMENTED for several replicas, RESOURCE_EXHAUSTED by a fault on demand.
        """
        _check(job)
        machine = job.job_spec.worker_pool_specs[0].machine_spec.machine_type
        check_quota(self._home, job)
        job.name = f"{location_of(parent)}/customJobs/{new_id()}"
        job.state = State.JOB_STATE_PENDING
        job.create_time = job.update_time = now()
        self._store.put(job)
        limit = memory or memory_bytes(machine)
        threading.Thread(target=self._run, args=(job.name, limit), name=job.name, daemon=True).start()
        return job

    def wait(self, name: str, timeout_s: float | None = None) -> Any:
        """The job, ended, or as it is after the timeout."""
        with self._changed:
            self._changed.wait_for(lambda: self.get(name).state in ENDED, timeout_s)
            return self.get(name)

    def cancel(self, name: str) -> Any:
        """CancelCustomJob: SIGTERM, later SIGKILL; one that has ended stays as it is."""
        with self._changed:
            job = self.get(name)
            if job.state in ENDED:
                return empty_pb2.Empty()
            job.state = State.JOB_STATE_CANCELLING
            self._store.put(job)
            self._changed.notify_all()
            container = self._running.get(name)
        if container:
            threading.Thread(target=container.stop, daemon=True).start()
        return empty_pb2.Empty()

    def list_jobs(self, request: Any) -> Any:
        """ListCustomJobs."""
        below = self._store.listed(v1.CustomJob, f"{location_of(request.parent)}/customJobs")
        jobs, token = page(below, request)
        return v1.ListCustomJobsResponse(custom_jobs=jobs, next_page_token=token)

    def delete(self, request: Any) -> Any:
        """DeleteCustomJob: refused while it runs."""
        with self._store.lock:
            job = self.get(request.name)
            if job.state not in ENDED:
                raise failed_precondition(f"CustomJob `{job.name}` is {job.state.name}; cancel it first.")
            self._store.delete(job.name)
        return self._operations.finished(job.name, v1.DeleteOperationMetadata(), empty_pb2.Empty())

    def _run(self, name: str, memory: int | None) -> None:
        try:
            self._queue(name)
            self._supervise(name, memory)
        except ApiError as error:
            self._end(name, State.JOB_STATE_FAILED, error.message, error.number)
        except Exception as error:
            log.exception("job %s failed", name)
            self._end(
                name, State.JOB_STATE_FAILED, f"{type(error).__name__}: {error}", grpc.StatusCode.INTERNAL.value[0]
            )

    def _queue(self, name: str) -> None:
        """Returns when the job may start, or was cancelled."""
        with self._changed:
            job = self.get(name)
            seconds = queued_s(self._home, job)
            if seconds is None or job.state != State.JOB_STATE_PENDING:
                return
            job.state = State.JOB_STATE_QUEUED
            self._store.put(job)
            self._changed.wait_for(lambda: self.get(name).state != State.JOB_STATE_QUEUED, seconds)
            job = self.get(name)
            if job.state == State.JOB_STATE_QUEUED:
                job.state = State.JOB_STATE_PENDING
                self._store.put(job)

    def _supervise(self, name: str, memory: int | None) -> None:
        job = self.get(name)
        with self._changed:
            if self.get(name).state == State.JOB_STATE_CANCELLING:
                self._end(name, State.JOB_STATE_CANCELLED)
                return
            check_start(self._home, job)
            container = self._containers.start(_container(job, memory), f"job-{name.rpartition('/')[2]}")
            self._running[name] = container
            job.state = State.JOB_STATE_RUNNING
            job.start_time = job.update_time = now()
            self._store.put(job)
        preempted = faults.take(self._home, "preempt", job.display_name) if is_spot(job) else None
        if fault := preempted or faults.take(self._home, "kill", job.display_name):
            killer = threading.Timer(fault.seconds, container.kill)
            killer.daemon = True
            killer.start()
        timeout = job.job_spec.scheduling.timeout
        code = container.wait(timeout.total_seconds() if timeout else None)
        if code is None:
            container.stop()
            self._end(name, State.JOB_STATE_FAILED, f"The job did not end within {timeout}.", 4)
        elif self.get(name).state == State.JOB_STATE_CANCELLING:
            self._end(name, State.JOB_STATE_CANCELLED)
        elif code == 0:
            self._end(name, State.JOB_STATE_SUCCEEDED)
        elif preempted:
            self._end(name, State.JOB_STATE_FAILED, PREEMPTED, grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
        else:
            self._end(name, State.JOB_STATE_FAILED, _reason(container, code))

    def _end(self, name: str, state: Any, message: str = "", code: int = 3) -> None:
        with self._changed:
            self._running.pop(name, None)
            job = self._store.find(v1.CustomJob, name)
            if job is not None:
                job.state = state
                job.end_time = job.update_time = now()
                if message:
                    job.error = {"code": code, "message": message}
                self._store.put(job)
                log.info("job %s (%s): %s %s", name.rpartition("/")[2], job.display_name, state.name, message[:200])
            self._changed.notify_all()


def _reason(container: Container, code: int) -> str:
    why = "OOMKilled" if code == OUT_OF_MEMORY and container.out_of_memory else "Error"
    return (
        f"The replica workerpool0-0 exited with a non-zero status of {code}. Termination reason: {why}. "
        f"Last lines of its log {container.log}:\n{container.tail()}"
    )


def _container(job: Any, memory: int | None) -> ContainerSpec:
    spec = job.job_spec.worker_pool_specs[0].container_spec
    identifier = job.name.rpartition("/")[2]
    task = {"type": "workerpool0", "index": 0, "trial": ""}
    cluster = {"cluster": {"workerpool0": ["127.0.0.1:2222"]}, "environment": "cloud", "task": task}
    env = {"CLOUD_ML_JOB_ID": identifier, "CLUSTER_SPEC": json.dumps(cluster)}
    if output := job.job_spec.base_output_directory.output_uri_prefix.rstrip("/"):
        env |= {
            "AIP_MODEL_DIR": f"{output}/model/",
            "AIP_CHECKPOINT_DIR": f"{output}/checkpoints/",
            "AIP_TENSORBOARD_LOG_DIR": f"{output}/logs/",
        }
    env |= {variable.name: variable.value for variable in spec.env}
    command = [expanded(part, env) for part in spec.command]
    args = [expanded(part, env) for part in spec.args]
    return ContainerSpec(spec.image_uri, command, args, env, memory, job.job_spec.service_account)


def _check(job: Any) -> None:
    check_labels(job.labels)
    if not job.display_name:
        raise invalid("CustomJob.display_name is required.")
    pools = job.job_spec.worker_pool_specs
    if not pools or not pools[0].container_spec.image_uri:
        raise invalid("CustomJob.job_spec.worker_pool_specs[0].container_spec.image_uri is required.")
    if sum(max(pool.replica_count, 1) for pool in pools) != 1:
        raise ApiError(
            grpc.StatusCode.UNIMPLEMENTED, "The box runs one replica of one worker pool; ask for replica_count 1."
        )
