"""Sees one endpoint's front make true what is wanted: starts it, tells it, waits for it, replaces one that hangs.

The front is a process of its own, detached from the run that starts it and from its terminal.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Any

from evergreen.adapters.local_endpoint.state import (
    EndpointFiles,
    EndpointState,
    FrontAddress,
    FrontStatus,
    WorkerStatus,
)
from evergreen.core.errors import EndpointError, InputError
from evergreen.runtime.fingerprints import serving_code
from evergreen.runtime.processes import library_environment, log_tail, port_conflict

FRONT_MODULE = "evergreen.adapters.local_endpoint.front"
ANSWER_S = 5.0
POLL_S = 0.05
LAST_GRACE_S = 20.0
FRONT_VARIABLES = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
"""So that the memory of large bodies goes back to the system once they are answered."""
RELOAD_S = 15.0


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
        EndpointError: the port is taken, or the front ended or was not up within `startup_timeout_s`; what it printed
            last is in the message.
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
    deadline = time.monotonic() + state.startup_timeout_s
    try:
        while time.monotonic() < deadline and process.poll() is None:
            address = files.read_address()
            if address and address.pid == process.pid and ask_status(address):
                return address
            time.sleep(POLL_S)
    except BaseException:  # Ctrl-C: nobody would wait for it any more
        process.kill()
        raise
    code = process.poll()
    process.kill()
    late = (
        f"did not answer within {state.startup_timeout_s:g} s, as on a busy machine; run again when it has less to do, "
        "or set parameters.host.startup_timeout_s higher"
    )
    why = late if code is None else f"ended with exit code {code}"
    raise EndpointError(f"the endpoint's front {why}. Its log {log} ends with:\n{log_tail(log)}")


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


class FrontControl:
    """The front of the endpoint in `files`, under the configuration that `wanted` carries."""

    def __init__(self, files: EndpointFiles, wanted: EndpointState) -> None:
        self._files = files
        self._wanted = wanted

    def state(self) -> EndpointState:
        """What stands on disk, under the present configuration."""
        kept = self._files.read_state()
        if kept is None:
            return self._wanted
        port = self._wanted.port or kept.port
        return self._wanted.model_copy(
            update={"port": port, "revision": kept.revision, "versions": kept.versions, "traffic": kept.traffic}
        )

    def apply(self, state: EndpointState, reload: bool = True) -> FrontAddress:
        """The address of the front once it follows `state`; starts one where none answers.

        A reload also starts failed versions again at once, with what failed before forgotten, and renews outdated ones.
        """
        running = self.running()
        if running is None:
            self.end_hung_front()
            return self._start(state)
        address, status = running
        self._check_address(address)
        code = serving_code()
        workers_well = all(worker.state != "failed" and worker.code == code for worker in status.versions.values())
        well = status.revision == state.revision and workers_well
        if reload or not well:
            self._reload(address, changed(state, revision=state.revision + 1))
        return address

    def answers(self, version: str) -> bool:
        """Whether the version is ready where the configuration says. Raises InputError when the front is elsewhere."""
        running = self.running()
        if running is None:
            return False
        address, status = running
        self._check_address(address)
        return version in status.versions and status.versions[version].state == "ready"

    def _reload(self, address: FrontAddress, state: EndpointState) -> None:
        self._files.write_state(state)
        self._signal_reload()
        self.wait(address, RELOAD_S, lambda status: status.revision >= state.revision, "it to take up the change")

    def _start(self, state: EndpointState) -> FrontAddress:
        if not self._wanted.port and state.port:
            try:
                require_free_port(state.host, state.port)
            except EndpointError:  # any port was asked for, so the remembered one is only a preference
                state = changed(state, port=0)
        require_free_port(state.host, state.port)
        self._files.write_state(state)
        address = start_front(self._files, state)
        if address.port != state.port:
            self._files.write_state(changed(state, port=address.port))
        return address

    def running(self) -> tuple[FrontAddress, FrontStatus] | None:
        """The front that answers, within a while; None where none runs, or one that hangs.

        Raises:
            EndpointError: it answers, but is too full to say how it is.
        """
        front = find_front(self._files)
        address = self._files.read_address()
        if front is None or address is None:
            return None
        deadline = time.monotonic() + RELOAD_S
        while time.monotonic() < deadline and front.is_running():
            status = ask_status(address)
            if status is not None:
                return address, status
            time.sleep(POLL_S)
        if front.is_running() and gives_any_answer(address):
            raise EndpointError(
                f"the endpoint at {address.url} answers, but is too full to say how it is; try again when fewer ask it"
            )
        return None

    def end_hung_front(self) -> None:
        """Kills a front that gives no answer at all, so that another one can take its place."""
        front, address = find_front(self._files), self._files.read_address()
        if front is not None and address is not None and not gives_any_answer(address):
            front.kill()
            front.wait(RELOAD_S)

    def require_running(self) -> tuple[FrontAddress, FrontStatus]:
        """The front that answers. Raises EndpointError when none does."""
        running = self.running()
        if running is None:
            raise EndpointError(f"the endpoint of {self._wanted.model} is down; deploy a version to start it again")
        return running

    def check(self) -> None:
        """Returns when the front answers where the configuration says, or one could be started there.

        Raises:
            InputError: it answers elsewhere, or something else listens there.
        """
        front, address = find_front(self._files), self._files.read_address()
        host, port = self._wanted.host, self._wanted.port
        if front is not None and address is not None:
            if ask_status(address) is not None:
                self._check_address(address)
                return
            if address.port == port:
                return  # our own front hangs; the next deploy ends it and starts another
        if port and (conflict := port_conflict(host, port)):
            raise InputError(
                f"the endpoint of model '{self._wanted.model}' cannot listen on {host}:{port}: {conflict}; "
                "set parameters.host.port to another one (0: any free one), or end what listens there"
            )

    def _check_address(self, address: FrontAddress) -> None:
        if self._wanted.host != address.host or self._wanted.port not in (0, address.port):
            raise InputError(
                f"the endpoint of model '{self._wanted.model}' is live at {address.host}:{address.port}, the "
                f"configuration says {self._wanted.host}:{self._wanted.port}; run teardown first to move it, or set "
                f"parameters.host back to host {address.host}, port {address.port}"
            )

    def _signal_reload(self) -> None:
        import signal

        front = find_front(self._files)
        if front is not None:
            front.send_signal(signal.SIGHUP)

    def withdraw(self, version: str) -> None:
        """Takes a version that failed out of what is wanted, and ends a front that would have none left."""
        state = self.state()
        if version not in state.versions:
            return
        remaining = tuple(other for other in state.versions if other != version)
        after = changed(state, versions=remaining, revision=state.revision + 1)
        self._files.write_state(after)
        front, address = find_front(self._files), self._files.read_address()
        if front is not None and not remaining:
            stop_front(front, self._wanted.drain_timeout_s)
        elif front is not None and address is not None:
            with suppress(EndpointError):  # the reason to withdraw it is what is raised
                self._reload(address, after)

    def wait_ready(self, address: FrontAddress, version: str) -> None:
        """Returns once the version is ready and no version with traffic is still on its way up."""

        def is_up(status: FrontStatus) -> bool:
            worker = status.renewing.get(version) or status.versions.get(version)
            if worker is None or worker.state == "failed":
                raise EndpointError(f"version {version} did not become ready: {self._last_words(version, worker)}")
            awaited = {version, *status.traffic}
            workers = [*status.versions.items(), *status.renewing.items()]
            coming = {name for name, process in workers if process.state == "starting"}
            return not awaited & coming and version not in status.renewing

        self.wait(address, self._wanted.startup_timeout_s + RELOAD_S, is_up, f"version {version} to be ready")

    def _last_words(self, version: str, worker: WorkerStatus | None) -> str:
        log = self._files.log(version)
        return f"{worker.failure if worker else 'it is gone'}; its log {log} ends with:\n{log_tail(log)}"

    def wait(self, address: FrontAddress, timeout_s: float, done: Callable[[FrontStatus], bool], awaited: str) -> None:
        """Returns once the status is `done`. Raises EndpointError naming what was awaited when it never is."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status = ask_status(address)
            if status is not None and done(status):
                return
            if status is None and find_front(self._files) is None:
                break
            time.sleep(POLL_S)
        log = self._files.log("front")
        raise EndpointError(f"waited in vain for {awaited}; the front's log {log} ends with:\n{log_tail(log)}")


def changed(state: EndpointState, **update: Any) -> EndpointState:
    """The state with these fields changed."""
    return state.model_copy(update=update)
