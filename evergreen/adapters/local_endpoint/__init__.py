"""A live endpoint on this machine: one front process with a traffic split, one worker process per model version."""

from evergreen.adapters.local_endpoint.client import post_predict
from evergreen.adapters.local_endpoint.host import LocalEndpoint

__all__ = ["LocalEndpoint", "post_predict"]
