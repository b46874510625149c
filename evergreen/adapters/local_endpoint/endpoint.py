"""One model's local endpoint: the verbs of `Endpoint`, each under the lock of whoever changes it.

The trained models that it serves are kept beside its state, so that no run's temporary folder is needed again.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from evergreen.adapters.local_endpoint.asking import post_predict
from evergreen.adapters.local_endpoint.control import (
    RELOAD_S,
    FrontControl,
    ask_status,
    changed,
    find_front,
    stop_front,
)
from evergreen.adapters.local_endpoint.settings import LocalLog
from evergreen.adapters.local_endpoint.state import EndpointFiles, EndpointState, ShadowOrder
from evergreen.core.answers import Predictions
from evergreen.core.artifacts import MANIFEST_NAME, TrainedModel
from evergreen.core.deployment import EndpointStatus
from evergreen.core.engines import ServedEngines, add_engines, link_or_copy, read_engines
from evergreen.core.errors import EndpointError, InputError
from evergreen.core.ramp import ALL_TRAFFIC
from evergreen.core.shadow import Shadow
from evergreen.runtime.asides import beside_the_point
from evergreen.runtime.fingerprints import serving_code
from evergreen.runtime.locks import exclusive

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
KEPT_UPLOADS = 5
LATE_S = 30.0
"""How much longer than asked for copies of requests may go on where nobody ends them."""


class LocalEndpoint:
    """The `Endpoint` of one model below `state_dir`. `wanted` carries the configuration: address, limits, command.

    `log` says what is noted of requests.
    """

    def __init__(
        self, wanted: EndpointState, state_dir: Path, lock_timeout_s: float, log: LocalLog | None = None
    ) -> None:
        _check_name("model", wanted.model)
        self._wanted = wanted
        self._files = EndpointFiles(state_dir.resolve() / wanted.model)
        self._front = FrontControl(self._files, wanted)
        self._lock_timeout_s = lock_timeout_s
        self._log = log

    def upload(self, version: str, model_dir: Path) -> None:
        """Keeps the version's files beside the endpoint's state; does nothing when they are there."""
        _check_name("version", version)
        with self._locked():
            target = self._files.model_dir(version)
            target.parent.mkdir(parents=True, exist_ok=True)
            store_model(version, model_dir, target)
            prune_models(target.parent, {version, *self._front.state().versions})

    def offer(self, version: str, examples: Sequence[Mapping[str, Any]]) -> None:
        """Has the page to try it offer these instances, where the version is here."""
        if not self._files.model_dir(version).is_dir() or self._files.read_examples(version) == list(examples):
            return
        try:
            self._files.write_examples(version, examples)
        except OSError as error:
            raise EndpointError(f"the examples of version {version} cannot be kept: {error}") from error

    def deploy(self, version: str) -> None:
        """Starts the version at 0 % of the traffic, and what else should run and does not; returns when it is ready.

        Does nothing where it answers, whatever code its worker runs.

        Raises:
            EndpointError: it never became ready, was not uploaded, or the port is taken.
        """
        self._require_files(version)
        with self._locked():
            self._files.write_log(self._log)
            self._files.parked.unlink(missing_ok=True)
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
            self._files.write_log(self._log)
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
                    state_of_version = status.versions[version].state if version in status.versions else "not deployed"
                    raise EndpointError(f"version {version} is {state_of_version}; deploy it before it gets traffic")
            if status.traffic != shares:
                self._front.apply(changed(self._front.state(), traffic=shares))

    def scale(self, version: str, replicas: int | None) -> bool:  # noqa: ARG002
        """Does nothing: a version is one process."""
        return True

    def shadow(self, version: str, plan: Shadow | None) -> None:
        """Has the front copy requests to the version, or no more of them; nothing where none runs any more.

        Raises:
            EndpointError: the version is not ready or has traffic, or the front is of older code.
        """
        with self._locked():
            if plan is None:
                self._end_shadow(version)
                return
            address, status = self._front.require_running()
            worker = status.versions.get(version)
            if worker is None or worker.state != "ready" or version in status.traffic:
                raise EndpointError(
                    f"version {version} is not ready beside the traffic, so it gets no copies of requests"
                )
            self._files.write_shadow(
                ShadowOrder(version=version, share=plan.share, until=time.time() + plan.for_s + LATE_S)
            )
            self._front.apply(self._front.state())
            told = ask_status(address)
            if told is None or told.shadow is None:
                self._files.write_shadow(None)
                raise EndpointError(
                    f"the front of {self._wanted.model} is of older code, which copies no requests; run teardown and "
                    "then the pipeline again, or leave rollout.shadow out"
                )

    def _end_shadow(self, version: str) -> None:
        if self._forget_shadow(version) and find_front(self._files) is not None:
            self._front.apply(self._front.state())

    def _forget_shadow(self, version: str) -> bool:
        """Takes back the order to copy requests to the version, which the front follows until it reads again."""
        order = self._files.read_shadow()
        ordered = order is not None and order.version == version
        if ordered:
            self._files.write_shadow(None)
        return ordered

    def undeploy(self, version: str) -> None:
        """Stops the version after its requests were answered; its files stay for a later deploy."""
        with self._locked():
            state = self._front.state()
            if state.traffic.get(version):
                raise EndpointError(f"version {version} has {state.traffic[version]} % of the traffic; move it first")
            if version not in state.versions:
                return
            self._forget_shadow(version)
            remaining = tuple(other for other in state.versions if other != version)
            after = changed(state, versions=remaining)
            if find_front(self._files) is None:
                self._files.write_state(after)
                return
            address = self._front.apply(after)
            patience = self._wanted.drain_timeout_s + RELOAD_S
            ended = f"version {version} to end"
            self._front.wait(address, patience, lambda status: version not in status.retiring, ended)

    def park(self) -> None:
        """Stops the front and its workers after their requests were answered; what is wanted stays."""
        with self._locked():
            if ALL_TRAFFIC not in self._front.state().traffic.values():
                raise EndpointError(
                    f"no version of {self._wanted.model} has all the traffic, so that none can be parked"
                )
            self._files.parked.touch()
            if (front := find_front(self._files)) is not None:
                stop_front(front, self._wanted.drain_timeout_s)

    def unpark(self) -> None:
        """Starts a front of what is wanted, and returns once the version with the traffic is ready."""
        with self._locked():
            if not self._files.parked.exists():
                return
            self._files.write_log(self._log)
            state = self._front.state()
            address = self._front.apply(state)
            self._front.wait_ready(address, max(state.traffic, key=lambda version: state.traffic[version]))
            self._files.parked.unlink(missing_ok=True)

    def predict(self, instances: Sequence[Any], version: str | None = None, *, logged: bool = True) -> Predictions:
        """Predictions by the traffic split, or by one deployed version."""
        if self._files.parked.exists() and find_front(self._files) is None:
            raise EndpointError(f"the endpoint of {self._wanted.model} is parked; run.py deploy brings it back")
        address = self._files.read_address()
        if address is None:
            raise EndpointError(f"the endpoint of {self._wanted.model} is not running; run the pipeline to start it")
        path = "/predict" if version is None else f"/versions/{version}/predict"
        return post_predict(address.url + path, instances, self._wanted.request_timeout_s, logged=logged)

    def status(self) -> EndpointStatus:
        """What the front says; when it does not answer, no URL and the traffic that stands on disk.

        Raises:
            EndpointError: the front does not answer and the state on disk is damaged.
        """
        address = self._files.read_address()
        status = ask_status(address) if address and find_front(self._files) else None
        if address is None or status is None:
            kept = self._files.read_state()
            traffic = _by_version(kept.versions, kept.traffic) if kept else {}
            return EndpointStatus(url=None, traffic=traffic, ready=(), parked=self._files.parked.exists())
        ready = tuple(name for name, worker in status.versions.items() if worker.state == "ready")
        traffic = _by_version(status.versions, status.traffic)
        code = serving_code()
        outdated = tuple(name for name in ready if status.versions[name].code != code)
        url = f"{address.url}/predict"
        return EndpointStatus(
            url=url,
            traffic=traffic,
            ready=ready,
            outdated=outdated,
            page=f"{address.url}/",
            shadow=status.shadow,
            changed=self._files.changed(),
        )

    def check(self) -> None:
        """Returns when the endpoint is live where the configuration says, or could be started there.

        Raises:
            InputError: it is live elsewhere, or something else listens there.
        """
        self._front.check()

    def delete(self) -> str | None:
        """Stops the front and its workers after their requests were answered, and removes the state."""
        with self._locked():
            if not self._files.root.is_dir():
                return None
            versions, address, front = self._kept_versions(), self._files.read_address(), find_front(self._files)
            if front is not None:
                stop_front(front, self._wanted.drain_timeout_s)
            shutil.rmtree(self._files.root, ignore_errors=True)
        undeployed = f", undeployed {', '.join(versions)}" if versions else ""
        if front is not None and address is not None:
            return f"stopped {address.url}{undeployed}"
        return f"removed {self._files.root}, of which nothing ran{undeployed}"

    def _kept_versions(self) -> tuple[str, ...]:
        with suppress(EndpointError):  # a damaged state is removed all the same
            kept = self._files.read_state()
            return kept.versions if kept else ()
        return ()

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


def store_model(version: str, model_dir: Path, target: Path) -> None:
    """Puts the trained model at `target`, hard-linked where that works; `target` appears whole or not at all.

    A model that lies there already is kept, unless it was damaged since. Engines come with it where they are whole, and
    in the place of others that lie there: what serves goes on, and a server that is started from now on finds them.
    Without engines torch serves.

    Raises:
        InputError: `model_dir` is no whole trained model, or another version's.
    """
    trained = TrainedModel.open(model_dir)
    if trained.version != version:
        raise InputError(f"{model_dir} holds version {trained.version}, not {version}; upload it under its own name")
    if _is_whole(target):
        os.utime(target)  # wanted again, so among the newest
        _store_engines(trained, target)
        return
    trained.check_files()
    shutil.rmtree(target, ignore_errors=True)
    unfinished = target.with_name(f".{version}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in (*(entry.name for entry in trained.manifest.files), MANIFEST_NAME):
        copy = unfinished / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy((model_dir / name).resolve(strict=True), copy)
    _store_engines(trained, unfinished)
    unfinished.rename(target)


def _store_engines(trained: TrainedModel, target: Path) -> None:
    """Puts the engines that lie beside the model beside its copy; none that are damaged or another version's."""
    with beside_the_point(f"the engines of version {trained.version}: it is served without them"):
        served = read_engines(trained.path, trained.version)
        if served is not None and not _has_engines(target, served):
            served.engines.check_files()
            add_engines(target, served)


def _has_engines(stored: Path, wanted: ServedEngines) -> bool:
    """Whether the engines beside a stored model are whole, and those."""
    try:
        there = read_engines(stored)
        if there is None or (there.engines.manifest, there.choice) != (wanted.admitted, wanted.choice):
            return False
        there.engines.check_files()
    except InputError:
        return False
    return True


def prune_models(models: Path, deployed: Collection[str]) -> None:
    """Removes all but the newest uploads that are not deployed, so that the disk does not fill run by run."""
    idle = [path for path in models.iterdir() if path.name not in deployed]
    unfinished = [path for path in idle if path.name.startswith(".")]  # of a run that was killed
    whole = sorted(set(idle) - set(unfinished), key=lambda path: path.stat().st_mtime)
    for path in (*unfinished, *whole[:-KEPT_UPLOADS]):
        shutil.rmtree(path)


def _is_whole(stored: Path) -> bool:
    try:
        TrainedModel.open(stored).check_files()
    except InputError:
        return False
    return True
