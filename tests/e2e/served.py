"""A local endpoint of a test's own, and models to put on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evergreen.adapters.local_endpoint.control import ask_status
from evergreen.adapters.local_endpoint.endpoint import LocalEndpoint
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.adapters.local_endpoint.state import EndpointFiles, FrontStatus
from tests.keyword_model import COMMAND, write_keyword_model

GOOD = [{"text": "a late goal"}]
HOST = LocalHostSettings(port=0, startup_timeout_s=30, request_timeout_s=20, drain_timeout_s=10, lock_timeout_s=0.3)


class Served:
    """An endpoint of its own below `path`, and models to put on it."""

    def __init__(self, path: Path, command: tuple[str, ...] = COMMAND) -> None:
        self.path = path
        self.command = command
        self.files = EndpointFiles(path / "state" / "news")
        self.endpoint = self.open()

    def open(self, **changes: Any) -> LocalEndpoint:
        return LocalHost(HOST.model_copy(update=changes), self.command).open("news", self.path / "state")

    def upload(self, name: str, **model: Any) -> str:
        trained = write_keyword_model(self.path / name, name=name, **model)
        self.endpoint.upload(trained.version, trained.path)
        return trained.version

    def live(self, name: str = "first", **model: Any) -> str:
        version = self.upload(name, **model)
        self.endpoint.deploy(version)
        self.endpoint.set_traffic({version: 100})
        return version

    def front(self) -> FrontStatus:
        address = self.files.read_address()
        assert address is not None
        status = ask_status(address)
        assert status is not None
        return status

    def url(self) -> str:
        url = self.endpoint.status().url
        assert url is not None
        return url

    def pid(self, version: str) -> int:
        pid = self.front().versions[version].pid
        assert pid is not None
        return pid
