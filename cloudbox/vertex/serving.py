"""Deployed models as running containers: the AIP_* contract, the health route, restarts, draining before a stop."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx

from cloudbox import faults
from cloudbox.errors import ApiError, failed_precondition
from cloudbox.home import Home
from cloudbox.vertex.containers import Container, Containers, ContainerSpec

log = logging.getLogger(__name__)

DEPLOYMENT_TIMEOUT_S = 1200.0
"""Vertex gives a deployment 20 minutes unless the container's specification says otherwise."""
POLL_S = 0.1
PROBE_TIMEOUT_S = 5.0
DRAIN_S = 60.0
LONGEST_BACKOFF_S = 30.0


class Replica:
    """One deployed model of an endpoint, or of a batch prediction job: where its container listens, and if it does."""

    def __init__(self, endpoint: str, deployed: Any, model: Any) -> None:
        self.endpoint = endpoint
        self.id: str = deployed.id
        self.account: str = deployed.service_account
        self.model = model
        self.port = _free_port()
        base = f"/v1/endpoints/{endpoint.rpartition('/')[2]}/deployedModels/{self.id}"
        self.health_route: str = model.container_spec.health_route or base
        self.predict_route: str = model.container_spec.predict_route or f"{base}:predict"
        self.container: Container | None = None
        self.ready = False
        self.stopping = threading.Event()
        self.in_flight = 0

    def url(self, route: str) -> str:
        """Address of a route of its server."""
        return f"http://127.0.0.1:{self.port}{route}"

    def spec(self, project_number: int) -> ContainerSpec:
        """The container of the model with the AIP_* variables, `$(NAME)` filled in command, arguments and variables."""
        container = self.model.container_spec
        _, _, _, location, _, endpoint = self.endpoint.split("/")
        env = {
            "AIP_ACCELERATOR_TYPE": "",
            "AIP_DEPLOYED_MODEL_ID": self.id,
            "AIP_ENDPOINT_ID": endpoint,
            "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
            "AIP_HEALTH_ROUTE": self.health_route,
            "AIP_HTTP_PORT": str(self.port),
            "AIP_MACHINE_TYPE": "",
            "AIP_MODE": "PREDICTION",
            "AIP_MODEL_ID": self.model.name.rpartition("/")[2],
            "AIP_MODEL_NAME": self.model.display_name,
            "AIP_PREDICT_ROUTE": self.predict_route,
            "AIP_PROJECT_NUMBER": str(project_number),
            "AIP_REGION": location,
            "AIP_STORAGE_URI": self.model.artifact_uri,
            "AIP_VERSION_NAME": self.model.version_id,
        }
        for variable in container.env:
            env[variable.name] = expanded(variable.value, env)
        return ContainerSpec(
            image=container.image_uri,
            command=[expanded(part, env) for part in container.command],
            args=[expanded(part, env) for part in container.args],
            env=env,
            account=self.account,
        )


