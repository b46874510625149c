"""Machines that are not to be had, and containers that never start, on demand, in words as Google's.

Jobs are refused outright (quota), or accepted and failed before their container runs (stockout, image); a task of a
pipeline may fail before it has a job at all (driver).
"""

from __future__ import annotations

from typing import Any

import grpc
from google.cloud import aiplatform_v1 as v1

from cloudbox import faults
from cloudbox.errors import ApiError
from cloudbox.home import Home
from cloudbox.vertex.store import location_of

SPOT = "spot"


def check_quota(home: Home, job: Any) -> None:
    """Returns when no fault on demand keeps the project from the job's machine. Raises ApiError(RESOURCE_EXHAUSTED)."""
    for name in _resources(job):
        if faults.take(home, "quota", name):
            raise ApiError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "The following quota metrics exceed quota limits: "
                f"aiplatform.googleapis.com/custom_model_training_{name.lower().replace('-', '_')}",
            )


def check_start(home: Home, job: Any) -> None:
    """Returns when machine and image are to be had. Raises ApiError, in which the job ends."""
    if any(faults.take(home, "stockout", name) for name in _resources(job)):
        region = location_of(job.name).rpartition("/")[2]
        raise ApiError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"Resources are insufficient in region: {region}. Please try a different region or use a different "
            "accelerator.",
        )
    if faults.take(home, "image", job.display_name):
        image = job.job_spec.worker_pool_specs[0].container_spec.image_uri
        raise ApiError(
            grpc.StatusCode.NOT_FOUND,
            f"Failed to pull image {image} for replica workerpool0-0: the image does not exist, or the service agent "
            "may not read it.",
        )


def queued_s(home: Home, job: Any) -> float | None:
    """Seconds that the job stays queued for; None where nothing keeps it."""
    queued = (faults.take(home, "queue", name) for name in _resources(job))
    return next((fault.seconds for fault in queued if fault), None)


def is_spot(job: Any) -> bool:
    """Whether the job's machine is one that may be taken back."""
    return bool(job.job_spec.scheduling.strategy == v1.Scheduling.Strategy.SPOT)


def check_driver(home: Home, task: str) -> None:
    """Returns when the task's driver did its part. Raises ApiError(INTERNAL)."""
    if faults.take(home, "driver", task):
        raise ApiError(grpc.StatusCode.INTERNAL, "Internal error occurred while the driver of the task ran.")


def task_error(refused: ApiError, pipeline: str, task: str, *, has_job: bool) -> dict[str, Any]:
    """The error of a task for which no job could be made, wrapped as Vertex AI Pipelines wraps it."""
    project, job = pipeline.split("/")[1], pipeline.rpartition("/")[2]
    state = "DRIVER_SUCCEEDED" if has_job else "DRIVER_FAILED"
    where = f"Task:Project number: {project}, Job id: {job}, Task name: {task}, Task state: {state}"
    what = "create custom job for the task" if has_job else "run the driver of the task"
    message = (
        f"com.google.cloud.ai.platform.common.errors.AiPlatformException: code={refused.code.name}, "
        f"message={refused.message}, cause=null; Failed to {what}. {where}; Failed to create external task or refresh "
        f"its state. {where}"
    )
    return {"code": refused.number, "message": message}


def _resources(job: Any) -> list[str]:
    """What a quota may be of: machine type, accelerator type, and `spot` for a Spot VM."""
    machine = job.job_spec.worker_pool_specs[0].machine_spec
    names = [machine.machine_type]
    if machine.accelerator_type:
        names.append(machine.accelerator_type.name)
    if is_spot(job):
        names.append(SPOT)
    return names
