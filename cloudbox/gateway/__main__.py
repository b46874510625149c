"""The gateway process: `python -m cloudbox.gateway --home H`; its ports are those in `box.json`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import uvicorn

from cloudbox import refusals
from cloudbox.box import HOST, Box, open_box
from cloudbox.gateway.api import application
from cloudbox.gateway.hosts import routes
from cloudbox.gateway.projects import ProjectsHandler
from cloudbox.gateway.proxy import Proxy
from cloudbox.home import Home

GRACE_S = 2


class _Server(uvicorn.Server):
    """A server among several in one process: signals are for the process, not for one of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(box: Box) -> None:
    """Serves until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    for protocol in ("grpc", "https"):
        proxy = Proxy(routes(box, protocol), partial(refusals.record, box.home, "gateway"))
        await asyncio.start_server(proxy.serve, HOST, box.port("gateway", f"{protocol}_proxy"))
    grpc_server = await _grpc_server(box)
    servers = [_http_server(box, "http"), _http_server(box, "https")]
    serving = [asyncio.create_task(server.serve()) for server in servers]
    await asyncio.wait([*serving, asyncio.ensure_future(stopped.wait())], return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    await grpc_server.stop(GRACE_S)
    await asyncio.gather(*serving)


def _http_server(box: Box, name: str) -> _Server:
    tls = name == "https"
    config = uvicorn.Config(
        application(box),
        host=HOST,
        port=box.port("gateway", name),
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=box.home.server_certificate if tls else None,
        ssl_keyfile=box.home.server_key if tls else None,
    )
    return _Server(config)


async def _grpc_server(box: Box) -> grpc.aio.Server:
    pair = (box.home.server_key.read_bytes(), box.home.server_certificate.read_bytes())
    server = grpc.aio.server(handlers=[ProjectsHandler(box)])
    server.add_secure_port(box.address("gateway", "grpc"), grpc.ssl_server_credentials([pair]))
    await server.start()
    return server


def main() -> None:
    """Runs the gateway of a home's box."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    asyncio.run(run(open_box(Home(parser.parse_args().home))))


if __name__ == "__main__":
    main()
