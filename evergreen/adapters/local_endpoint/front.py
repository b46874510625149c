"""The front process: `python -m evergreen.adapters.local_endpoint.front <state directory>`.

It keeps one worker per version alive and forwards predictions by the traffic split. What it is to do stands in
`endpoint.json`, read at the start and on SIGHUP; SIGTERM drains and stops all.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

from evergreen.adapters.local_endpoint.connections import FrontServer
from evergreen.adapters.local_endpoint.fleet import Fleet
from evergreen.adapters.local_endpoint.proxy import Proxy
from evergreen.adapters.local_endpoint.state import EndpointFiles, FrontAddress, cap_log
from evergreen.core.errors import EndpointError, EvergreenError
from evergreen.core.limits import MAX_CONNECTIONS
from evergreen.runtime.locks import exclusive
from evergreen.runtime.logs import log_json_to_stderr
from evergreen.runtime.processes import allow_files

LOGGER = logging.getLogger("evergreen.local_endpoint")
POOL_KEEP_ALIVE_S = 15  # shorter than the workers' own, so that it is we who close idle connections
LOG_CHECK_S = 60.0
BACKLOG = 1024
DESCRIPTORS = 4 * MAX_CONNECTIONS


async def run_front(files: EndpointFiles) -> None:
    """Serves until SIGTERM.

    Raises:
        EndpointError: nothing was ever deployed here, or the address cannot be bound.
    """
    state = files.read_state()
    if state is None:
        raise EndpointError(f"{files.root} holds no endpoint; deploy a version first")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=POOL_KEEP_ALIVE_S)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        fleet = Fleet(files, state, session)
        loop.add_signal_handler(signal.SIGHUP, lambda: _reload(files, fleet))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        runner = web.ServerRunner(FrontServer(Proxy(fleet, session)), shutdown_timeout=state.drain_timeout_s)
        try:
            port = await _listen(runner, state.host, state.port)
            files.write_address(FrontAddress(pid=os.getpid(), host=state.host, port=port))
            LOGGER.info("listening", extra={"fields": {"host": state.host, "port": port, "pid": os.getpid()}})
            fleet.apply(state)
            await _until(stop, files.log("front"))
        finally:
            await runner.cleanup()
            await fleet.stop()
    LOGGER.info("drained")


async def _listen(runner: web.ServerRunner, host: str, port: int) -> int:
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError as error:
        raise EndpointError(f"{host}:{port} cannot be bound: {error}; set host.port to a free one") from error
    return int(runner.addresses[0][1])


async def _until(stop: asyncio.Event, log: Path) -> None:
    while not stop.is_set():
        try:
            async with asyncio.timeout(LOG_CHECK_S):
                await stop.wait()
        except TimeoutError:
            cap_log(log)


def _reload(files: EndpointFiles, fleet: Fleet) -> None:
    try:
        state = files.read_state()
    except EndpointError as error:
        LOGGER.error("reload", extra={"fields": {"reason": str(error)}})  # noqa: TRY400 - no traceback in the log
        return
    if state is not None:
        fleet.apply(state)


def main(root: Path) -> int:
    """The exit code; the reason of a failure is one line on stderr."""
    log_json_to_stderr(LOGGER)
    allow_files(DESCRIPTORS)
    files = EndpointFiles(root)
    try:
        with exclusive(files.front_lock, f"the front of {root.name} runs already", timeout_s=0):
            uvloop.run(run_front(files))  # a refusal costs a fifth less than on asyncio's own loop
    except EvergreenError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
