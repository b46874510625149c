"""PipelineService: compiled pipelines, run in DAG order by `PipelineRun`."""

from __future__ import annotations

import re
import threading
from typing import Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2, json_format

from cloudbox.errors import already_exists, failed_precondition, invalid
from cloudbox.home import Home
from cloudbox.rpc import Method, raw
from cloudbox.vertex.custom_jobs import CustomJobs
from cloudbox.vertex.labels import check_labels
from cloudbox.vertex.listing import page
from cloudbox.vertex.operations import Operations
from cloudbox.vertex.pipeline_runs import ENDED, PipelineRun, TaskState
from cloudbox.vertex.pipeline_spec import root_parameters, tasks_of
from cloudbox.vertex.store import Store, copy_of, location_of, new_id, now

State = v1.PipelineState
_JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,127}")


class Pipelines:
    """The pipeline jobs of the service."""

    def __init__(self, home: Home, store: Store, operations: Operations, jobs: CustomJobs) -> None:
        self._home = home
        self._folder = home.state("vertex") / "pipelines"
        self._store = store
        self._operations = operations
        self._jobs = jobs
        self._runs: dict[str, PipelineRun] = {}

    def methods(self) -> dict[str, Method]:
        """The methods of PipelineService by name."""
        return {
            "CreatePipelineJob": Method(self.create, v1.CreatePipelineJobRequest),
            "GetPipelineJob": Method(lambda request: self.get(request.name), v1.GetPipelineJobRequest),
            "ListPipelineJobs": Method(self.list_jobs, v1.ListPipelineJobsRequest),
            "CancelPipelineJob": Method(self.cancel, v1.CancelPipelineJobRequest),
            "DeletePipelineJob": Method(self.delete, v1.DeletePipelineJobRequest),
        }

    def recover(self) -> None:
        """Fail the runs and tasks that were under way when the service last stopped."""
        for job in self._store.listed(v1.PipelineJob):
            if job.state in ENDED:
                continue
            error = {"code": 10, "message": "The service restarted while the pipeline ran."}
            details = list(job.job_detail.task_details)
            for detail in details:
                if detail.state == TaskState.RUNNING:
                    detail.state, detail.end_time, detail.error = TaskState.FAILED, now(), error
                elif detail.state == TaskState.PENDING:
                    detail.state = TaskState.NOT_TRIGGERED
            job.job_detail.task_details = details
            job.state, job.error = State.PIPELINE_STATE_FAILED, error
            job.end_time = job.update_time = now()
            self._store.put(job)

    def get(self, name: str) -> Any:
        """The job of this name. Raises ApiError(NOT_FOUND)."""
        return self._store.get(v1.PipelineJob, name)

    def create(self, request: Any, schedule: str = "") -> Any:
        """CreatePipelineJob: the specification is checked before anything runs."""
        job = copy_of(request.pipeline_job)
        if request.pipeline_job_id and not _JOB_ID.fullmatch(request.pipeline_job_id):
            raise invalid(f"Invalid pipeline_job_id `{request.pipeline_job_id}`: it matches {_JOB_ID.pattern}.")
        check_labels(job.labels)
        message = raw(job)
        spec = json_format.MessageToDict(message.pipeline_spec)
        if not spec:
            raise invalid("PipelineJob.pipeline_spec is empty; the box reads no template_uri.")
        given = {
            name: json_format.MessageToDict(value) for name, value in message.runtime_config.parameter_values.items()
        }
        tasks, parameters = tasks_of(spec), root_parameters(spec, given)
        job.name = f"{location_of(request.parent)}/pipelineJobs/{request.pipeline_job_id or 'pipeline-' + new_id()}"
        job.display_name = job.display_name or spec.get("pipelineInfo", {}).get("name", "")
        job.state, job.schedule_name = State.PIPELINE_STATE_PENDING, schedule
        job.create_time = job.update_time = now()
        with self._store.lock:
            if self._store.find(v1.PipelineJob, job.name):
                raise already_exists("PipelineJob", job.name)
            self._store.put(job)
            run = PipelineRun(self._home, self._store, self._jobs, job, self._folder / job.name.rpartition("/")[2])
            self._runs[job.name] = run
        threading.Thread(target=run.run, args=(tasks, parameters), name=job.name, daemon=True).start()
        return job

    def list_jobs(self, request: Any) -> Any:
        """ListPipelineJobs, newest first as Google lists them."""
        below = self._store.listed(v1.PipelineJob, f"{location_of(request.parent)}/pipelineJobs")
        jobs, token = page(below[::-1], request)
        return v1.ListPipelineJobsResponse(pipeline_jobs=jobs, next_page_token=token)

    def running_of(self, schedule: str) -> int:
        """How many runs of a schedule have not ended."""
        jobs = self._store.listed(v1.PipelineJob)
        return sum(job.schedule_name == schedule and job.state not in ENDED for job in jobs)

    def cancel(self, request: Any) -> Any:
        """CancelPipelineJob: running tasks are stopped, waiting ones cancelled."""
        with self._store.lock:
            job = self.get(request.name)
            if job.state in ENDED:
                raise failed_precondition(f"PipelineJob `{job.name}` has ended: {job.state.name}.")
            job.state = State.PIPELINE_STATE_CANCELLING
            self._store.put(job)
        self._runs[job.name].cancel()
        return empty_pb2.Empty()

    def delete(self, request: Any) -> Any:
        """DeletePipelineJob: refused while it runs."""
        with self._store.lock:
            job = self.get(request.name)
            if job.state not in ENDED:
                raise failed_precondition(f"PipelineJob `{job.name}` is {job.state.name}; cancel it first.")
            self._store.delete(job.name)
        return self._operations.finished(job.name, v1.DeleteOperationMetadata(), empty_pb2.Empty())
