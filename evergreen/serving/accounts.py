"""What the server tells of its requests: metrics, a JSON line to stderr each, and the request log.

{"time": "2026-05-04T09:30:00.120Z", "severity": "INFO", "event": "request", "route": "predict", "status": 200, …}

Never a payload. Requests that are refused for want of room (429, 503) share a line a second, with their `count`.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evergreen.requestlog.journal import Journal
from evergreen.requestlog.record import Request
from evergreen.requestlog.witness import Witness
from evergreen.runtime.http import UNLOGGED_HEADER
from evergreen.runtime.logs import Throttle
from evergreen.serving.metrics import Metrics
from evergreen.serving.model import ServedModel
from evergreen.serving.settings import ServerSettings

LOGGER = logging.getLogger("evergreen.serving")
METRICS_ROUTE = "/metrics"
DESCRIPTION_ROUTE = "/openapi.json"
QUIET_ROUTES = ("health", "metrics")
CROWDED = (429, 503)
LEFT = 499
"""The status of a request whose caller left before the answer."""
OWN_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass
class Account:
    """One request; `seen` is what its line says of it."""

    method: str
    route: str
    witness: Witness | None
    seen: dict[str, Any]
    came: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)


class Accounts:
    """Of all requests of one server; `journal`, the request log, is told of predictions once they are answered."""

    def __init__(self, settings: ServerSettings, model: ServedModel, journal: Journal | None = None) -> None:
        self.metrics = Metrics(model.batches)
        self._model = model
        self._journal = journal
        self._routes = {
            METRICS_ROUTE: "metrics",
            DESCRIPTION_ROUTE: "description",
            settings.health_route: "health",
            settings.predict_route: "predict",
        }
        self._crowded = Throttle(LOGGER, logging.INFO)

    def begin(self, method: str, path: str, headers: Mapping[str, str], trace: str) -> Account:
        """The account of a request that came just now."""
        route = self._routes.get(path, "other")
        noted = route == "predict" and UNLOGGED_HEADER not in headers
        witness = self._journal.begin() if noted and self._journal is not None else None
        known = method if method in OWN_METHODS else "other"
        return Account(known, route, witness, {"trace_id": trace, "status": LEFT})

    def close(self, account: Account) -> None:
        """Counts and tells of a request that was answered, or whose caller left."""
        seconds, status = time.perf_counter() - account.started, account.seen["status"]
        self.metrics.observe(account.route, status, seconds)
        if account.route not in QUIET_ROUTES or status >= 500:
            self._tell(account, seconds)
        if self._journal is not None and account.witness is not None:
            self._journal.note(self._noted(account, seconds), account.witness)

    def _tell(self, account: Account, seconds: float) -> None:
        fields = {
            "method": account.method,
            "route": account.route,
            **account.seen,
            "ms": round(seconds * 1000, 2),
            "version": self._model.version,
        }
        if account.seen["status"] in CROWDED:
            self._crowded.log("request", account.route, fields)
        else:
            LOGGER.info("request", extra={"fields": fields})

    def _noted(self, account: Account, seconds: float) -> Request:
        return Request(
            time=account.came,
            version=self._model.version,
            trace_id=account.seen["trace_id"],
            engine=self._model.engine,
            status=account.seen["status"],
            latency_ms=seconds * 1000,
        )


def log_fault(error: Exception, trace: str) -> None:
    """Logs where it happened, not the message, which may quote the payload."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    LOGGER.error("fault", extra={"fields": {"trace_id": trace, "error": type(error).__name__, "frames": frames[-8:]}})
