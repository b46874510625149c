"""`python -m cloudbox.vertex --home H --grpc-port P --https-port P`: Vertex AI until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
from pathlib import Path

from cloudbox import rest, rpc
from cloudbox.box import open_box
from cloudbox.cloud_logging import sinks
from cloudbox.home import Home
from cloudbox.vertex.service import VertexService
from cloudbox.vertex.transcoding import routes


def main() -> None:
    """Serve until SIGTERM or SIGINT, then stop every container."""
    parser = argparse.ArgumentParser(prog="python -m cloudbox.vertex", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".cloudbox"), help="the home folder of the box")
    parser.add_argument("--grpc-port", type=int, required=True)
    parser.add_argument("--https-port", type=int, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    service = VertexService(open_box(Home(options.home)))
    service.recover()
    grpc_server = rpc.serve(service.dispatcher, options.grpc_port)
    rest_server = rest.serve(
        rest.application(service.dispatcher, [*routes(), *sinks.routes()]), service.dispatcher.home, options.https_port
    )
    stopped.wait()
    grpc_server.stop(grace=1.0)
    rest_server.stop()
    service.close()


if __name__ == "__main__":
    main()
