"""Serves BigQuery: `python -m cloudbox.bigquery --home .cloudbox --grpc-port 9060 --https-port 9061`."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from cloudbox.bigquery.datasets import Datasets
from cloudbox.bigquery.jobs import Jobs
from cloudbox.bigquery.read_server import methods, serve
from cloudbox.bigquery.routes import Rest
from cloudbox.bigquery.storage_read import StorageRead
from cloudbox.bigquery.tables import Tables
from cloudbox.bigquery.uploads import Uploads
from cloudbox.bigquery.warehouse import Warehouse
from cloudbox.home import Home
from cloudbox.rpc import Dispatcher

SERVICE = "bigquery"


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".cloudbox"))
    parser.add_argument("--grpc-port", type=int, required=True)
    parser.add_argument("--https-port", type=int, required=True)
    options = parser.parse_args()
    home = Home(options.home)
    folder = home.state(SERVICE)
    warehouse = Warehouse(folder)
    uploads = folder / "uploads"
    uploads.mkdir(exist_ok=True)
    for path in uploads.iterdir():  # of uploads that the last stop cut off
        if path.is_file():
            path.unlink()
    datasets = Datasets(warehouse)
    tables = Tables(warehouse, datasets)
    read = StorageRead(tables)
    dispatcher = Dispatcher(home, SERVICE, methods(read))
    jobs = Jobs(warehouse, tables, uploads, dispatcher.refuse)
    jobs.end_lost()
    server = serve(dispatcher, read, options.grpc_port)
    app = Rest(datasets, tables, jobs, Uploads(uploads), dispatcher).app()
    print(f"BigQuery: gRPC on 127.0.0.1:{options.grpc_port}, REST on 127.0.0.1:{options.https_port}", flush=True)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=options.https_port,
        ssl_certfile=str(home.server_certificate),
        ssl_keyfile=str(home.server_key),
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    server.stop(grace=2).wait()
    jobs.close()
    warehouse.close()


if __name__ == "__main__":
    main()
