"""The gateway process: `python -m cloudbox.gateway --home H`; its ports are those in `box.json`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import uvicorn

from cloudbox import faults, refusals, rest, rpc
from cloudbox.box import HOST, Box, open_box
from cloudbox.dataflow.jobs import Jobs
from cloudbox.gateway import projects
from cloudbox.gateway.api import application
from cloudbox.gateway.hosts import routes
from cloudbox.gateway.proxy import Proxy
from cloudbox.home import Home
from cloudbox.rpc import Dispatcher

GRACE_S = 2


class _Server(uvicorn.Server):
    """A server among several in one process: signals are the process's own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(box: Box) -> None:
    """Serves until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    for protocol in ("grpc", "https"):
        proxy = Proxy(
            routes(box, protocol), partial(refusals.record, box.home, "gateway"), partial(_resolves, box.home)
        )
        await asyncio.start_server(proxy.serve, HOST, box.port("gateway", f"{protocol}_proxy"))
    jobs = Jobs(box)
    dispatcher = projects.dispatcher(box, jobs)
    grpc_server = rpc.serve(dispatcher, box.port("gateway", "grpc"))
    https_server = rest.serve(application(box, dispatcher), box.home, box.port("gateway", "https"))
    http_server = _Server(_plain_http(box, dispatcher))
    serving, stopping = asyncio.create_task(http_server.serve()), asyncio.create_task(stopped.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    http_server.should_exit = True
    https_server.stop()
    grpc_server.stop(GRACE_S)
    jobs.close()
    await serving


def _resolves(home: Home, host: str) -> bool:
    return faults.take(home, "unresolved", host) is None


def _plain_http(box: Box, dispatcher: Dispatcher) -> uvicorn.Config:
    """Sign-in without TLS: the address that is written into the service account's key file."""
    return uvicorn.Config(
        application(box, dispatcher), host=HOST, port=box.port("gateway"), log_config=None, access_log=False
    )


def main() -> None:
    """Runs the gateway of a home's box."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(run(open_box(Home(parser.parse_args().home))))


if __name__ == "__main__":
    main()
