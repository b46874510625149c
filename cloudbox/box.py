"""One box: its project, its region and the ports that its services keep across restarts (`<home>/box.json`).

`{"project": "local-project", "project_number": 271828182845, "region": "us-central1",
  "ports": {"gcs": {"http": 21007, "emulator": 21008}}}`
"""

from __future__ import annotations

import json
import os
import random
import socket
from dataclasses import asdict, dataclass

from cloudbox.home import Home

DEFAULT_PROJECT = "local-project"
DEFAULT_REGION = "us-central1"
HOST = "127.0.0.1"
PORTS = {
    "gcs": ("http", "emulator"),
    "vertex": ("grpc", "https"),
    "bigquery": ("grpc", "https"),
    "hub": ("http",),
    "gateway": ("grpc_proxy", "https_proxy", "http", "grpc", "https"),
    "zenml": ("http",),
    "mlflow": ("http",),
}
# Below the range from which the system takes ports for outgoing connections: a port stays free while the box is down.
LOWEST_PORT, HIGHEST_PORT = 20_000, 32_000
PROJECT_NUMBER = 271828182845


class BoxError(Exception):
    """What a person can put right: one line that names the thing, what was got, and what to do."""


@dataclass(frozen=True)
class Box:
    """Addresses of the services, and the one project and region that they simulate."""

    home: Home
    project: str
    project_number: int
    region: str
    ports: dict[str, dict[str, int]]

    def port(self, service: str, name: str = "http") -> int:
        """The port at which a service listens for one protocol."""
        return self.ports[service][name]

    def address(self, service: str, name: str = "http") -> str:
        """`127.0.0.1:21007`."""
        return f"{HOST}:{self.port(service, name)}"

    def url(self, service: str, name: str = "http") -> str:
        """`http://127.0.0.1:21007`."""
        return f"http://{self.address(service, name)}"


def check_owner(home: Home) -> None:
    """Raises BoxError for the folder of another user: what root writes there, its owner could not change."""
    if home.path.exists() and home.path.stat().st_uid != os.geteuid():
        raise BoxError(f"the box in {home.path} is another user's; give another --home, or delete that folder")


def open_box(home: Home) -> Box:
    """The box of a home.

    Raises:
        BoxError: no box was ever started there, or another user did.
    """
    check_owner(home)
    if not home.box.is_file():
        raise BoxError(f"no box in {home.path}; start one: python -m cloudbox --home {home.path} up")
    box = Box(home=home, **json.loads(home.box.read_text()))
    if not box.project_number:
        raise BoxError(f"the box in {home.path} is of an earlier kind, without a project number; delete that folder")
    if any(set(names) - box.ports.get(service, {}).keys() for service, names in PORTS.items()):
        free = _free_ports()  # for services that the box did not have when it was made
        box.ports.update({service: {**free[service], **box.ports.get(service, {})} for service in PORTS})
        _write(box)
    return box


def open_or_make_box(home: Home, project: str | None = None, region: str | None = None) -> Box:
    """The box of a home, made with free ports when there is none.

    Raises:
        BoxError: there is one, of another user, project or region: what lies in it is named by them.
    """
    check_owner(home)
    if not home.box.is_file():
        name = project or DEFAULT_PROJECT
        _write(Box(home, name, PROJECT_NUMBER, region or DEFAULT_REGION, _free_ports()))
    box = open_box(home)
    for what, asked, kept in (("project", project, box.project), ("region", region, box.region)):
        if asked not in {None, kept}:
            raise BoxError(f"the box in {home.path} has {what} {kept}, not {asked}; give another --home")
    return box


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _write(box: Box) -> None:
    content = {key: value for key, value in asdict(box).items() if key != "home"}
    box.home.write(box.home.box, json.dumps(content, indent=2) + "\n")


def _free_ports() -> dict[str, dict[str, int]]:
    candidates = iter(random.sample(range(LOWEST_PORT, HIGHEST_PORT), HIGHEST_PORT - LOWEST_PORT))
    return {
        service: {name: next(port for port in candidates if is_free(port)) for name in names}
        for service, names in PORTS.items()
    }
