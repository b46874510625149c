"""Which host name leads to which service; a host that is not here is refused.

Google's other hosts lead to the gateway's own servers, which refuse each call by name and for good (UNIMPLEMENTED): a
tunnel that is refused looks to a gRPC client like an outage, which it waits out for minutes.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from cloudbox.box import Box

HTTPS_PORT = 443


def routes(box: Box, protocol: str) -> dict[str, int]:
    """Host patterns, of which the first that matches counts, and their ports here; `protocol` is `grpc` or `https`."""
    services = {
        "aiplatform.googleapis.com": "vertex",
        f"{box.region}-aiplatform.googleapis.com": "vertex",
        "*.prediction.vertexai.goog": "vertex",
        "logging.googleapis.com": "vertex",
        "bigquerystorage.googleapis.com" if protocol == "grpc" else "bigquery.googleapis.com": "bigquery",
        "*.googleapis.com": "gateway",
    }
    return {host: box.port(service, protocol) for host, service in services.items()}


def port_of(table: dict[str, int], host: str, port: int) -> int | None:
    """The port of this machine that stands for `host:port`; None when nothing does."""
    if port != HTTPS_PORT:
        return None
    return next((target for pattern, target in table.items() if fnmatchcase(host.lower(), pattern)), None)
