"""The workers of an endpoint, one a version, and which of them answers next."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Collection, Mapping
from math import gcd

import aiohttp

from evergreen.adapters.local_endpoint.answers import OverloadedError, RefusedError
from evergreen.adapters.local_endpoint.state import EndpointFiles, EndpointState, FrontStatus
from evergreen.adapters.local_endpoint.worker import Worker
from evergreen.core.fullness import full_of
from evergreen.core.limits import MAX_WAITING
from evergreen.core.shadow import ShadowReport
from evergreen.runtime.fingerprints import serving_code

LOGGER = logging.getLogger("evergreen.local_endpoint")


class DealtSplit:
    """Deals requests to versions by `traffic` (percent by version); versions at 0 get none.

    Of each hundred requests, or the smallest number that divides so, a version gets exactly its percent, in an order
    drawn by chance: clients that ask by turns would else meet each version with one kind of request alone, and what
    compares versions by their requests (`core.judge`) needs them to differ by chance.
    """

    def __init__(self, traffic: Mapping[str, int]) -> None:
        self.traffic = {version: percent for version, percent in traffic.items() if percent > 0}
        self._deck: list[str] = []

    def next(self, available: Collection[str]) -> str | None:
        """The version for the next request among the `available` ones; None when none of them has traffic."""
        if not self.traffic.keys() & set(available):
            return None
        while True:
            if not self._deck:
                self._deck = self._shuffled()
            if (version := self._deck.pop()) in available:
                return version

    def _shuffled(self) -> list[str]:
        divisor = gcd(*self.traffic.values())
        deck = [version for version, percent in self.traffic.items() for _ in range(percent // divisor)]
        random.shuffle(deck)
        return deck


class Fleet:
    """Keeps the workers that the state wants, and deals requests to those that are ready."""

    def __init__(self, files: EndpointFiles, state: EndpointState, session: aiohttp.ClientSession) -> None:
        self.state = state
        self.files = files
        self._session = session
        self._split = DealtSplit({})
        self._workers: dict[str, Worker] = {}
        self._renewing: dict[str, Worker] = {}
        self._retiring: dict[str, asyncio.Task[None]] = {}
        self._change = asyncio.Event()
        self._waiting = 0

    def apply(self, state: EndpointState) -> None:
        """Makes the state true: starts what is new, failed or outdated, moves traffic, retires what is gone."""
        code = serving_code()
        for version in state.versions:
            if version not in self._workers:
                self._workers[version] = self._start(version, state)
            elif self._workers[version].code == code:
                self._workers[version].retry()
            elif version not in self._renewing:
                self._renewing[version] = self._start(version, state)
            else:
                self._renewing[version].retry()
        self._split = DealtSplit(state.traffic)
        for workers in (self._workers, self._renewing):
            for version in set(workers) - set(state.versions):
                self._retire(workers.pop(version))
        self.state = state
        self._notify()
        applied = {"revision": state.revision, "versions": state.versions, "traffic": state.traffic}
        LOGGER.info("applied", extra={"fields": applied})

    async def stop(self) -> None:
        """Stops every worker; returns when none is left."""
        for workers in (self._workers, self._renewing):
            for worker in workers.values():
                self._retire(worker)
            workers.clear()
        await asyncio.gather(*self._retiring.values())

    def choose(self, wanted: str | None) -> Worker | None:
        """The worker for the next request, of the `wanted` version or by the split; None while it is on its way up.

        Raises:
            RefusedError: there is none, it has no room, or all that could answer have failed.
        """
        versions = self._versions(wanted)
        ready = [version for version in versions if self._workers[version].ready]
        chosen = ready[0] if ready and wanted is not None else self._split.next(ready)
        if chosen is not None:
            if overload := self._workers[chosen].overload:
                raise OverloadedError.by(overload, chosen)
            return self._workers[chosen]
        if not any(self._is_coming(version) for version in versions):
            raise self._failed(versions)
        if self._waiting >= MAX_WAITING:
            raise OverloadedError.by(full_of(self._waiting, "request"))
        return None

    async def wait(self) -> None:
        """Returns after the next change of a worker or of what is wanted."""
        self._waiting += 1
        try:
            await self._change.wait()
        finally:
            self._waiting -= 1

    def standby(self, version: str) -> Worker | None:
        """The worker of a version that is ready and has no traffic; None where there is none."""
        worker = self._workers.get(version)
        return worker if worker is not None and worker.ready and version not in self._split.traffic else None

    @property
    def traffic(self) -> dict[str, int]:
        """Percent by version, of those that get any."""
        return self._split.traffic

    def share(self, version: str) -> int:
        """Percent of the cores for a version: as much as it has of the traffic, all where it is asked beside that."""
        return self._split.traffic.get(version, 100)

    @property
    def ready(self) -> bool:
        """Whether a version with traffic is ready."""
        return any(self._workers[version].ready for version in self._split.traffic if version in self._workers)

    def status(self, shadow: ShadowReport | None = None) -> FrontStatus:
        """How everything is now; `shadow` is what came of copies of requests."""
        return FrontStatus(
            model=self.state.model,
            pid=os.getpid(),
            revision=self.state.revision,
            traffic=self._split.traffic,
            versions={name: worker.status() for name, worker in self._workers.items()},
            renewing={name: worker.status() for name, worker in self._renewing.items()},
            retiring=tuple(key.split()[0] for key in self._retiring),
            shadow=shadow,
        )

    def states(self) -> str:
        """The versions and their states in words."""
        states = [f"{name} {worker.status().state}" for name, worker in self._workers.items()]
        return "versions: " + (", ".join(states) or "none")

    def _versions(self, wanted: str | None) -> list[str]:
        if wanted is None:
            versions = [version for version in self._split.traffic if version in self._workers]
            if not versions:
                reason = "no version has traffic yet; run the pipeline, or ask /versions/<version>/predict"
                raise RefusedError(503, reason)
            return versions
        if wanted not in self._workers:
            deployed = ", ".join(self._workers) or "none"
            raise RefusedError(404, f"version {wanted[:80]!r} is not deployed (deployed: {deployed})")
        return [wanted]

    def _is_coming(self, version: str) -> bool:
        renewing = self._renewing.get(version)
        return self._workers[version].failure is None or (renewing is not None and renewing.failure is None)

    def _failed(self, versions: list[str]) -> RefusedError:
        reasons = [f"version {version} failed: {self._workers[version].failure}" for version in versions]
        seconds = min(self._workers[version].starts_in_s for version in versions)
        message = f"{'; '.join(reasons)}; it is started again by itself, see its log"
        return RefusedError(503, message, retry_after_s=seconds)

    def _retire(self, worker: Worker) -> None:
        task = asyncio.create_task(worker.stop())
        key = f"{worker.version} {id(worker):x}"
        self._retiring[key] = task
        task.add_done_callback(lambda _: self._retiring.pop(key, None))

    def _start(self, version: str, state: EndpointState) -> Worker:
        return Worker(version, self.files, state, self._session, self._notify)

    def _notify(self) -> None:
        """Lets renewed workers that are ready take their place, and wakes up whoever waits for a change."""
        for version in [version for version, worker in self._renewing.items() if worker.ready]:
            self._retire(self._workers[version])
            self._workers[version] = self._renewing.pop(version)
        self._change.set()
        self._change = asyncio.Event()
