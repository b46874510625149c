"""Starts, finds and ends the front process: detached from the run that starts it and from its terminal."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from typing import Any

from evergreen.adapters.local_endpoint.state import EndpointFiles, EndpointState, FrontAddress, FrontStatus
from evergreen.core.errors import EndpointError
from evergreen.runtime.processes import library_environment, log_tail, port_conflict

FRONT_MODULE = "evergreen.adapters.local_endpoint.front"
FRONT_START_S = 30.0
ANSWER_S = 5.0
POLL_S = 0.05
LAST_GRACE_S = 20.0
FRONT_VARIABLES = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
"""So that the memory of large bodies goes back to the system once they are answered."""


def find_front(files: EndpointFiles) -> Any | None:
    """The running front as a `psutil.Process`, known by pid and command line: a recycled pid is not it."""
    import psutil

    address = files.read_address()
    if address is None:
        return None
    try:
        process = psutil.Process(address.pid)
        ours = process.cmdline()[-2:] == [FRONT_MODULE, str(files.root)]
        return process if ours and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return None


def ask_status(address: FrontAddress, timeout_s: float = ANSWER_S) -> FrontStatus | None:
    """What the front says of itself; None when it does not answer, or with something else."""
    try:
        status = FrontStatus.model_validate_json(_ask(address, timeout_s))
    except (OSError, HTTPException, ValueError):
        return None
    return status if status.pid == address.pid else None


def gives_any_answer(address: FrontAddress, timeout_s: float = ANSWER_S) -> bool:
    """Whether what listens there speaks HTTP, as a front does that is too full to say how it is."""
    try:
        _ask(address, timeout_s)
    except (OSError, HTTPException):
        return False
    return True


def _ask(address: FrontAddress, timeout_s: float) -> bytes:
    connection = HTTPConnection(address.reachable_host, address.port, timeout=timeout_s)
    try:
        connection.request("GET", "/status")
        return connection.getresponse().read()
    finally:
        connection.close()


def start_front(files: EndpointFiles, state: EndpointState) -> FrontAddress:
    """The address of a new front that answers.

    Raises:
        EndpointError: the port is taken, or the front ended; what it printed last is in the message.
    """
    require_free_port(state.host, state.port)
    log = files.log("front")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", FRONT_MODULE, str(files.root)],
            env=library_environment(FRONT_VARIABLES),
            cwd=files.root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # reaps it, should it end before we do
    deadline = time.monotonic() + FRONT_START_S
    try:
        while time.monotonic() < deadline and process.poll() is None:
            address = files.read_address()
            if address and address.pid == process.pid and ask_status(address):
                return address
            time.sleep(POLL_S)
    except BaseException:  # Ctrl-C: nobody would wait for it any more
        process.kill()
        raise
    process.kill()
    raise EndpointError(f"the endpoint's front did not start; its log {log} ends with:\n{log_tail(log)}")


def stop_front(process: Any, drain_timeout_s: float) -> None:
    """Drains the front and its workers; returns when the process is gone."""
    import psutil

    try:
        process.terminate()
        process.wait(drain_timeout_s + LAST_GRACE_S)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(ANSWER_S)


def require_free_port(host: str, port: int) -> None:
    """Returns when the address can be bound.

    Raises:
        EndpointError: it cannot; names the port and, where the machine tells, who holds it.
    """
    if conflict := port_conflict(host, port):
        raise EndpointError(
            f"the endpoint cannot listen on {host}:{port}: {conflict}; "
            "set another host.port (0: any free one) or stop what holds it"
        )
