"""The local endpoint's configuration.

host: {kind: local_endpoint, port: 8501}
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from evergreen.core.members import HostSettings
from evergreen.requestlog.settings import LogSettings
from evergreen.runtime.http import HostName


class LocalLog(LogSettings):
    """What is noted of requests, and how long: the oldest of more than `most_mb`, or than `keep_days`, is removed."""

    keep_days: float = Field(default=30.0, gt=0)
    most_mb: int = Field(default=512, ge=32)


class LocalHostSettings(HostSettings):
    """Live endpoints on this machine, reachable from it alone unless `host` says otherwise.

    `allowed_hosts` are further names under which a loopback address may be asked, as those of a proxy before it.
    `port` 0 takes any free one and keeps it. `request_timeout_s` includes the wait for a worker that starts again.
    `log: null` notes no requests; else a change holds for servers that are started after it.
    `threads_per_worker` None lets each version's predictions use every core: one usually works while the other waits.
    """

    hosting: ClassVar[str] = "evergreen.adapters.local_endpoint.host:LocalHost"
    shadows: ClassVar[bool] = True
    kind: Literal["local_endpoint"] = "local_endpoint"
    host: str = "127.0.0.1"
    port: int = Field(default=8501, ge=0, le=65535)
    allowed_hosts: tuple[HostName, ...] = ()
    startup_timeout_s: float = Field(default=180.0, gt=0)
    request_timeout_s: float = Field(default=60.0, gt=0)
    drain_timeout_s: int = Field(default=30, ge=0)
    lock_timeout_s: float = Field(default=10.0, ge=0)
    threads_per_worker: int | None = Field(default=None, ge=1)
    log: LocalLog | None = LocalLog()
