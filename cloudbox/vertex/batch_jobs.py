"""Batch prediction jobs of JobService: a model's container asked about the instances of files, its answers in files.

JSON Lines from gs:// to gs:// alone. Where the container refuses a request, all its instances are errors. One container
answers, whatever the number of machines.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2, json_format

from cloudbox.box import Box
from cloudbox.errors import ApiError, failed_precondition, invalid
from cloudbox.rpc import Method, raw
from cloudbox.vertex.custom_jobs import ENDED, State
from cloudbox.vertex.labels import check_labels
from cloudbox.vertex.listing import page
from cloudbox.vertex.models import Models
from cloudbox.vertex.objects import Objects
from cloudbox.vertex.operations import Operations
from cloudbox.vertex.prediction import plain
from cloudbox.vertex.serving import Replica, Serving
from cloudbox.vertex.store import Store, location_of, new_id, now

log = logging.getLogger(__name__)

BATCH_SIZE = 64
"""Google's own, where a job gives none."""
REQUEST_S = 600.0


class BatchJobs:
    """The batch prediction jobs of the service."""

    def __init__(self, box: Box, store: Store, operations: Operations, models: Models, serving: Serving) -> None:
        self._box = box
        self._store = store
        self._operations = operations
        self._models = models
        self._serving = serving
        self._http = httpx.Client(trust_env=False, timeout=REQUEST_S)

    def methods(self) -> dict[str, Method]:
        """The methods of JobService that are about these jobs, by name."""
        return {
            "CreateBatchPredictionJob": Method(self.create, v1.CreateBatchPredictionJobRequest),
            "GetBatchPredictionJob": Method(lambda request: self._job(request.name), v1.GetBatchPredictionJobRequest),
            "ListBatchPredictionJobs": Method(self.list_jobs, v1.ListBatchPredictionJobsRequest),
            "CancelBatchPredictionJob": Method(self.cancel, v1.CancelBatchPredictionJobRequest),
            "DeleteBatchPredictionJob": Method(self.delete, v1.DeleteBatchPredictionJobRequest),
        }

    def recover(self) -> None:
        """Fail what was under way when the service last stopped."""
        for job in self._store.listed(v1.BatchPredictionJob):
            if job.state not in ENDED:
                self._end(job.name, State.JOB_STATE_FAILED, "The service restarted while the job ran.")

    def create(self, request: Any) -> Any:
        """CreateBatchPredictionJob: a job that starts at once."""
        job = request.batch_prediction_job
        _check(job)
        model = self._models.version(job.model)
        job.name = f"{location_of(request.parent)}/batchPredictionJobs/{new_id()}"
        job.model_version_id = model.version_id
        job.state = State.JOB_STATE_PENDING
        job.create_time = job.update_time = now()
        self._store.put(job)
        threading.Thread(target=self._run, args=(job.name, model), name=job.name, daemon=True).start()
        return job

    def list_jobs(self, request: Any) -> Any:
        """ListBatchPredictionJobs."""
        below = self._store.listed(v1.BatchPredictionJob, f"{location_of(request.parent)}/batchPredictionJobs")
        jobs, token = page(below, request)
        return v1.ListBatchPredictionJobsResponse(batch_prediction_jobs=jobs, next_page_token=token)

    def cancel(self, request: Any) -> Any:
        """CancelBatchPredictionJob: the job ends before its next request; one that has ended stays as it is."""
        with self._store.lock:
            job = self._job(request.name)
            if job.state not in ENDED:
                job.state = State.JOB_STATE_CANCELLING
                self._store.put(job)
        return empty_pb2.Empty()

    def delete(self, request: Any) -> Any:
        """DeleteBatchPredictionJob: refused while it runs."""
        with self._store.lock:
            job = self._job(request.name)
            if job.state not in ENDED:
                raise failed_precondition(f"BatchPredictionJob `{job.name}` is {job.state.name}; cancel it first.")
            self._store.delete(job.name)
        return self._operations.finished(job.name, v1.DeleteOperationMetadata(), empty_pb2.Empty())

    def _job(self, name: str) -> Any:
        return self._store.get(v1.BatchPredictionJob, name)

    def _is_cancelled(self, name: str) -> bool:
        return bool(self._job(name).state == State.JOB_STATE_CANCELLING)

    def _run(self, name: str, model: Any) -> None:
        job = self._job(name)
        replica = Replica(name, v1.DeployedModel(id=new_id(), service_account=job.service_account), model)
        try:
            self._serving.deploy(replica, lambda: self._is_cancelled(name))
            try:
                self._answer(name, replica, model)
            finally:
                self._serving.stop(replica.id)
        except ApiError as error:
            state = State.JOB_STATE_CANCELLED if self._is_cancelled(name) else State.JOB_STATE_FAILED
            self._end(name, state, error.message, error.number)
        except Exception as error:
            log.exception("batch prediction job %s failed", name)
            number = grpc.StatusCode.INTERNAL.value[0]
            self._end(name, State.JOB_STATE_FAILED, f"{type(error).__name__}: {error}", number)

    def _answer(self, name: str, replica: Replica, model: Any) -> None:
        """Asks about all instances, and ends the job."""
        with self._store.lock:
            job = self._job(name)
            if job.state == State.JOB_STATE_PENDING:
                job.state = State.JOB_STATE_RUNNING
                job.start_time = job.update_time = now()
                self._store.put(job)
        objects, written = Objects(self._box), {"predictions": list[str](), "errors": list[str]()}
        for records in _batches(_records(objects, job), job.manual_batch_tuning_parameters.batch_size or BATCH_SIZE):
            if self._is_cancelled(name):
                raise ApiError(grpc.StatusCode.CANCELLED, "The job was cancelled.")
            kind, values = self._asked(job, replica, records)
            for record, value in zip(records, values, strict=True):
                written[kind].append(json.dumps({**_shown(job, record), kind.removesuffix("s"): value}))
        stamp = f"{job.create_time:%Y-%m-%dT%H:%M:%S}.{job.create_time.microsecond // 1000:03d}Z"
        prefix = job.output_config.gcs_destination.output_uri_prefix.rstrip("/")
        folder = f"{prefix}/prediction-{model.display_name}-{stamp}"
        for kind, lines in written.items():
            if lines or kind == "predictions":
                objects.write(f"{folder}/{kind}_0001.jsonl", "".join(f"{line}\n" for line in lines).encode())
        counts = {"successful_count": len(written["predictions"]), "failed_count": len(written["errors"])}
        self._end(name, State.JOB_STATE_SUCCEEDED, folder=folder, counts=counts)

    def _asked(self, job: Any, replica: Replica, records: list[Any]) -> tuple[str, list[Any]]:
        """`predictions`, one a record, or `errors`."""
        body: dict[str, Any] = {"instances": [_instance(job, record) for record in records]}
        if raw(job).HasField("model_parameters"):
            body["parameters"] = plain(json_format.MessageToDict(raw(job).model_parameters))
        answer = self._http.post(replica.url(replica.predict_route), json=body)
        if answer.status_code == 200:
            predictions = answer.json().get("predictions")
            if isinstance(predictions, list) and len(predictions) == len(records):
                return "predictions", predictions
        message = f"the model server answered {answer.status_code}: {answer.text[:500]}"
        return "errors", [{"code": grpc.StatusCode.INVALID_ARGUMENT.value[0], "message": message}] * len(records)

    def _end(self, name: str, state: Any, message: str = "", code: int = 3, **made: Any) -> None:
        with self._store.lock:
            job = self._store.find(v1.BatchPredictionJob, name)
            if job is None:
                return
            job.state = state
            job.end_time = job.update_time = now()
            if message:
                job.error = {"code": code, "message": message}
            if made:
                job.output_info = {"gcs_output_directory": made["folder"]}
                job.completion_stats = made["counts"]
            self._store.put(job)
        log.info("batch prediction job %s: %s %s", name.rpartition("/")[2], state.name, message[:200])


