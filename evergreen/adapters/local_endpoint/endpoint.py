"""One model's local endpoint: changes what is wanted on disk, and sees the front make it true."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from evergreen.adapters.local_endpoint.client import post_predict
from evergreen.adapters.local_endpoint.front_process import (
    POLL_S,
    ask_status,
    find_front,
    require_free_port,
    start_front,
    stop_front,
)
from evergreen.adapters.local_endpoint.state import (
    EndpointFiles,
    EndpointState,
    FrontAddress,
    FrontStatus,
    exclusive,
)
from evergreen.adapters.local_endpoint.store import prune_models, store_model
from evergreen.core.errors import EndpointError, InputError
from evergreen.core.processes import log_tail
from evergreen.core.reports import EndpointStatus

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
RELOAD_S = 15.0


class ServedEndpoint:
    """The `Endpoint` of one model below `state_dir`. `wanted` carries the configuration: address, limits, command."""

    def __init__(self, wanted: EndpointState, state_dir: Path, lock_timeout_s: float) -> None:
        _check_name("model", wanted.model)
        self._wanted = wanted
        self._files = EndpointFiles(state_dir.resolve() / wanted.model)
        self._lock_timeout_s = lock_timeout_s

    def upload(self, version: str, model_dir: Path) -> None:
        """Keeps the version's files beside the endpoint's state; does nothing when they are there."""
        _check_name("version", version)
        with self._locked():
            target = self._files.model_dir(version)
            target.parent.mkdir(parents=True, exist_ok=True)
            store_model(version, model_dir, target)
            prune_models(target.parent, {version, *self._state().versions})

    def deploy(self, version: str) -> None:
        """Starts the version at 0 % of the traffic, and what else should run and does not; returns when it is ready.

        Raises:
            EndpointError: it never became ready, was not uploaded, or the port is taken.
        """
        _check_name("version", version)
        if not self._files.model_dir(version).is_dir():
            raise EndpointError(f"version {version} of {self._wanted.model} is not here; upload it first")
        with self._locked():
            before = self._state()
            known = version in before.versions
            after = before if known else _changed(before, versions=(*before.versions, version))
            try:
                address = self._apply(after, reload=not known)
                self._wait_ready(address, version)
            except BaseException:  # also Ctrl-C: a newcomer that failed leaves nothing behind
                if not known:
                    self._withdraw(version)
                raise

    def set_traffic(self, traffic: Mapping[str, int]) -> None:
        """Splits requests among deployed versions.

        Raises:
            InputError: percents do not sum to 100.
            EndpointError: a version with traffic is not ready, or the endpoint is down.
        """
        shares = {version: percent for version, percent in traffic.items() if percent}
        if sum(shares.values()) != 100 or min(shares.values()) < 0:
            raise InputError(f"traffic {dict(traffic)} is no split; percents are 0 or more and sum to 100")
        with self._locked():
            _, status = self._require_running()
            for version in shares:
                if version not in status.versions or status.versions[version].state != "ready":
                    found = status.versions[version].state if version in status.versions else "not deployed"
                    raise EndpointError(f"version {version} is {found}; deploy it before it gets traffic")
            if status.traffic != shares:
                self._apply(_changed(self._state(), traffic=shares))

    def undeploy(self, version: str) -> None:
        """Stops the version after its requests were answered; its files stay for a later deploy."""
        with self._locked():
            state = self._state()
            if state.traffic.get(version):
                raise EndpointError(f"version {version} has {state.traffic[version]} % of the traffic; move it first")
            if version not in state.versions:
                return
            remaining = tuple(one for one in state.versions if one != version)
            after = _changed(state, versions=remaining)
            if find_front(self._files) is None:
                self._files.write_state(after)
                return
            address = self._apply(after)
            patience = self._wanted.drain_timeout_s + RELOAD_S
            self._wait(address, patience, lambda status: version not in status.retiring, f"version {version} to end")

    def predict(self, instances: Sequence[Any], version: str | None = None) -> list[dict[str, Any]]:
        """Predictions by the traffic split, or by one deployed version."""
        address = self._files.read_address()
        if address is None:
            raise EndpointError(f"the endpoint of {self._wanted.model} is not running; run the pipeline to start it")
        path = "/predict" if version is None else f"/versions/{version}/predict"
        return post_predict(address.url + path, instances, self._wanted.request_timeout_s)

    def status(self) -> EndpointStatus:
        """What the front says; when it does not answer, no URL and the traffic that stands on disk.

        Raises:
            EndpointError: the front does not answer and the state on disk is damaged.
        """
        address = self._files.read_address()
        status = ask_status(address) if address and find_front(self._files) else None
        if address is None or status is None:
            kept = self._files.read_state()
            return EndpointStatus(url=None, traffic=_by_version(kept.versions, kept.traffic) if kept else {}, ready=())
        ready = tuple(name for name, worker in status.versions.items() if worker.state == "ready")
        traffic = _by_version(status.versions, status.traffic)
        return EndpointStatus(url=f"{address.url}/predict", traffic=traffic, ready=ready)

    def delete(self) -> None:
        """Stops the front and its workers after their requests were answered, and removes the state."""
        with self._locked():
            front = find_front(self._files)
            if front is not None:
                stop_front(front, self._wanted.drain_timeout_s)
            shutil.rmtree(self._files.root, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        model = self._wanted.model
        taken = f"another run is changing the endpoint of {model}; wait until it is done and run again"
        with exclusive(self._files.root.with_name(f"{model}.lock"), self._lock_timeout_s, taken):
            yield

    def _state(self) -> EndpointState:
        """What stands on disk, under the present configuration."""
        kept = self._files.read_state()
        if kept is None:
            return self._wanted
        port = self._wanted.port or kept.port
        return self._wanted.model_copy(
            update={"port": port, "revision": kept.revision, "versions": kept.versions, "traffic": kept.traffic}
        )

    def _apply(self, state: EndpointState, reload: bool = True) -> FrontAddress:
        """The address of the front once it follows `state`; starts one where none answers.

        A reload also starts failed versions again at once, with what failed before forgotten.
        """
        running = self._running()
        if running is None:
            return self._start(state)
        address, status = running
        self._check_address(address)
        well = status.revision == state.revision and all(one.state != "failed" for one in status.versions.values())
        if reload or not well:
            self._reload(address, _changed(state, revision=state.revision + 1))
        return address

    def _reload(self, address: FrontAddress, state: EndpointState) -> None:
        self._files.write_state(state)
        self._signal_reload()
        self._wait(address, RELOAD_S, lambda status: status.revision >= state.revision, "it to take up the change")

    def _start(self, state: EndpointState) -> FrontAddress:
        if not self._wanted.port and state.port:
            try:
                require_free_port(state.host, state.port)
            except EndpointError:  # any port was asked for, so the remembered one is only a preference
                state = _changed(state, port=0)
        require_free_port(state.host, state.port)
        self._files.write_state(state)
        address = start_front(self._files, state)
        if address.port != state.port:
            self._files.write_state(_changed(state, port=address.port))
        return address

    def _running(self) -> tuple[FrontAddress, FrontStatus] | None:
        """The front that answers; one that hangs is ended."""
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
        front.kill()
        front.wait(RELOAD_S)
        return None

    def _require_running(self) -> tuple[FrontAddress, FrontStatus]:
        running = self._running()
        if running is None:
            raise EndpointError(f"the endpoint of {self._wanted.model} is down; deploy a version to start it again")
        return running

    def _check_address(self, address: FrontAddress) -> None:
        if self._wanted.host != address.host or self._wanted.port not in (0, address.port):
            raise InputError(
                f"the endpoint of {self._wanted.model} runs at {address.host}:{address.port}, the configuration says "
                f"{self._wanted.host}:{self._wanted.port}; run teardown to move it, or change the configuration back"
            )

    def _signal_reload(self) -> None:
        import signal

        front = find_front(self._files)
        if front is not None:
            front.send_signal(signal.SIGHUP)

    def _withdraw(self, version: str) -> None:
        state = self._state()
        if version not in state.versions:
            return
        remaining = tuple(one for one in state.versions if one != version)
        after = _changed(state, versions=remaining, revision=state.revision + 1)
        self._files.write_state(after)
        front, address = find_front(self._files), self._files.read_address()
        if front is not None and not remaining:
            stop_front(front, self._wanted.drain_timeout_s)
        elif front is not None and address is not None:
            with suppress(EndpointError):  # the reason to withdraw it is what is raised
                self._reload(address, after)

    def _wait_ready(self, address: FrontAddress, version: str) -> None:
        """Returns once the version is ready and no version with traffic is still on its way up."""

        def settled(status: FrontStatus) -> bool:
            worker = status.versions.get(version)
            if worker is None or worker.state == "failed":
                raise EndpointError(f"version {version} did not become ready: {self._last_words(version, worker)}")
            awaited = {version, *status.traffic}
            return all(status.versions[name].state != "starting" for name in awaited if name in status.versions)

        self._wait(address, self._wanted.startup_timeout_s + RELOAD_S, settled, f"version {version} to be ready")

    def _last_words(self, version: str, worker: Any) -> str:
        log = self._files.log(version)
        return f"{worker.failure if worker else 'it is gone'}; its log {log} ends with:\n{log_tail(log)}"

    def _wait(self, address: FrontAddress, timeout_s: float, done: Callable[[FrontStatus], bool], awaited: str) -> None:
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


def _by_version(versions: Iterable[str], shares: Mapping[str, int]) -> dict[str, int]:
    return {version: shares.get(version, 0) for version in versions}


def _changed(state: EndpointState, **update: Any) -> EndpointState:
    return state.model_copy(update=update)


def _check_name(what: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise InputError(f"{what} {name!r} cannot name a folder; use letters, digits, '.', '_' and '-'")
