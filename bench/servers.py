"""Servers under measurement: processes of their own, of which one at a time runs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import psutil

from evergreen.core.errors import EvergreenError
from evergreen.runtime.processes import LIBRARY_ROOT, log_tail

POLL_S = 0.02
READY_WITHIN_S = 180.0
MIB = 1024 * 1024
JSON = {"content-type": "application/json"}


@dataclass
class ServerProcess:
    """A command that serves on a port; `ask` is one body that it answers with 200 once it is ready."""

    name: str
    command: Sequence[str]
    url: str
    ask: bytes
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    bodies: Path | None = None
    """What it is asked instead, where it takes other bodies than ours."""
    ready_s: float = 0.0
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        began = time.perf_counter()
        environment = {**os.environ, "PYTHONPATH": str(LIBRARY_ROOT), "HF_HUB_OFFLINE": "1", **self.environment}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self.command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait_ready()
        except BaseException:
            self.__exit__()
            raise
        self.ready_s = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    @contextmanager
    def alone(self, others: Sequence[ServerProcess]) -> Iterator[None]:
        """Runs the block while the other servers stand still, whatever their idle threads would do."""
        stopped = [other for other in others if other is not self]
        for other in stopped:
            other._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for other in stopped:
                other._signal(signal.SIGCONT)

    def answer(self, bodies: Sequence[bytes]) -> None:
        """Returns once it has answered all of these, one after the other. Raises EvergreenError: it did not."""
        with httpx.Client(trust_env=False, timeout=READY_WITHIN_S) as client:
            for body in bodies:
                status = client.post(self.url, content=body, headers=JSON).status_code
                if status != httpx.codes.OK:
                    raise EvergreenError(f"{self.name} answered {status}; its log ends with:\n{log_tail(self.log)}")

    def memory_mib(self) -> float:
        """Resident memory of all its processes."""
        if self._process is None:
            return 0.0
        first = psutil.Process(self._process.pid)
        return float(sum(process.memory_info().rss for process in [first, *first.children(recursive=True)]) / MIB)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _wait_ready(self) -> None:
        until = time.monotonic() + READY_WITHIN_S
        with httpx.Client(trust_env=False, timeout=READY_WITHIN_S) as client:
            while time.monotonic() < until and self._process is not None and self._process.poll() is None:
                try:
                    if client.post(self.url, content=self.ask, headers=JSON).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(POLL_S)
        raise EvergreenError(f"{self.name} did not answer; its log ends with:\n{log_tail(self.log)}")
