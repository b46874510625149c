"""What the front answers itself: refusals as JSON, at which pace, and one line in the log a second and kind."""

from __future__ import annotations

import asyncio
import logging
from typing import Self

from aiohttp import web

from evergreen.core.errors import EndpointError
from evergreen.core.fullness import AGAIN
from evergreen.core.limits import FULL_STATUS
from evergreen.runtime.http import TRACE_HEADER, error_body
from evergreen.runtime.logs import Throttle

LOGGER = logging.getLogger("evergreen.local_endpoint")
AT_ONCE = 20
PERIOD_S = 1.0
TICK_S = 0.005
LEAST_TICKS = 14
"""Of which the first one is partly over."""


class RefusedError(EndpointError):
    """A request is answered with an error. `closes` ends its connection, whose next bytes nobody could make out.

    `version` is the one whose turn it was; empty: none, or it is known otherwise.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        retry_after_s: int = 1,
        closes: bool = False,
        allow: str | None = None,
        version: str = "",
    ) -> None:
        super().__init__(message)
        self.version = version
        self.status = status
        self.retry_after_s = retry_after_s
        self.closes = closes
        self.allow = allow


class OverloadedError(RefusedError):
    """There is no room for a request now."""

    def __init__(self, message: str, version: str = "") -> None:
        super().__init__(FULL_STATUS, message, version=version)

    @classmethod
    def by(cls, reason: str, version: str = "") -> Self:
        """For a reason that soon passes."""
        return cls(f"{reason}; {AGAIN}", version)


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
        if refusal.status in (429, 503):
            answer.headers["retry-after"] = str(refusal.retry_after_s)
        if refusal.allow is not None:
            answer.headers["allow"] = refusal.allow
        if refusal.closes:
            answer.force_close()
        return answer


class Pace:
    """Slows down a crowd of refused clients that ask again at once, at the cost of those who are answered.

    The first few refusals of a second go out at once. The next ones wait for 65 to 70 ms, which leaves 30 of the 100
    ms within which a refusal is promised: 128 clients ask some 1,750 times a second and not as often as the front can
    answer. Those of the same 5 ms go out together; longer ticks would make one crowd of all, who then wait for another.
    """

    def __init__(self) -> None:
        self._counted_until = 0.0
        self._count = 0
        self._ticks: dict[int, asyncio.Event] = {}

    async def wait(self) -> None:
        """Returns when the next refusal may go out."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now > self._counted_until:
            self._count, self._counted_until = 0, now + PERIOD_S
        self._count += 1
        if self._count > AT_ONCE:
            await self._tick(int(now / TICK_S) + LEAST_TICKS).wait()

    def _tick(self, number: int) -> asyncio.Event:
        """What is set once the tick has come; all who wait for it wake up in one turn of the loop."""
        if number not in self._ticks:
            self._ticks[number] = asyncio.Event()
            asyncio.get_running_loop().call_at(number * TICK_S, self._end, number)
        return self._ticks[number]

    def _end(self, number: int) -> None:
        self._ticks.pop(number).set()
