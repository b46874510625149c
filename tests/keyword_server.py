"""The server alone with a model of keywords, as a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from evergreen.runtime.processes import free_port, library_environment, log_tail
from tests.keyword_model import COMMAND, write_keyword_model

GOOD = {"instances": [{"text": "a late goal"}]}


class Server:
    """A real server process on a free port; `log` is its stderr."""

    def __init__(self, path: Path, model: dict[str, Any] | None = None, **environment: str) -> None:
        write_keyword_model(path / "model", **(model or {}))
        self.log = path / "server.log"
        self.port = int(environment.get("AIP_HTTP_PORT", free_port()))
        self.url = f"http://127.0.0.1:{self.port}"
        variables = {"AIP_STORAGE_URI": str(path / "model"), "AIP_HTTP_PORT": str(self.port), **environment}
        self.client = httpx.Client(base_url=self.url, trust_env=False, timeout=30)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                COMMAND, env=library_environment(variables), stdin=subprocess.PIPE, stderr=log
            )

    def wait_ready(self) -> set[int]:
        seen = set()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                seen.add(self.client.get("/health").status_code)
            if 200 in seen:
                return seen
            time.sleep(0.02)
        raise AssertionError(f"not ready: {seen} {log_tail(self.log)}")

    def close(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.communicate()


def instances_predicted(port: int) -> float:
    """How many instances were in the batches of a server."""
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("evergreen_batch_rows_sum"))