class Serving:
    """The replicas of the service, by the id of the deployed model."""

    def __init__(self, home: Home, containers: Containers, project_number: int) -> None:
        self._home = home
        self._project_number = project_number
        self._containers = containers
        self._replicas: dict[str, Replica] = {}
        self._changed = threading.Condition()
        self._http = httpx.Client(timeout=PROBE_TIMEOUT_S, trust_env=False)

    def deploy(self, replica: Replica, cancelled: Callable[[], bool]) -> None:
        """Start a replica and return when it is ready; it is kept running until `stop`.

        Raises:
            ApiError: FAILED_PRECONDITION with its last log lines when it exits, is never ready, or is cancelled.
        """
        fault = faults.take(self._home, "never-ready", replica.model.display_name)
        limit_s = fault.seconds if fault else _deployment_timeout_s(replica.model)
        replica.container = self._containers.start(replica.spec(self._project_number), f"deployed-{replica.id}")
        try:
            self._await_ready(replica, limit_s, never=fault is not None, cancelled=cancelled)
        except ApiError:
            replica.container.stop()
            raise
        with self._changed:
            self._replicas[replica.id] = replica
        threading.Thread(target=self._keep, args=(replica,), name=f"keep-{replica.id}", daemon=True).start()

    def resume(self, replica: Replica) -> None:
        """Take up a replica of an earlier life of the service; it answers UNAVAILABLE until it is ready."""
        with self._changed:
            self._replicas[replica.id] = replica
        threading.Thread(target=self._keep, args=(replica,), name=f"keep-{replica.id}", daemon=True).start()

    def is_ready(self, deployed_id: str) -> bool:
        """Whether the replica answers now."""
        with self._changed:
            replica = self._replicas.get(deployed_id)
            return replica is not None and replica.ready

    def stop(self, deployed_id: str) -> None:
        """Let the requests under way finish, then stop the container."""
        with self._changed:
            replica = self._replicas.pop(deployed_id, None)
            if replica is None:
                return
            replica.stopping.set()
            self._changed.wait_for(lambda: replica.in_flight == 0, DRAIN_S)
        if replica.container:
            replica.container.stop()

    def logs(self) -> list[tuple[str, str, Path]]:
        """Endpoint, id of the deployed model, and the log of its container, of each one that has one."""
        with self._changed:
            replicas = list(self._replicas.values())
        running = [(replica, replica.container) for replica in replicas]
        return [(replica.endpoint, replica.id, container.log) for replica, container in running if container]

    @contextmanager
    def lease(self, deployed_id: str) -> Iterator[Replica]:
        """The replica for one request, not stopped meanwhile. Raises ApiError(UNAVAILABLE) when it is not ready."""
        with self._changed:
            replica = self._replicas.get(deployed_id)
            if replica is None or not replica.ready:
                raise ApiError(grpc.StatusCode.UNAVAILABLE, f"DeployedModel `{deployed_id}` is not ready.")
            replica.in_flight += 1
        try:
            yield replica
        finally:
            with self._changed:
                replica.in_flight -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Keep nothing running any more; the containers themselves are stopped by `Containers.close`."""
        with self._changed:
            for replica in self._replicas.values():
                replica.stopping.set()

    def _await_ready(self, replica: Replica, limit_s: float, *, never: bool, cancelled: Callable[[], bool]) -> None:
        container = replica.container
        if container is None:
            raise failed_precondition(f"DeployedModel `{replica.id}` has no container.")
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            code = container.exit_code()
            if code is not None:
                raise failed_precondition(
                    f"Model server exited unexpectedly: exit_code: {code}. Last lines of its log {container.log}:\n"
                    f"{container.tail()}"
                )
            if cancelled():
                raise ApiError(grpc.StatusCode.CANCELLED, "The deployment was cancelled.")
            if not never and self._healthy(replica):
                replica.ready = True
                return
            replica.stopping.wait(POLL_S)
        raise failed_precondition(
            "Model server never became ready. Please validate that your model file or container configuration are "
            f"valid. Its health route {replica.health_route} did not answer 200 within {limit_s:g} s. "
            f"Last lines of its log {container.log}:\n{container.tail()}"
        )

    def _healthy(self, replica: Replica) -> bool:
        try:
            return self._http.get(replica.url(replica.health_route)).status_code == 200
        except httpx.HTTPError:
            return False

    def _keep(self, replica: Replica) -> None:
        """Wait for the container to die and start it again, ever more slowly, until the replica is stopped."""
        backoff_s = 1.0
        while not replica.stopping.is_set():
            started = time.monotonic()
            try:
                if replica.container is None:
                    replica.container = self._containers.start(
                        replica.spec(self._project_number), f"deployed-{replica.id}"
                    )
                    self._await_ready(
                        replica, _deployment_timeout_s(replica.model), never=False, cancelled=replica.stopping.is_set
                    )
                    log.info("deployed model %s is ready again", replica.id)
                while (code := replica.container.wait(1.0)) is None and not replica.stopping.is_set():
                    continue
                if not replica.stopping.is_set():
                    log.warning("deployed model %s exited with %s", replica.id, code)
            except ApiError as error:
                log.warning("deployed model %s: %s", replica.id, error.message)
            replica.ready = False
            if replica.container:
                replica.container.stop()
            replica.container = None
            backoff_s = 1.0 if time.monotonic() - started > LONGEST_BACKOFF_S else backoff_s
            replica.stopping.wait(backoff_s)
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)


def expanded(text: str, env: dict[str, str]) -> str:
    """`$(NAME)` replaced by the variable, as Kubernetes does; `$$(NAME)` is a literal, an unknown name stays."""
    return re.sub(
        r"\$(\$?)\((\w+)\)",
        lambda match: match.group()[1:] if match.group(1) else env.get(match.group(2), match.group()),
        text,
    )


def _deployment_timeout_s(model: Any) -> float:
    asked = model.container_spec.deployment_timeout
    return float(asked.total_seconds()) if asked else DEPLOYMENT_TIMEOUT_S


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
