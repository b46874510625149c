"""This machine as a host: each model has an endpoint and a lease below the state directory.

A lease is a file, replaced whole by one process at a time:

locks/news.json  {"generation": 7, "written": 1795895165.79, "lease": {"holder": …, "rollout": null}}
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from evergreen.adapters.local_endpoint.endpoint import LocalEndpoint
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.adapters.local_endpoint.state import EndpointFiles, EndpointState, write_atomically
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.lease import TTL_S, Lease, LeaseStore, MovedError, Seen
from evergreen.core.limits import MAX_BODY_BYTES
from evergreen.core.protocols import Mirror, RequestLog
from evergreen.requestlog.reading import FolderLog
from evergreen.runtime.hold import is_gone
from evergreen.runtime.locks import exclusive
from evergreen.runtime.processes import port_conflict, usable_cores

WORKER_COMMAND = (sys.executable, "-m", "evergreen.serving")
LOCK_TIMEOUT_S = 10.0
LONE_SLOWDOWN = 1.0
"""A model against itself took up to 44 % longer at a quarter of the traffic, certainly no more than 165 %."""


class LocalHost:
    """The `Host` of these settings; `worker_command` starts the server of a version."""

    def __init__(self, settings: LocalHostSettings, worker_command: tuple[str, ...] = WORKER_COMMAND) -> None:
        self._settings = settings
        self._worker_command = worker_command

    @property
    def max_request_bytes(self) -> int:
        """What the instances of one request may take as JSON; the rest of a body is for what stands around them."""
        return MAX_BODY_BYTES - 1024

    @property
    def lone_slowdown(self) -> float:
        """Requests of the version that has most of them are predicted together, and find its weights in the caches; one
        of the other's meets a process that works for the first. Measured: docs/benchmarks.md, ramps against itself.
        """
        return LONE_SLOWDOWN

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
        return LocalEndpoint(wanted, state_dir, given.lock_timeout_s, given.log)

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

    def request_log(self, model: str, state_dir: Path) -> RequestLog:
        """The files in `state_dir/<model>/requests/`, which go with the endpoint.

        Raises:
            InputError: `log` is null.
        """
        if self._settings.log is None:
            raise InputError("host.log is null, so that no request is noted; leave it out to note them")
        folder = EndpointFiles(state_dir.resolve() / model).requests
        return FolderLog(folder, keeps_inputs=self._settings.log.inputs is not None)

    def mirrors(self) -> Sequence[Mirror]:
        """None: this machine keeps no registry of its own."""
        return ()

    def needs(self) -> None:
        """Nothing of Google Cloud."""

    def room(self) -> Mapping[str, object]:
        """Any free port, where the configured one is taken."""
        taken = self._settings.port and port_conflict(self._settings.host, self._settings.port)
        return {"port": 0} if taken else {}


class _Kept(Frozen):
    """The file's content; `written` in seconds since the epoch."""

    generation: int = 0
    written: float = 0.0
    lease: Lease = Lease()


@dataclass(frozen=True)
class FileLease:
    """The `LeaseStore` of one model. A holder of this machine whose process is gone holds it no longer."""

    path: Path
    poll_s: float = 0.1

    def read(self) -> Seen:
        """The lease as it is now; free where there is none. Raises EvergreenError when the file is damaged."""
        kept = self._kept()
        now = time.time()
        gone = kept.lease.holder is not None and is_gone(kept.lease.holder)
        return Seen(
            lease=kept.lease,
            generation=kept.generation,
            now=datetime.fromtimestamp(now, UTC),
            until=datetime.fromtimestamp(now if gone else kept.written + TTL_S, UTC),
        )

    def write(self, lease: Lease, generation: int) -> int:
        """The new generation. Raises MovedError when the file has another one than the one given."""
        with exclusive(self.path.with_suffix(".lock"), f"{self.path} is being written", LOCK_TIMEOUT_S):
            kept = self._kept()
            if kept.generation != generation:
                raise MovedError(f"{self.path} has generation {kept.generation}, not {generation}")
            new = _Kept(generation=generation + 1, written=time.time(), lease=lease)
            write_atomically(self.path, new.model_dump_json())
            return new.generation

    def _kept(self) -> _Kept:
        try:
            return _Kept.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return _Kept()
        except ValueError as error:
            raise EvergreenError(
                f"{self.path} is damaged ({error}); remove it while no run of the model is under way, then run again"
            ) from error
