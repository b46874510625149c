"""The local endpoint's configuration.

host: {kind: local_endpoint, port: 8501}
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from evergreen.adapters.local_endpoint.endpoint import ServedEndpoint
from evergreen.adapters.local_endpoint.state import EndpointState
from evergreen.core.base import Frozen
from evergreen.core.http import HostName
from evergreen.core.processes import usable_cores
from evergreen.core.protocols import Mirror

WORKER_COMMAND = (sys.executable, "-m", "evergreen.serving")


class LocalEndpoint(Frozen):
    """Live endpoints on this machine, reachable from it alone unless `host` says otherwise.

    `allowed_hosts` are further names under which a loopback address may be asked, as those of a proxy before it.
    `port` 0 takes any free one and keeps it. `request_timeout_s` includes the wait for a worker that starts again.
    `threads_per_worker` None lets each version's predictions use every core: one usually works while the other waits.
    """

    kind: Literal["local_endpoint"] = "local_endpoint"
    host: str = "127.0.0.1"
    port: int = Field(default=8501, ge=0, le=65535)
    allowed_hosts: tuple[HostName, ...] = ()
    startup_timeout_s: float = Field(default=180.0, gt=0)
    request_timeout_s: float = Field(default=60.0, gt=0)
    drain_timeout_s: int = Field(default=30, ge=0)
    lock_timeout_s: float = Field(default=10.0, ge=0)
    threads_per_worker: int | None = Field(default=None, ge=1)

    def open(self, model: str, state_dir: Path) -> ServedEndpoint:
        """The endpoint of one model name; its state is `state_dir/<model>/`."""
        return open_endpoint(self, model, state_dir, WORKER_COMMAND)

    def check(self, model: str, state_dir: Path) -> None:
        """Returns when the model's endpoint is live at this address, or could be opened there.

        Raises:
            InputError: it is live elsewhere, or something else listens there.
        """
        self.open(model, state_dir).check()

    def mirrors(self) -> Sequence[Mirror]:
        """None: this machine keeps no registry of its own."""
        return ()


def open_endpoint(host: LocalEndpoint, model: str, state_dir: Path, worker_command: tuple[str, ...]) -> ServedEndpoint:
    """The endpoint whose workers are started by `worker_command`."""
    wanted = EndpointState(
        model=model,
        host=host.host,
        port=host.port,
        worker_command=worker_command,
        threads=host.threads_per_worker or usable_cores(),
        startup_timeout_s=host.startup_timeout_s,
        request_timeout_s=host.request_timeout_s,
        drain_timeout_s=host.drain_timeout_s,
        allowed_hosts=host.allowed_hosts,
    )
    return ServedEndpoint(wanted, state_dir, host.lock_timeout_s)
