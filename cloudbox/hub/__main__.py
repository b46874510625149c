"""Serves the Hub: `python -m cloudbox.hub --home .cloudbox --port 9070`."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from cloudbox.box import HOST
from cloudbox.home import Home
from cloudbox.hub.accounts import ensure_tokens
from cloudbox.hub.files import Files
from cloudbox.hub.methods import Methods
from cloudbox.hub.objects import Objects
from cloudbox.hub.repositories import Repositories
from cloudbox.hub.routes import Rest
from cloudbox.rpc import Dispatcher

SERVICE = "hub"


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".cloudbox"))
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    home = Home(options.home)
    ensure_tokens(home)
    objects = Objects(home.state(SERVICE) / "objects")
    methods = Methods(Repositories(home), objects)
    # The same server under another name: to a client that is another host, which it shows no token.
    files = Files(objects, f"http://localhost:{options.port}")
    app = Rest(methods, files, Dispatcher(home, SERVICE, {})).app()
    print(f"Hugging Face Hub on http://{HOST}:{options.port}", flush=True)
    uvicorn.run(app, host=HOST, port=options.port, log_level="warning", access_log=False, timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
