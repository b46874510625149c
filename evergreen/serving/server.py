"""The server process: binds, loads in the background, answers, and drains on SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from functools import partial
from types import FrameType
from typing import cast

import uvicorn

from evergreen.core.errors import EndpointError, EvergreenError
from evergreen.core.limits import KEEP_ALIVE_S, MAX_CONNECTIONS
from evergreen.requestlog.opening import open_journal
from evergreen.runtime.connections import Room
from evergreen.runtime.logs import log_json_to_stderr
from evergreen.runtime.processes import allow_files
from evergreen.serving.accounts import LOGGER, Accounts
from evergreen.serving.app import create_app
from evergreen.serving.connections import PatientProtocol
from evergreen.serving.model import Load, ServedModel
from evergreen.serving.settings import ServerSettings
from evergreen.serving.turning_away import TurningAway

LAST_GRACE_S = 5
DESCRIPTORS = 2 * MAX_CONNECTIONS


def serve(settings: ServerSettings, load: Load) -> int:
    """Serves until SIGTERM or SIGINT; the process's exit code: 0 after a drain, else the reason is on stderr.

    Raises:
        EndpointError: the address cannot be bound.
    """
    log_json_to_stderr(LOGGER)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_cleanly)
    if settings.exit_with_stdin:
        threading.Thread(target=_follow_stdin, args=(settings.drain_s,), daemon=True).start()
    allow_files(DESCRIPTORS)
    listener = _bind(settings.host, settings.port)
    model = ServedModel(settings, load)
    journal = open_journal(os.environ, LOGGER, lambda: model.version)
    accounts = Accounts(settings, model, journal)
    connection = partial(
        PatientProtocol, Room(MAX_CONNECTIONS, time.monotonic), TurningAway(settings, model, accounts).answer
    )
    server = _Draining(
        model,
        uvicorn.Config(
            create_app(settings, model, accounts),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            loop="asyncio",  # as in the image, which has no other
            http=cast("type[asyncio.Protocol]", connection),
            ws="none",
            timeout_keep_alive=int(KEEP_ALIVE_S),  # longer than callers keep theirs: never we close under a request
            timeout_graceful_shutdown=settings.drain_s,
        ),
    )
    failures: list[Exception] = []

    def loaded(error: Exception | None) -> None:
        if error is None:
            LOGGER.info("ready", extra={"fields": {"version": model.version}})
            return
        failures.append(error)
        server.should_exit = True

    where = {"host": settings.host, "port": listener.getsockname()[1], "mode": settings.mode, "pid": os.getpid()}
    LOGGER.info("listening", extra={"fields": where})
    model.load_in_thread(loaded)
    try:
        server.run(sockets=[listener])
    except SystemExit as stop:
        LOGGER.info("drained")
        return stop.code if isinstance(stop.code, int) else 1
    finally:
        model.close()
        if journal is not None:
            journal.close()
    return _report(failures[0]) if failures else 0


class _Draining(uvicorn.Server):
    """Told to end, it refuses what comes until all that is under way was answered, and only then stops to listen.

    So whoever asks gets an answer that says so, health first of all, and no connection is refused or reset.
    """

    def __init__(self, model: ServedModel, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._model = model
        self._ends: tuple[int, FrameType | None] | None = None
        self._until = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to drain; a second signal ends at once what is under way."""
        if self._ends is not None:
            self.config.timeout_graceful_shutdown = 0
            super().handle_exit(sig, frame)
            return
        self._model.drain()
        self._until = time.monotonic() + (self.config.timeout_graceful_shutdown or 0)
        self._ends = (sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now; asked ten times a second."""
        late = time.monotonic() >= self._until
        if self._ends is not None and not self.should_exit and (late or not self._model.waiting):
            self.config.timeout_graceful_shutdown = 0 if late else 1
            super().handle_exit(*self._ends)
        return await super().on_tick(counter)


def _report(error: Exception) -> int:
    reason = str(error) if isinstance(error, EvergreenError) else f"{type(error).__name__}: {error}"
    sys.stderr.write(f"the model did not load: {reason}\n")
    return error.exit_code if isinstance(error, EvergreenError) else 1


def _exit_cleanly(_number: int, _frame: FrameType | None) -> None:
    """Runs before uvicorn takes signals over, and once more when it has drained and raises the signal again."""
    raise SystemExit(0)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named as TCP, or asyncio leaves Nagle's algorithm on: half of each answer then waits 40 ms for the caller's ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise EndpointError(
            f"{host}:{port} cannot be bound: {error.strerror or error}; set AIP_HTTP_PORT or EVERGREEN_HOST"
        ) from error
    return listener


def _follow_stdin(drain_s: int) -> None:
    """Ends the process when whoever started it is gone, even by SIGKILL: the kernel closes its end of the pipe."""
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(drain_s + LAST_GRACE_S)
    os._exit(1)
