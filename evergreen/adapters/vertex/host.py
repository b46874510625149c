"""Vertex AI as a host: one endpoint a model, found by its labels, and its Model Registry as a mirror."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evergreen.adapters.gcs.leases import GcsLease
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.mirror import VertexMirror
from evergreen.adapters.vertex.names import LIVE, live_id
from evergreen.adapters.vertex.preflight import check_reachable
from evergreen.adapters.vertex.request_log import LOG_FILTER, SINK, CloudRequestLog
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.cloud import Fleet, HostNeeds, LogNeeds, Machine
from evergreen.core.errors import InputError
from evergreen.core.lease import LeaseStore
from evergreen.core.protocols import Endpoint, Mirror, RequestLog


class VertexHost:
    """The `Host` of these settings; Vertex AI keeps all state itself, so that `state_dir` is never used."""

    def __init__(self, settings: VertexHostSettings) -> None:
        self._settings = settings

    @property
    def max_request_bytes(self) -> int:
        """What the instances of one request may take as JSON."""
        return self._settings.max_request_bytes

    @property
    def lone_slowdown(self) -> float:
        """None: each version has replicas of its own, as many as its share takes."""
        return 0.0

    def open(self, model: str, state_dir: Path) -> Endpoint:  # noqa: ARG002
        """The endpoint of one model name."""
        return VertexEndpoint(self._settings, model)

    def check(self, model: str, state_dir: Path) -> str:  # noqa: ARG002
        """The project and region, once credentials, both and the bucket answer.

        Raises:
            InputError: the first that does not, and what to do.
        """
        check_reachable(self._settings, model)
        return f"Vertex AI answers for {self._settings.project} in {self._settings.region}"

    def lease(self, model: str, state_dir: Path) -> LeaseStore:  # noqa: ARG002
        """An object in `locks/` of the bucket of `staging`, which every machine that deploys can reach."""
        bucket = self._settings.staging.removeprefix("gs://").partition("/")[0]
        return GcsLease(self._settings.project, bucket, f"locks/{model}.json")

    def request_log(self, model: str, state_dir: Path) -> RequestLog:  # noqa: ARG002
        """The rows that a log sink moved into `log.dataset`.

        Raises:
            InputError: `log` is not set.
        """
        given = self._settings
        if given.log is None:
            raise InputError("host.log is not set, so that no request is noted; set host.log.dataset to note them")
        live = EndpointResource(Clients(given), model, LIVE).find()
        endpoint_id = live.name.rpartition("/")[2] if live is not None else live_id(given, model)
        return CloudRequestLog(given.project, given.log, endpoint_id, given.retry_timeout_s)

    def mirrors(self) -> Sequence[Mirror]:
        """Vertex AI's Model Registry."""
        return (VertexMirror(self._settings),)

    def needs(self) -> HostNeeds:
        """Its machines, image, account and bucket."""
        given = self._settings
        machine = Machine(given.machine_type, given.accelerator_type, given.accelerator_count)
        return HostNeeds(
            project=given.project,
            models=given.staging,
            image=given.image,
            account=given.service_account,
            fleet=Fleet(given.region, machine, given.min_replicas, given.max_replicas),
            dedicated=given.dedicated,
            logs_requests=given.request_logging is not None,
            request_log=LogNeeds(SINK, LOG_FILTER, given.log.dataset, given.log.location) if given.log else None,
            onnx_image=given.onnx_image,
        )

    def room(self) -> Mapping[str, object]:
        """Nothing: endpoints are beside one another in a project."""
        return {}
