"""The endpoint's state on disk, one directory per model name.

news.lock               taken by whoever changes the endpoint
news/endpoint.json      what is wanted: versions, traffic, address; written by runs, read by the front
news/front.json         the front that runs: pid, host, port; written by the front
news/parked             there while nothing is to run
news/front.lock         held by the front as long as it lives
news/models/<version>/  the uploaded trained model, and examples.json: instances that the page offers
news/logs/              front.log, <version>.log
news/log.json           what is noted of requests; written by runs, read by the front where it starts a worker
news/requests/          what was noted: evergreen.requestlog
news/shadow.json        the version that gets copies of requests; written by runs, read by the front
news/trials/            engines that ended a worker: evergreen.serving.engine_trials
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from evergreen.adapters.local_endpoint.settings import LocalLog
from evergreen.core.base import Frozen
from evergreen.core.errors import EndpointError
from evergreen.core.shadow import ShadowReport

EXAMPLES_NAME = "examples.json"
LOG_LIMIT_BYTES = 20 * 1024 * 1024


class EndpointState(Frozen):
    """What the front is to make true. `revision` grows with every change, so that it can say how far it got."""

    model: str
    host: str
    port: int
    worker_command: tuple[str, ...]
    threads: int
    startup_timeout_s: float
    request_timeout_s: float
    drain_timeout_s: int
    allowed_hosts: tuple[str, ...] = ()
    revision: int = 0
    versions: tuple[str, ...] = ()
    traffic: dict[str, int] = {}


class ShadowOrder(Frozen):
    """The `version` that gets copies of `share` of the requests, `until` so many seconds since the epoch.

    So they end even where the run that asked for them was killed.
    """

    version: str
    share: float
    until: float


class FrontAddress(Frozen):
    """Where the running front listens."""

    pid: int
    host: str
    port: int

    @property
    def reachable_host(self) -> str:
        """The address that reaches it from this machine."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound

    @property
    def url(self) -> str:
        """Base URL to reach it from this machine."""
        host = self.reachable_host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class WorkerStatus(Frozen):
    """One version's process: `failure` is why the last one ended, `restarts` how many followed the first.

    `code` is the fingerprint of the serving code that it was started with.
    """

    state: Literal["starting", "ready", "failed", "stopping"]
    pid: int | None
    port: int
    restarts: int
    in_flight: int
    failure: str | None
    code: str


class FrontStatus(Frozen):
    """What the front answers at /status. `renewing` are processes that will take the place of a version's own, `shadow`
    is what came of the copies of requests that a version gets now.
    """

    model: str
    pid: int
    revision: int
    traffic: dict[str, int]
    versions: dict[str, WorkerStatus]
    renewing: dict[str, WorkerStatus] = {}
    retiring: tuple[str, ...] = ()
    shadow: ShadowReport | None = None


@dataclass(frozen=True)
class EndpointFiles:
    """The paths of one endpoint's state."""

    root: Path

    @property
    def front_lock(self) -> Path:
        """Held by the front."""
        return self.root / "front.lock"

    @property
    def parked(self) -> Path:
        """There while nothing is to run. It is apart from what is wanted, which older fronts read."""
        return self.root / "parked"

    def model_dir(self, version: str) -> Path:
        """Where the version's files are once it is uploaded."""
        return self.root / "models" / version

    def read_examples(self, version: str) -> list[dict[str, Any]]:
        """Instances that the page offers to ask of a version; none where none are known."""
        try:
            examples = json.loads((self.model_dir(version) / EXAMPLES_NAME).read_bytes())
        except (OSError, ValueError):
            return []
        return [example for example in examples if isinstance(example, dict)] if isinstance(examples, list) else []

    def write_examples(self, version: str, examples: Sequence[Mapping[str, Any]]) -> None:
        """Keeps them beside the version's files."""
        write_atomically(self.model_dir(version) / EXAMPLES_NAME, json.dumps(list(examples), ensure_ascii=False))

    def log(self, name: str) -> Path:
        """The log of the front (`front`) or of a version."""
        return self.root / "logs" / f"{name}.log"

    @property
    def trials(self) -> Path:
        """Where workers note the engines that they try."""
        return self.root / "trials"

    @property
    def requests(self) -> Path:
        """The folder of the request log."""
        return self.root / "requests"

    def read_log(self) -> LocalLog | None:
        """What is noted of requests; None: nothing. It is apart from what is wanted, which older fronts read."""
        try:
            return LocalLog.model_validate_json((self.root / "log.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def write_log(self, log: LocalLog | None) -> None:
        """Tells what is to be noted."""
        if log is None:
            (self.root / "log.json").unlink(missing_ok=True)
        elif log != self.read_log():
            write_atomically(self.root / "log.json", log.model_dump_json(indent=2))

    def read_shadow(self) -> ShadowOrder | None:
        """Who gets copies of requests; None: nobody. It is apart from what is wanted, which older fronts read."""
        try:
            return ShadowOrder.model_validate_json((self.root / "shadow.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def write_shadow(self, order: ShadowOrder | None) -> None:
        """Tells who is to get copies of requests."""
        if order is None:
            (self.root / "shadow.json").unlink(missing_ok=True)
        else:
            write_atomically(self.root / "shadow.json", order.model_dump_json())

    def read_state(self) -> EndpointState | None:
        """What is wanted; None when nothing was ever deployed.

        Raises:
            EndpointError: the file is damaged.
        """
        path = self.root / "endpoint.json"
        try:
            return EndpointState.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise EndpointError(f"{path} is damaged ({error}); run teardown, then deploy again") from error

    def changed(self) -> datetime | None:
        """When what is wanted was written last: at each deployment, change of traffic and start after a parking."""
        try:
            return datetime.fromtimestamp((self.root / "endpoint.json").stat().st_mtime, UTC)
        except FileNotFoundError:
            return None

    def write_state(self, state: EndpointState) -> None:
        """Replaces what is wanted."""
        write_atomically(self.root / "endpoint.json", state.model_dump_json(indent=2))

    def read_address(self) -> FrontAddress | None:
        """Where the front that ran last listens; None when there was none."""
        try:
            return FrontAddress.model_validate_json((self.root / "front.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def write_address(self, address: FrontAddress) -> None:
        """Tells where the front listens."""
        write_atomically(self.root / "front.json", address.model_dump_json())


def write_atomically(path: Path, text: str) -> None:
    """Replaces the file's content so that a reader, or a machine that loses power, sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(unfinished).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def cap_log(path: Path, limit_bytes: int = LOG_LIMIT_BYTES) -> None:
    """Moves a log beyond the limit aside as `.1`; its writer appends, so it goes on in the emptied file."""
    if path.exists() and path.stat().st_size > limit_bytes:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        os.truncate(path, 0)
