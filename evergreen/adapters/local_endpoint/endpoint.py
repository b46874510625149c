"""One model's local endpoint: the verbs of `Endpoint`, each under the lock of whoever changes it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evergreen.adapters.local_endpoint.client import post_predict
from evergreen.adapters.local_endpoint.control import RELOAD_S, FrontControl, changed
from evergreen.adapters.local_endpoint.front_process import (
    ask_status,
    find_front,
    stop_front,
)
from evergreen.adapters.local_endpoint.state import EndpointFiles, EndpointState
from evergreen.adapters.local_endpoint.store import prune_models, store_model
from evergreen.core.deployment import EndpointStatus
from evergreen.core.errors import EndpointError, InputError
from evergreen.runtime.fingerprints import serving_code
from evergreen.runtime.locks import exclusive

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class LocalEndpoint:
    """The `Endpoint` of one model below `state_dir`. `wanted` carries the configuration: address, limits, command."""

    def __init__(self, wanted: EndpointState, state_dir: Path, lock_timeout_s: float) -> None:
        _check_name("model", wanted.model)
        self._wanted = wanted
        self._files = EndpointFiles(state_dir.resolve() / wanted.model)
        self._front = FrontControl(self._files, wanted)
        self._lock_timeout_s = lock_timeout_s

    def upload(self, version: str, model_dir: Path) -> None:
        """Keeps the version's files beside the endpoint's state; does nothing when they are there."""
        _check_name("version", version)
        with self._locked():
            target = self._files.model_dir(version)
            target.parent.mkdir(parents=True, exist_ok=True)
            store_model(version, model_dir, target)
            prune_models(target.parent, {version, *self._front.state().versions})

    def deploy(self, version: str) -> None:
        """Starts the version at 0 % of the traffic, and what else should run and does not; returns when it is ready.

        Does nothing where it answers, whatever code its worker runs.

        Raises:
            EndpointError: it never became ready, was not uploaded, or the port is taken.
        """
        self._require_files(version)
        with self._locked():
            before = self._front.state()
            known = version in before.versions
            if known:
                if self._front.answers(version):
                    return
                self._front.end_hung_front()
            after = before if known else changed(before, versions=(*before.versions, version))
            try:
                address = self._front.apply(after, reload=not known)
                self._front.wait_ready(address, version)
            except BaseException:  # also Ctrl-C: a newcomer that failed leaves nothing behind
                if not known:
                    self._front.withdraw(version)
                raise

    def renew(self, version: str) -> None:
        """Starts a worker with the present code beside an older one, whose place it takes once it is ready.

        Raises:
            EndpointError: it never became ready; the older one answers on.
        """
        self._require_files(version)
        with self._locked():
            address = self._front.apply(self._front.state())
            self._front.wait_ready(address, version)

    def switch(self, version: str) -> None:
        """Does nothing: the front gave the traffic to the successor as soon as it was ready."""

    def clear(self) -> None:
        """Does nothing: the front knows its workers, and asks a version that has no traffic as it is."""

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
            _, status = self._front.require_running()
            for version in shares:
                if version not in status.versions or status.versions[version].state != "ready":
                    found = status.versions[version].state if version in status.versions else "not deployed"
                    raise EndpointError(f"version {version} is {found}; deploy it before it gets traffic")
            if status.traffic != shares:
                self._front.apply(changed(self._front.state(), traffic=shares))

    def undeploy(self, version: str) -> None:
        """Stops the version after its requests were answered; its files stay for a later deploy."""
        with self._locked():
            state = self._front.state()
            if state.traffic.get(version):
                raise EndpointError(f"version {version} has {state.traffic[version]} % of the traffic; move it first")
            if version not in state.versions:
                return
            remaining = tuple(one for one in state.versions if one != version)
            after = changed(state, versions=remaining)
            if find_front(self._files) is None:
                self._files.write_state(after)
                return
            address = self._front.apply(after)
            patience = self._wanted.drain_timeout_s + RELOAD_S
            ended = f"version {version} to end"
            self._front.wait(address, patience, lambda status: version not in status.retiring, ended)

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
        code = serving_code()
        outdated = tuple(name for name in ready if status.versions[name].code != code)
        return EndpointStatus(url=f"{address.url}/predict", traffic=traffic, ready=ready, outdated=outdated)

    def check(self) -> None:
        """Returns when the endpoint is live where the configuration says, or could be started there.

        Raises:
            InputError: it is live elsewhere, or something else listens there.
        """
        self._front.check()

    def delete(self) -> None:
        """Stops the front and its workers after their requests were answered, and removes the state."""
        with self._locked():
            front = find_front(self._files)
            if front is not None:
                stop_front(front, self._wanted.drain_timeout_s)
            shutil.rmtree(self._files.root, ignore_errors=True)

    def _require_files(self, version: str) -> None:
        _check_name("version", version)
        if not self._files.model_dir(version).is_dir():
            raise EndpointError(f"version {version} of {self._wanted.model} is not here; upload it first")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        model = self._wanted.model
        taken = f"another run is changing the endpoint of {model}"
        with exclusive(self._files.root.with_name(f"{model}.lock"), taken, self._lock_timeout_s):
            yield


def _by_version(versions: Iterable[str], shares: Mapping[str, int]) -> dict[str, int]:
    return {version: shares.get(version, 0) for version in versions}


def _check_name(what: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise InputError(f"{what} {name!r} cannot name a folder; use letters, digits, '.', '_' and '-'")
