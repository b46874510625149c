"""Sees one endpoint's front make true what is wanted: writes it, tells the front, waits; replaces a hung front."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from evergreen.adapters.local_endpoint.front_process import (
    POLL_S,
    ask_status,
    find_front,
    gives_any_answer,
    require_free_port,
    start_front,
    stop_front,
)
from evergreen.adapters.local_endpoint.state import EndpointFiles, EndpointState, FrontAddress, FrontStatus
from evergreen.core.errors import EndpointError, InputError
from evergreen.runtime.fingerprints import serving_code
from evergreen.runtime.processes import log_tail, port_conflict

RELOAD_S = 15.0


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
        workers_well = all(one.state != "failed" and one.code == code for one in status.versions.values())
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
        remaining = tuple(one for one in state.versions if one != version)
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

        def settled(status: FrontStatus) -> bool:
            worker = status.renewing.get(version) or status.versions.get(version)
            if worker is None or worker.state == "failed":
                raise EndpointError(f"version {version} did not become ready: {self._last_words(version, worker)}")
            awaited = {version, *status.traffic}
            workers = [*status.versions.items(), *status.renewing.items()]
            coming = {name for name, one in workers if one.state == "starting"}
            return not awaited & coming and version not in status.renewing

        self.wait(address, self._wanted.startup_timeout_s + RELOAD_S, settled, f"version {version} to be ready")

    def _last_words(self, version: str, worker: Any) -> str:
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