def _records(objects: Objects, job: Any) -> Iterator[Any]:
    for uri in job.input_config.gcs_source.uris:
        for content in objects.read(uri):
            yield from (json.loads(line) for line in content.splitlines() if line.strip())


def _batches(records: Iterator[Any], size: int) -> Iterator[list[Any]]:
    held: list[Any] = []
    for record in records:
        held.append(record)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


def _instance(job: Any, record: Any) -> Any:
    """What the model is asked of a record: without its key."""
    key = job.instance_config.key_field
    if not key and not job.instance_config.instance_type:
        return record
    if not isinstance(record, dict):
        raise invalid(f"Each line of the input is to be a JSON object, got {json.dumps(record)[:100]}.")
    return {name: value for name, value in record.items() if name != key}


def _shown(job: Any, record: Any) -> dict[str, Any]:
    """What the output has beside a prediction."""
    key = job.instance_config.key_field
    return {"key": record.get(key)} if key else {"instance": record}


def _check(job: Any) -> None:
    check_labels(job.labels)
    source, destination = job.input_config, job.output_config
    if source.instances_format != "jsonl" or destination.predictions_format != "jsonl":
        raise ApiError(grpc.StatusCode.UNIMPLEMENTED, "The box predicts JSON Lines alone; ask for the format jsonl.")
    if not source.gcs_source.uris or not destination.gcs_destination.output_uri_prefix:
        raise invalid("BatchPredictionJob needs input_config.gcs_source.uris and output_config.gcs_destination.")
    if job.instance_config.instance_type not in {"", "object"} or job.instance_config.included_fields:
        raise ApiError(grpc.StatusCode.UNIMPLEMENTED, "The box asks by objects alone; set instance_type to object.")
    if not job.dedicated_resources.machine_spec.machine_type:
        raise invalid("A model with a custom container needs dedicated_resources.machine_spec.machine_type.")
    if job.generate_explanation or not job.model:
        raise ApiError(grpc.StatusCode.UNIMPLEMENTED, "The box predicts by a registered model, without explanations.")
