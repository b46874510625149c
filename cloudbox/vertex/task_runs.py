"""One task of a pipeline run: a custom job with the task's container, its inputs filled in, its outputs read back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format

from cloudbox.vertex.machines import machine_for
from cloudbox.vertex.pipeline_spec import Task, input_values, resolver, typed
from cloudbox.vertex.store import location_of

LAUNCHER = "google_cloud_pipeline_components.container.v1.custom_job.launcher"


class TaskRun:
    """A task within one pipeline job. `job` is what JobService runs; `outputs` reads what it wrote."""

    def __init__(
        self,
        pipeline_job: Any,
        task: Task,
        folder: Path,
        root: Mapping[str, Any],
        produced: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.task = task
        self._folder = folder / task.name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._values = input_values(task, root, produced)
        self._files = {name: str(self._folder / name) for name in task.outputs}
        fixed = _placeholders(pipeline_job, task)
        plain_values = resolver(fixed, self._values, self._files)
        executor_input = json.dumps(self._executor_input(plain_values))
        self._resolve = resolver({**fixed, "": executor_input}, self._values, self._files)
        self._pipeline_job = pipeline_job

    @property
    def is_custom_job(self) -> bool:
        """Whether the task describes a custom job, which Vertex AI then runs in its place."""
        return LAUNCHER in self.task.container.get("command", [])

    def detail(self, job: str, failed: list[str]) -> dict[str, Any]:
        """What `executor_detail` says of the job that runs the task, and of those that did before."""
        if self.is_custom_job:
            return {"custom_job_detail": {"job": job, "failed_jobs": failed}}
        return {"container_detail": {"main_job": job, "failed_main_jobs": failed}}

    def job(self) -> Any:
        """The custom job of this task."""
        return self._described_job() if self.is_custom_job else self._container_job()

    def _described_job(self) -> Any:
        """The job that Google's component for custom jobs would launch with its `--payload`."""
        arguments = [self._resolve(part) for part in self.task.container.get("args", [])]
        payload = _without_empty(json.loads(arguments[arguments.index("--payload") + 1], strict=False))
        scheduling = payload["job_spec"].get("scheduling", {})
        if scheduling.get("strategy") != "FLEX_START":
            scheduling.pop("max_wait_duration", None)
        return v1.CustomJob(json_format.ParseDict(payload, v1.CustomJob.pb(v1.CustomJob())))

    def _container_job(self) -> Any:
        container = self.task.container
        spec = v1.ContainerSpec(
            image_uri=self._resolve(container["image"]),
            command=[self._resolve(part) for part in container.get("command", [])],
            args=[self._resolve(part) for part in container.get("args", [])],
            env=[
                {"name": variable["name"], "value": self._resolve(variable.get("value", ""))}
                for variable in container.get("env", [])
            ],
        )
        pool = v1.WorkerPoolSpec(container_spec=spec, replica_count=1, machine_spec=self._machine())
        return v1.CustomJob(
            display_name=self.task.name,
            job_spec=v1.CustomJobSpec(worker_pool_specs=[pool], service_account=self._pipeline_job.service_account),
            labels=dict(self._pipeline_job.labels),
        )

    def outputs(self) -> dict[str, Any]:
        """Values of the output parameters that the task wrote, each to its file or all to executor_output.json."""
        values: dict[str, Any] = {}
        for name, definition in self.task.outputs.items():
            path = Path(self._files[name])
            if path.exists():
                values[name] = typed(path.read_text(encoding="utf-8"), definition["parameterType"])
        whole = self._folder / "executor_output.json"
        if whole.exists():
            values |= json.loads(whole.read_text(encoding="utf-8")).get("parameterValues", {})
        return values

    def _machine(self) -> Any:
        resources = self.task.container.get("resources", {})
        accelerator = resources.get("accelerator", {})
        machine = v1.MachineSpec(
            machine_type=machine_for(
                float(resources.get("cpuLimit", 0)),
                float(resources.get("memoryLimit", 0)),
                accelerated=bool(accelerator),
            )
        )
        if accelerator:
            kind = str(accelerator["type"]).upper().replace("-", "_")
            machine.accelerator_type = getattr(v1.AcceleratorType, kind)
            machine.accelerator_count = int(accelerator.get("count", 1))
        return machine

    def _executor_input(self, resolve: Any) -> dict[str, Any]:
        """What KFP's own executor reads: the `{{$}}` placeholder."""
        values = {name: resolve(value) if isinstance(value, str) else value for name, value in self._values.items()}
        outputs: dict[str, Any] = {"outputFile": str(self._folder / "executor_output.json")}
        outputs["parameters"] = {name: {"outputFile": path} for name, path in self._files.items()}
        return {"inputs": {"parameterValues": values}, "outputs": outputs}


def _without_empty(value: Any) -> Any:
    """The value without what is empty below it, as the component sends it."""
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ("", None, {}, [])}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


def _placeholders(job: Any, task: Task) -> dict[str, str]:
    _, project, _, location = location_of(job.name).split("/")
    created = job.create_time.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        ".pipeline_job_name": job.name.rpartition("/")[2],
        ".pipeline_job_resource_name": job.name,
        ".pipeline_job_uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, job.name)),
        ".pipeline_task_name": task.name,
        ".pipeline_task_uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{job.name}/{task.name}")),
        ".pipeline_job_create_time_utc": created,
        ".pipeline_job_schedule_time_utc": created,
        ".pipeline_root": job.runtime_config.gcs_output_directory,
        ".pipeline_google_cloud_project_id": project,
        ".pipeline_google_cloud_location": location,
        ".pipeline_persistent_resource_id": "",
        ".pipeline_service_account": job.service_account,
    }
