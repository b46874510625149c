"""The front's part in the request log: what it refuses itself, and that the log's files stay in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time

from evergreen.adapters.local_endpoint.settings import LocalLog
from evergreen.adapters.local_endpoint.state import EndpointFiles
from evergreen.requestlog.journal import Journal
from evergreen.requestlog.parts import unfinished
from evergreen.requestlog.record import Request
from evergreen.requestlog.spool import Spool
from evergreen.runtime.processes import library_environment

LOGGER = logging.getLogger("evergreen.local_endpoint")
ENFORCE_S = 3600.0
NICER = 10
MIB = 1024 * 1024


class RefusalLog:
    """Notes what no server answered. Without a log it does nothing; it has no instance, and the version alone that was
    asked, or was to be.
    """

    def __init__(self, files: EndpointFiles, model: str) -> None:
        log = files.read_log()
        sink = Spool(files.requests, lambda: "front")
        self._journal = Journal(sink, model, log.sample, None, LOGGER) if log else None

    def note(self, version: str, trace: str, status: int, seconds: float) -> None:
        """Notes one refusal; `version` is empty where none had its turn."""
        witness = self._journal.begin() if self._journal else None
        if self._journal is not None and witness is not None:
            request = Request(time.time() - seconds, version, trace, "", status, seconds * 1000)
            self._journal.note(request, witness)

    def close(self) -> None:
        """Writes what waits."""
        if self._journal is not None:
            self._journal.close()


class LogOrder:
    """Has finished files turned into Parquet, and old ones removed, by a process of its own that is nice."""

    def __init__(self, files: EndpointFiles) -> None:
        self._files = files
        self._enforced = 0.0
        self._under_way: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Starts that where something is to be done and nothing is under way; returns at once."""
        if self._under_way is not None and not self._under_way.done():
            return
        log = self._files.read_log() or LocalLog()
        due = time.monotonic() - self._enforced >= ENFORCE_S or not self._enforced
        if self._files.requests.is_dir() and (due or unfinished(self._files.requests)):
            self._enforced = time.monotonic()
            self._under_way = asyncio.create_task(self._run(log))

    async def stop(self) -> None:
        """Ends what is under way: the next front goes on with it."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait([self._under_way])

    async def _run(self, log: LocalLog) -> None:
        command = [sys.executable, "-m", "evergreen.requestlog", str(self._files.requests)]
        process = await asyncio.create_subprocess_exec(
            *command,
            str(log.keep_days),
            str(log.most_mb * MIB),
            env=library_environment({}),
            stdin=asyncio.subprocess.DEVNULL,
        )
        try:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, NICER)
            if await process.wait():
                LOGGER.warning(
                    "request log", extra={"fields": {"reason": "it is not in order", "code": process.returncode}}
                )
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
