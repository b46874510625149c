"""Proves, before any upload, that a server honours the contract: the model's own files, as a process of its own.

    check_server(model.path, [{"text": "Stocks rose"}])

starts `python -m evergreen.serving` under the environment that a Vertex AI container gets, and asks it what Vertex and
its callers will ask. The Python and the packages are those of this machine, not those of the serving image.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import EndpointError
from evergreen.runtime.processes import free_port, library_environment, log_tail
from evergreen.serving.settings import MIB
from evergreen.tasks.model_directory import check_requirement, required

SERVER_COMMAND = (sys.executable, "-m", "evergreen.serving")
ROUTE = "/v1/endpoints/1/deployedModels/1"
POLL_S = 0.05
STOP_S = 30.0
ANSWER_S = 60.0
OVERSIZED_BYTES = 16 * MIB


def check_server(
    model_dir: Path, instances: Sequence[Any], deadline_s: float = 180.0, command: Sequence[str] = SERVER_COMMAND
) -> None:
    """Returns when the server of `model_dir` kept every clause; `instances` are good ones of its task.

    Raises:
        EndpointError: a clause does not hold; the message names it and ends with the server's last words.
        InputError: `model_dir` is no trained model, or the package that it requires is not installed.
    """
    trial = _Trial(TrainedModel.open(model_dir), list(instances))
    check_requirement(required(model_dir), f"version {trial.model.version}")
    with tempfile.TemporaryDirectory(prefix="contract-") as folder, trial.server(command, Path(folder) / "server.log"):
        trial.becomes_ready(deadline_s)
        trial.predicts()
        trial.refuses_what_is_malformed()
        trial.stops()


class _Trial:
    def __init__(self, model: TrainedModel, instances: list[Any]) -> None:
        self.model = model
        self._instances = instances
        self._log = Path()
        self._process: subprocess.Popen[bytes]
        self._client: httpx.Client

    @contextmanager
    def server(self, command: Sequence[str], log: Path) -> Iterator[None]:
        """Runs the server while the block runs."""
        self._log = log
        port = free_port()
        variables = {
            "AIP_STORAGE_URI": str(self.model.path.resolve()),
            "AIP_HTTP_PORT": str(port),
            "AIP_HEALTH_ROUTE": ROUTE,
            "AIP_PREDICT_ROUTE": f"{ROUTE}:predict",
            "AIP_MODE": "PREDICTION",
            "EVERGREEN_EXIT_WITH_STDIN": "1",  # a run that is killed leaves no server behind
        }
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=library_environment(variables), stdin=subprocess.PIPE, stdout=output, stderr=output
            )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=ANSWER_S, trust_env=False) as client:
                self._client = client
                yield
        finally:
            self._process.kill()
            self._process.communicate()

    def becomes_ready(self, deadline_s: float) -> None:
        """Health is nothing but 503 until it is 200."""
        clause = "health is 503 until the model is loaded, then 200"
        started = time.monotonic()
        while time.monotonic() - started < deadline_s:
            if self._process.poll() is not None:
                raise self._broken(clause, f"the server ended with exit code {self._process.returncode}")
            status = self._health()
            if status == 200:
                return
            if status not in (None, 503):
                raise self._broken(clause, f"health answers {status}")
            time.sleep(POLL_S)
        raise self._broken(clause, f"no 200 within {deadline_s:g} s")

    def predicts(self) -> None:
        """A good request is answered with one prediction an instance, version and trace."""
        clause = "a good request gets one prediction an instance, with version and trace"
        answer = self._post({"json": {"instances": self._instances}, "headers": {"x-trace-id": "contract"}}, clause)
        if answer.status_code != 200:
            raise self._broken(clause, f"status {answer.status_code}: {answer.text[:300]}")
        try:
            content = answer.json()
            answered = (len(content["predictions"]), content["metadata"]["model_version"], answer.headers["x-trace-id"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._broken(clause, f"the answer has another shape ({error!r}): {answer.text[:300]}") from error
        expected = (len(self._instances), self.model.version, "contract")
        if answered != expected:
            raise self._broken(clause, f"predictions, version and trace are {answered}, not {expected}")

    def refuses_what_is_malformed(self) -> None:
        """Each malformed request gets a 4xx, and none hurts the server."""
        good = self._instances[0]
        for name, request, allowed, message in (
            ("a body that is not JSON", {"content": b"{", "headers": {"content-type": "application/json"}}, {400}, ""),
            ("a body without instances", {"json": {"rows": [good]}}, {400}, "instances"),
            ("an empty list of instances", {"json": {"instances": []}}, {400}, "empty"),
            ("a bad instance after a good one", {"json": {"instances": [good, None]}}, {400}, "instances[1]"),
            ("10,000 instances", {"json": {"instances": [0] * 10_000}}, {400, 413}, "10000"),
            ("an oversized body", {"content": b" " * OVERSIZED_BYTES}, {413}, ""),
        ):
            clause = f"{name} is refused by name"
            answer = self._post(request, clause)
            if answer.status_code not in allowed or message not in answer.text:
                raise self._broken(clause, f"status {answer.status_code}: {answer.text[:300]}")
        clause = "unknown routes are 404, wrong methods 405, and health is 200 still"
        statuses = (
            self._client.get("/nothing-here").status_code,
            self._client.get(f"{ROUTE}:predict").status_code,
            self._health(),
        )
        if statuses != (404, 405, 200):
            raise self._broken(clause, f"statuses {statuses}")

    def stops(self) -> None:
        """SIGTERM ends the server in time with exit code 0."""
        clause = "SIGTERM drains and ends with exit code 0"
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired as error:
            raise self._broken(clause, f"still running after {STOP_S:g} s") from error
        if code != 0:
            raise self._broken(clause, f"exit code {code}")

    def _health(self) -> int | None:
        try:
            return self._client.get(ROUTE).status_code
        except httpx.TransportError:
            return None

    def _post(self, request: dict[str, Any], clause: str) -> httpx.Response:
        try:
            return self._client.post(f"{ROUTE}:predict", **request)
        except (httpx.TransportError, ValueError) as error:
            raise self._broken(clause, f"no answer: {error!r}") from error

    def _broken(self, clause: str, seen: str) -> EndpointError:
        return EndpointError(
            f"the server of version {self.model.version} breaks its contract: {clause}; got: {seen}. "
            f"Its log ends with:\n{log_tail(self._log)}"
        )
