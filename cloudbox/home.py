"""Where the box keeps everything it writes; nothing lies outside this folder.

`Home(Path(".cloudbox")).log("vertex")` is `.cloudbox/logs/vertex.log`.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The paths below one home folder, which is for its owner's eyes only; kept across restarts of the box."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path).absolute())

    @property
    def box(self) -> Path:
        """Project, region and the ports of every service."""
        return self.path / "box.json"

    @property
    def ca(self) -> Path:
        """The certificate authority that clients are told to trust."""
        return self.path / "certs" / "ca.pem"

    @property
    def server_certificate(self) -> Path:
        """What every TLS server of the box shows: Google's host names, signed by the box's own authority."""
        return self.path / "certs" / "server.pem"

    @property
    def server_key(self) -> Path:
        """The private key of `server_certificate`."""
        return self.path / "certs" / "server.key"

    @property
    def credentials(self) -> Path:
        """The key file of the one service account."""
        return self.path / "credentials.json"

    @property
    def images(self) -> Path:
        """Which Python environment stands for which container image."""
        return self.path / "images.json"

    @property
    def faults(self) -> Path:
        """The faults on demand."""
        return self.path / "faults.json"

    @property
    def refusals(self) -> Path:
        """Everything that was asked of the box and that it refused, one JSON object a line."""
        return self.path / "refusals.jsonl"

    @property
    def calls(self) -> Path:
        """Which of Google's methods were called, and by whom."""
        return self.path / "calls.jsonl"

    @property
    def setup(self) -> Path:
        """What was made in the project, as far as `run.py doctor` asks."""
        return self.path / "setup.json"

    def account(self, email: str) -> Path:
        """The key file of an account that containers run as."""
        return self.path / "accounts" / f"{email}.json"

    def log(self, service: str) -> Path:
        """The log file of a service."""
        return self.path / "logs" / f"{service}.log"

    def state(self, service: str) -> Path:
        """The folder of a service's own state."""
        return self.path / service

    def process(self, service: str) -> Path:
        """Which process runs a service: id and start time."""
        return self.path / "run" / f"{service}.json"

    def write(self, path: Path, text: str) -> bool:
        """Whether the file changed; replaced as a whole and readable by its owner only."""
        if path.is_file() and path.read_text() == text:
            return False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent)  # made with mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(name).replace(path)
        return True
