"""A host in memory, as an installed package would offer one: settings of a kind of its own, and their behaviour.

host: {kind: memory, name: a}
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from evergreen.core.cloud import HostNeeds
from evergreen.core.errors import InputError
from evergreen.core.lease import LeaseStore
from evergreen.core.members import HostSettings
from evergreen.core.protocols import Endpoint, Mirror, RequestLog
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_lease import MemoryLease

ENDPOINTS: dict[str, Endpoint] = {}
LEASES: dict[str, LeaseStore] = {}
LOGS: dict[str, RequestLog] = {}
"""By the name of their host: settings are values, and hold none of them."""


class MemoryHostSettings(HostSettings):
    """One endpoint and its lease, whatever the model, for all who name it the same."""

    hosting: ClassVar[str] = "tests.memory_host:MemoryHost"
    kind: Literal["memory"] = "memory"
    name: str


class MemoryHost:
    max_request_bytes = 1000
    lone_slowdown = 0.0

    def __init__(self, settings: MemoryHostSettings) -> None:
        self._name = settings.name

    def open(self, model: str, state_dir: Path) -> Endpoint:
        return ENDPOINTS.setdefault(self._name, MemoryEndpoint())

    def check(self, model: str, state_dir: Path) -> str:
        if self._name == "full":
            raise InputError(f"no memory is left for {model}; set parameters.host.name to another one")
        return f"memory {self._name}"

    def lease(self, model: str, state_dir: Path) -> LeaseStore:
        return LEASES.setdefault(self._name, MemoryLease())

    def request_log(self, model: str, state_dir: Path) -> RequestLog:
        if self._name not in LOGS:
            raise InputError("nothing is noted in memory")
        return LOGS[self._name]

    def mirrors(self) -> Sequence[Mirror]:
        return ()

    def needs(self) -> HostNeeds | None:
        return None

    def room(self) -> Mapping[str, object]:
        return {}


def hosting(endpoint: Endpoint, lease: LeaseStore | None = None, log: RequestLog | None = None) -> MemoryHostSettings:
    """The settings of a host of this one endpoint, with a lease in memory unless given; a log only if given."""
    settings = MemoryHostSettings(name=secrets.token_hex(8))
    ENDPOINTS[settings.name] = endpoint
    LEASES[settings.name] = lease or MemoryLease()
    if log is not None:
        LOGS[settings.name] = log
    return settings
