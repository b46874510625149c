"""Which host name leads to which service; a host that is not here is refused."""

from __future__ import annotations

from fnmatch import fnmatchcase

from cloudbox.box import Box

HTTPS_PORT = 443


def routes(box: Box, protocol: str) -> dict[str, int]:
    """Host patterns and the ports of this machine that stand for them; `protocol` is `grpc` or `https`."""
    services = {
        "aiplatform.googleapis.com": "vertex",
        f"{box.region}-aiplatform.googleapis.com": "vertex",
        "*.prediction.vertexai.goog": "vertex",
        "cloudresourcemanager.googleapis.com": "gateway",
    }
    if protocol == "grpc":
        services |= {"bigquerystorage.googleapis.com": "bigquery"}
    else:
        services |= {
            "bigquery.googleapis.com": "bigquery",
            "oauth2.googleapis.com": "gateway",
            "iamcredentials.googleapis.com": "gateway",
        }
    return {host: box.port(service, protocol) for host, service in services.items()}


def port_of(table: dict[str, int], host: str, port: int) -> int | None:
    """The port of this machine that stands for `host:port`; None when nothing does."""
    if port != HTTPS_PORT:
        return None
    return next((target for pattern, target in table.items() if fnmatchcase(host.lower(), pattern)), None)
