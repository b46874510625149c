"""Which ZenML server this machine is logged in to, told without waiting for one that is dead.

ZenML itself connects while pipelines are imported, and tries for minutes.
"""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from evergreen.core.addresses import without_password
from evergreen.core.errors import EvergreenError, InputError

ANOTHER_ZENML = 'export ZENML_CONFIG_PATH="$PWD/.zenml"'
ANSWER_WITHIN_S = 5.0
MYSQL_PORT = 3306


class RemoteServerError(InputError):
    """ZenML is connected to a server, and what was asked for belongs to this machine."""


def remote_store() -> str | None:
    """URL of the ZenML server that this machine is logged in to; None for the local database or `zenml login --local`.

    Read from ZenML's configuration and environment: no connection is made, so a dead server is answered at once too.
    """
    from zenml.config.global_config import GlobalConfiguration
    from zenml.enums import StoreType
    from zenml.utils.server_utils import get_local_server

    store = GlobalConfiguration().get_store_configuration()
    if store.type == StoreType.SQL:
        return None if store.url.startswith("sqlite:") else without_password(store.url)
    local = get_local_server()
    if local and local.status and local.status.url == store.url:
        return None
    return without_password(store.url)


def refuse_remote(name: str) -> None:
    """Returns when ZenML works on this machine alone.

    Raises:
        RemoteServerError: it is connected to a server, which would list a local stack's artifacts without having them.
    """
    if url := remote_store():
        raise RemoteServerError(
            f"ZenML is connected to {url}, and stack '{name}' lives on this machine only; "
            f"give this project a ZenML of its own, or log out (zenml logout)\n  {own_zenml()}"
        )


def refuse_dead_server() -> None:
    """Returns when ZenML works on this machine, or its server answers.

    Raises:
        EvergreenError: the server that this machine is logged in to does not answer.
    """
    url = remote_store()
    if url and not _answers(url):
        raise EvergreenError(
            f"ZenML is connected to {url}, which does not answer; log in again (zenml login), "
            f"or give this project a ZenML of its own\n  {own_zenml()}"
        )


def own_zenml() -> str:
    """The shell line that gives this project a ZenML of its own; ZenML's environment would win over its directory."""
    variables = sorted(name for name in os.environ if name.startswith("ZENML_STORE_"))
    unset = f"unset {' '.join(variables)}; " if variables else ""
    return f"{unset}{ANOTHER_ZENML}"


def _answers(url: str) -> bool:
    """Whether anything speaks HTTP there, or, for a database, takes a connection."""
    import httpx

    try:
        if url.startswith("http"):
            httpx.get(f"{url.rstrip('/')}/health", timeout=ANSWER_WITHIN_S, verify=False)  # noqa: S501 (nothing is sent or believed; certificates are ZenML's to judge)
        else:
            parts = urlsplit(url)
            address = (parts.hostname or "localhost", parts.port or MYSQL_PORT)
            socket.create_connection(address, timeout=ANSWER_WITHIN_S).close()
    except (httpx.HTTPError, OSError):
        return False
    return True
