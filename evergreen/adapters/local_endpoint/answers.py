"""What the front answers itself: each refusal as JSON with a trace id, and one line in the log a second and kind."""

from __future__ import annotations

import logging

from aiohttp import web

from evergreen.core.errors import EndpointError
from evergreen.core.http import TRACE_HEADER, error_body
from evergreen.core.throttle import Throttle

LOGGER = logging.getLogger("evergreen.local_endpoint")


class RefusedError(EndpointError):
    """A request is answered with an error. `closes` ends its connection, whose next bytes nobody could make out."""

    def __init__(
        self, status: int, message: str, *, retry_after_s: int = 1, closes: bool = False, allow: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s
        self.closes = closes
        self.allow = allow


class OverloadedError(RefusedError):
    """There is no room for a request now."""

    def __init__(self, message: str = "too many requests wait already; ask again in a second") -> None:
        super().__init__(503, message)


class Refusals:
    """Makes answers of refusals and logs that they happened, never what a caller wrote."""

    def __init__(self) -> None:
        self._log = Throttle(LOGGER)

    def answer(self, refusal: RefusedError, trace: str, route: str) -> web.Response:
        """The answer, logged."""
        fields = {"status": refusal.status, "route": route, "trace_id": trace}
        self._log.log("refused", (refusal.status, route), fields)
        answer = web.Response(
            body=error_body(str(refusal), trace), status=refusal.status, content_type="application/json"
        )
        answer.headers[TRACE_HEADER] = trace
        if refusal.status == 503:
            answer.headers["retry-after"] = str(refusal.retry_after_s)
        if refusal.allow is not None:
            answer.headers["allow"] = refusal.allow
        if refusal.closes:
            answer.force_close()
        return answer
