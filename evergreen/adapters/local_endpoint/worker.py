"""One version's server process, kept alive by the front until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
from collections.abc import Callable, Iterator

import aiohttp

from evergreen.adapters.local_endpoint.health import Answer, Service, ask_health, health_of
from evergreen.adapters.local_endpoint.state import EndpointFiles, EndpointState, WorkerStatus, cap_log
from evergreen.core.fullness import full_of, full_of_bytes
from evergreen.core.limits import FULL_STATUS, MAX_WAITING, MAX_WAITING_BYTES
from evergreen.runtime.fingerprints import serving_code
from evergreen.runtime.processes import PATIENT_THREADS, free_port, library_environment

LOGGER = logging.getLogger("evergreen.local_endpoint")
STARTING_POLL_S = 0.1
STARTING_PROBE_S = 5.0
STEADY_S = 30.0
BACKOFF_MAX_S = 30.0
LAST_GRACE_S = 5.0
YIELDS = 5
"""By how much a worker is nicer than its front, which shares the cores with the worker's threads: refusals wait for
none of them. Against what runs in other terminals and sessions this changes nothing where Linux groups by session."""


class Worker:
    """A process that serves one version on a loopback port of its own.

    It is started again whenever it ends, at once after steady service or when asked to, else ever later. `changed` is
    called whenever its readiness changes.
    """

    def __init__(
        self,
        version: str,
        files: EndpointFiles,
        state: EndpointState,
        session: aiohttp.ClientSession,
        changed: Callable[[], None],
    ) -> None:
        self.version = version
        self.in_flight = 0
        self.ready = False
        self.service = Service("")
        self.code = serving_code()
        self._files = files
        self._wanted = state
        self._session = session
        self._changed = changed
        self._stopping = False
        self._starts = 0
        self._failure: str | None = None
        self._port = 0
        self._bytes = 0
        self._next_start = 0.0
        self._process: asyncio.subprocess.Process | None = None
        self._check_now = asyncio.Event()
        self._again = asyncio.Event()
        self._supervision = asyncio.create_task(self._supervise())

    @property
    def overload(self) -> str | None:
        """Why it takes no further request now: it holds as many of them, or bytes, as it may; None while it does."""
        if self.in_flight >= MAX_WAITING:
            return full_of(self.in_flight, "request")
        if self._bytes >= MAX_WAITING_BYTES:
            return full_of_bytes(self._bytes)
        return None

    @property
    def failure(self) -> str | None:
        """Why it cannot serve, though it will be started again; None while it serves or is on its way up."""
        return self._failure if not self.ready else None

    @property
    def starts_in_s(self) -> int:
        """Seconds until it is started again, at least one."""
        return max(1, math.ceil(self._next_start - asyncio.get_running_loop().time()))

    @contextlib.contextmanager
    def holding(self, body_bytes: int) -> Iterator[Service]:
        """Counts a request of that size as in flight until the block ends."""
        self.in_flight += 1
        self._bytes += body_bytes
        try:
            yield self.service
        finally:
            self.in_flight -= 1
            self._bytes -= body_bytes

    def status(self) -> WorkerStatus:
        """How it is now."""
        state = "stopping" if self._stopping else "ready" if self.ready else "failed" if self._failure else "starting"
        return WorkerStatus.model_validate(
            {
                "state": state,
                "pid": self._process.pid if self._process else None,
                "port": self._port,
                "restarts": max(0, self._starts - 1),
                "in_flight": self.in_flight,
                "failure": self._failure,
                "code": self.code,
            }
        )

    def suspect(self) -> None:
        """Keeps requests away until its health was checked, at once."""
        self._set_ready(False)
        self._check_now.set()

    def retry(self) -> None:
        """Forgets that it failed and starts it again at once; does nothing when it did not fail.

        The failure of a start that is on its way is forgotten too: its cause may be older than the request.
        """
        if self._failure is not None:
            self._failure = None
            self._again.set()

    async def stop(self) -> None:
        """Ends the process once nothing is in flight, or after the drain time."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._wanted.drain_timeout_s):
                while self.in_flight:
                    await asyncio.sleep(0.02)
        self._supervision.cancel()
        await asyncio.wait([self._supervision])
        if self._process:
            await self._end(self._process)
        LOGGER.info("stopped", extra={"fields": {"version": self.version}})

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        quick_ends = 0
        while True:
            served_since: float | None = None
            try:
                process = await self._start()
                reason = await self._until_ready(process)
                if reason is None:
                    served_since = loop.time()
                    self._failure = None
                    self._again.clear()
                    self._set_ready(True)
                    LOGGER.info("ready", extra={"fields": {"version": self.version, "pid": process.pid}})
                    reason = await self._while_ready(process)
                await self._end(process, at_once=self.service.hung)
            except OSError as error:
                reason = f"could not be started: {error}"
            finally:
                self._set_ready(False)
            steady = served_since is not None and loop.time() - served_since > STEADY_S
            quick_ends = 0 if steady else quick_ends + 1
            self._failure = None if served_since is not None or self._again.is_set() else reason
            self._changed()
            LOGGER.warning("ended", extra={"fields": {"version": self.version, "reason": reason}})
            at_once = served_since is not None and quick_ends <= 1
            pause_s = 0 if at_once else min(0.5 * 2**quick_ends, BACKOFF_MAX_S)
            self._next_start = loop.time() + pause_s
            if await self._asked_within(pause_s):
                quick_ends = 0

    async def _asked_within(self, seconds: float) -> bool:
        """Whether a new start was asked for before the time was over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._again.wait()
        asked = self._again.is_set()
        self._again.clear()
        return asked

    async def _start(self) -> asyncio.subprocess.Process:
        self._port = free_port()
        self.service = Service(f"http://127.0.0.1:{self._port}")
        self._starts += 1
        self.code = serving_code()
        variables = {
            "AIP_STORAGE_URI": str(self._files.model_dir(self.version)),
            "AIP_HTTP_PORT": str(self._port),
            "EVERGREEN_DRAIN_S": str(self._wanted.drain_timeout_s),
            "EVERGREEN_EXIT_WITH_STDIN": "1",
            "OMP_NUM_THREADS": str(self._wanted.threads),
            "EVERGREEN_FULL_STATUS": str(FULL_STATUS),
            "EVERGREEN_ENGINE_TRIALS": str(self._files.trials),
            **PATIENT_THREADS,
            "MALLOC_ARENA_MAX": "2",
            "HF_HUB_OFFLINE": "1",
            **self._log_variables(),
        }
        with self._files.log(self.version).open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._wanted.worker_command,
                env=library_environment(variables),
                cwd=self._files.root,
                stdin=asyncio.subprocess.PIPE,  # never written: its end tells the worker that the front is gone
                stdout=log,
                stderr=log,
            )
        with contextlib.suppress(OSError):  # it ended already, or may not be made nicer
            os.setpriority(os.PRIO_PROCESS, self._process.pid, os.getpriority(os.PRIO_PROCESS, 0) + YIELDS)
        return self._process

    def _log_variables(self) -> dict[str, str]:
        log = self._files.read_log()
        return log.variables(self._wanted.model, str(self._files.requests)) if log else {}

    async def _until_ready(self, process: asyncio.subprocess.Process) -> str | None:
        """None once health is 200, else why it will not be."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._wanted.startup_timeout_s):
                while process.returncode is None:
                    if await ask_health(self._session, self.service.url, STARTING_PROBE_S) is Answer.WELL:
                        return None
                    await asyncio.sleep(STARTING_POLL_S)
                return _how_it_ended(process)
        return (
            f"not ready within {self._wanted.startup_timeout_s:g} s, as on a busy machine or with a large model; set "
            "parameters.host.startup_timeout_s higher"
        )

    async def _while_ready(self, process: asyncio.subprocess.Process) -> str:
        """Why the process no longer serves. What misses one question gets no requests until it answers the next."""
        ended = asyncio.create_task(process.wait())
        health = health_of(self._session, self.service.url, process.pid)
        try:
            while not health.hangs:
                asked = asyncio.create_task(self._check_now.wait())
                await asyncio.wait([ended, asked], timeout=health.pause_s, return_when=asyncio.FIRST_COMPLETED)
                asked.cancel()
                self._check_now.clear()
                if ended.done():
                    return _how_it_ended(process)
                answers = await health.check()
                if answers is not None:
                    self._set_ready(answers)
                cap_log(self._files.log(self.version))
        finally:
            ended.cancel()
        self.service.hung = True
        return f"did not answer for {health.silent_s:.0f} s"

    async def _end(self, process: asyncio.subprocess.Process, at_once: bool = False) -> None:
        if process.returncode is None and not at_once:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_GRACE_S):
                    await process.wait()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _set_ready(self, ready: bool) -> None:
        if ready != self.ready:
            self.ready = ready
            self._changed()


def _how_it_ended(process: asyncio.subprocess.Process) -> str:
    code = process.returncode
    return f"ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
