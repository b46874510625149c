"""The whole service: its parts, their table of methods, its recovery after a restart."""

from __future__ import annotations

from pathlib import Path

from google.cloud import aiplatform_v1 as v1
from google.longrunning import operations_pb2

from cloudbox.box import Box
from cloudbox.cloud_logging.entries import Origin
from cloudbox.cloud_logging.router import Router
from cloudbox.cloud_logging.sinks import Sinks
from cloudbox.rpc import Dispatcher, Method
from cloudbox.vertex.batch_jobs import BatchJobs
from cloudbox.vertex.containers import Containers
from cloudbox.vertex.custom_jobs import CustomJobs
from cloudbox.vertex.deployments import Deployments
from cloudbox.vertex.endpoints import Endpoints
from cloudbox.vertex.models import Models
from cloudbox.vertex.names import ProjectNames
from cloudbox.vertex.operations import Operations
from cloudbox.vertex.pipelines import Pipelines
from cloudbox.vertex.prediction import Predictions
from cloudbox.vertex.schedules import Schedules
from cloudbox.vertex.serving import Serving
from cloudbox.vertex.store import Store
from cloudbox.vertex.transcoding import FIRE

PACKAGES = ("google.cloud.aiplatform.v1", "google.cloud.aiplatform.v1beta1")
"""Both answer with the v1 messages: the two agree on the wire in every field that is kept here."""


class VertexService:
    """Vertex AI in one process, and Cloud Logging of what its containers print; state in `<home>/vertex`."""

    def __init__(self, box: Box) -> None:
        home = box.home
        self._store = Store(home.state("vertex") / "resources.sqlite")
        self._containers = Containers(home)
        self._operations = Operations(self._store, home)
        self._serving = Serving(home, self._containers, box.project_number)
        self._jobs = CustomJobs(home, self._store, self._operations, self._containers)
        self._pipelines = Pipelines(home, self._store, self._operations, self._jobs)
        self._schedules = Schedules(self._store, self._operations, self._pipelines)
        models = Models(self._store, self._operations)
        self._deployments = Deployments(home, self._store, self._operations, models, self._serving)
        endpoints = Endpoints(self._store, self._operations, self._deployments, box.project_number)
        self._batches = BatchJobs(box, self._store, self._operations, models, self._serving)
        services = {
            "PipelineService": self._pipelines.methods(),
            "JobService": {**self._jobs.methods(), **self._batches.methods()},
            "ScheduleService": self._schedules.methods(),
            "ModelService": models.methods(),
            "EndpointService": endpoints.methods(),
            "PredictionService": Predictions(self._store, self._serving).methods(),
        }
        sinks = Sinks(self._store, box.project, box.project_number)
        self._router = Router(box, sinks, self._printing)
        names = ProjectNames(box.project, box.project_number)
        methods = {**_paths(services), **sinks.methods(), **self._other_methods()}
        self.dispatcher = Dispatcher(home, "vertex", methods, names)

    def recover(self) -> None:
        """Take up what an earlier life of the service left: end its work under way, start its containers again."""
        self._operations.recover()
        self._jobs.recover()
        self._batches.recover()
        self._pipelines.recover()
        self._deployments.recover()
        self._schedules.start()
        self._router.start()

    def close(self) -> None:
        """Stop every container; everything else is on disk already, and threads may still write their last word."""
        self._router.close()
        self._schedules.close()
        self._serving.close()
        self._containers.close()

    def _printing(self) -> list[tuple[Origin, Path]]:
        """The containers of endpoints, whose output Cloud Logging gets, each with the file that holds it."""
        return [
            (Origin(endpoint, deployed_id, path.parent.name), path)
            for endpoint, deployed_id, path in self._serving.logs()
            if "/endpoints/" in endpoint
        ]

    def _other_methods(self) -> dict[str, Method]:
        operations, pb = self._operations, operations_pb2
        methods = {
            "GetOperation": Method(operations.get, pb.GetOperationRequest),
            "WaitOperation": Method(operations.wait, pb.WaitOperationRequest),
            "ListOperations": Method(operations.list, pb.ListOperationsRequest),
            "DeleteOperation": Method(operations.delete, pb.DeleteOperationRequest),
            "CancelOperation": Method(operations.cancel, pb.CancelOperationRequest),
        }
        fire = Method(self._schedules.fire, v1.GetScheduleRequest)
        return {FIRE: fire, **{f"/google.longrunning.Operations/{name}": method for name, method in methods.items()}}


def _paths(services: dict[str, dict[str, Method]]) -> dict[str, Method]:
    return {
        f"/{package}.{service}/{name}": method
        for package in PACKAGES
        for service, methods in services.items()
        for name, method in methods.items()
    }
