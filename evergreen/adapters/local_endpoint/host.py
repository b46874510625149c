"""This machine as a host: each model has an endpoint below the state directory."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from evergreen.adapters.local_endpoint.endpoint import LocalEndpoint
from evergreen.adapters.local_endpoint.lease import FileLease
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.adapters.local_endpoint.state import EndpointState
from evergreen.core.lease import LeaseStore
from evergreen.core.limits import MAX_BODY_BYTES
from evergreen.core.protocols import Mirror
from evergreen.runtime.processes import port_conflict, usable_cores

WORKER_COMMAND = (sys.executable, "-m", "evergreen.serving")


class LocalHost:
    """The `Host` of these settings; `worker_command` starts the server of a version."""

    def __init__(self, settings: LocalHostSettings, worker_command: tuple[str, ...] = WORKER_COMMAND) -> None:
        self._settings = settings
        self._worker_command = worker_command

    @property
    def max_request_bytes(self) -> int:
        """What the instances of one request may take as JSON; the rest of a body is for what stands around them."""
        return MAX_BODY_BYTES - 1024

    def open(self, model: str, state_dir: Path) -> LocalEndpoint:
        """The endpoint of one model name; its state is `state_dir/<model>/`."""
        given = self._settings
        wanted = EndpointState(
            model=model,
            host=given.host,
            port=given.port,
            worker_command=self._worker_command,
            threads=given.threads_per_worker or usable_cores(),
            startup_timeout_s=given.startup_timeout_s,
            request_timeout_s=given.request_timeout_s,
            drain_timeout_s=given.drain_timeout_s,
            allowed_hosts=given.allowed_hosts,
        )
        return LocalEndpoint(wanted, state_dir, given.lock_timeout_s)

    def check(self, model: str, state_dir: Path) -> str:
        """Where the model's endpoint is live, or the address at which it could be opened.

        Raises:
            InputError: it is live elsewhere, or something else listens there.
        """
        endpoint = self.open(model, state_dir)
        endpoint.check()
        if url := endpoint.status().url:
            return f"this model's endpoint is live at {url}"
        return f"{self._settings.host}:{self._settings.port or 'any free port'} can be used"

    def lease(self, model: str, state_dir: Path) -> LeaseStore:
        """A file in `state_dir/locks/`."""
        return FileLease(state_dir / "locks" / f"{model}.json")

    def mirrors(self) -> Sequence[Mirror]:
        """None: this machine keeps no registry of its own."""
        return ()

    def needs(self) -> None:
        """Nothing of Google Cloud."""

    def room(self) -> Mapping[str, object]:
        """Any free port, where the configured one is taken."""
        taken = self._settings.port and port_conflict(self._settings.host, self._settings.port)
        return {"port": 0} if taken else {}
