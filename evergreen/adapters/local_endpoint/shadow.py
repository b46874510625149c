"""Copies of answered requests for a version that has no traffic, whose answers are compared and given to nobody.

A copy is made once the client has its answer, and waits in a queue that is bounded in number and bytes; what finds no
room is dropped. One copy at a time is asked, by the version's worker alone, and after each there is a pause so long
that the version works no larger part of the time than the share of requests that it is to get: however slow it is, and
even if it hangs, it takes no more than that of the machine from those who answer clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web

from evergreen.adapters.local_endpoint.fleet import Fleet
from evergreen.adapters.local_endpoint.state import ShadowOrder
from evergreen.core.shadow import ShadowReport, Tally, agreements
from evergreen.core.traces import new_trace
from evergreen.runtime.http import SHARE_HEADER, TIME_LEFT_HEADER, TRACE_HEADER, UNLOGGED_HEADER

LOGGER = logging.getLogger("evergreen.local_endpoint")
MOST_WAITING = 64
MOST_WAITING_BYTES = 16 * 1024 * 1024
MOST_BODY_BYTES = 4 * 1024 * 1024
MOST_ANSWER_BYTES = 64 * 1024
"""Of an answer that is compared: reading it keeps the front from all else, for a millisecond or two."""
TIMEOUT_S = 10.0
MOST_PAUSE_S = 5.0
EXPIRY_CHECK_S = 5.0


class Answer(web.Response):
    """A worker's answer, which took `took_s`; `sent` is called once the client's connection has all of it."""

    def __init__(self, *, status: int, body: bytes, headers: dict[str, str], took_s: float) -> None:
        super().__init__(status=status, body=body, headers=headers)
        self.content = body
        self.took_s = took_s
        self.sent: Callable[[], None] | None = None

    async def write_eof(self, data: bytes = b"") -> None:
        """Sends what there is."""
        await super().write_eof(data)
        sent, self.sent = self.sent, None
        if sent is not None:
            sent()


@dataclass(frozen=True)
class Copy:
    """A request with what its client got."""

    body: bytearray
    answer: bytes
    took_s: float


class Copies:
    """Makes copies as ordered; without an order it does nothing."""

    def __init__(self, fleet: Fleet, session: aiohttp.ClientSession) -> None:
        self._fleet = fleet
        self._session = session
        self._shadow: _Shadow | None = None

    def follow(self, order: ShadowOrder | None) -> None:
        """Copies as the order says from now on; one that is followed already goes on."""
        if self._shadow is not None and self._shadow.order == order:
            return
        if self._shadow is not None:
            self._shadow.cancel()
            self._shadow = None
        if order is not None and order.until > time.time():
            self._shadow = _Shadow(order, self._fleet, self._session)

    def watch(self, answer: Answer, body: bytearray) -> None:
        """Has a copy made of a request once it is answered, where its turn has come."""
        shadow = self._shadow
        if shadow is not None and answer.status == 200 and shadow.takes_next():
            answer.sent = partial(shadow.offer, Copy(body, answer.content, answer.took_s))

    def report(self) -> ShadowReport | None:
        """What came of the copies so far; None where none are made."""
        return self._shadow.tally.report() if self._shadow is not None and self._shadow.goes_on else None

    async def stop(self) -> None:
        """Ends what is under way."""
        if self._shadow is not None:
            shadow, self._shadow = self._shadow, None
            shadow.cancel()
            await asyncio.wait([shadow.task])


class _Shadow:
    """One order, followed until its time is over."""

    def __init__(self, order: ShadowOrder, fleet: Fleet, session: aiohttp.ClientSession) -> None:
        self.order = order
        self.tally = Tally(order.version)
        self._fleet = fleet
        self._session = session
        self._credit = 0.0
        self._queue: asyncio.Queue[Copy] = asyncio.Queue(MOST_WAITING)
        self._bytes = 0
        self.task = asyncio.create_task(self._work())

    @property
    def goes_on(self) -> bool:
        """Whether its time is not over."""
        return time.time() < self.order.until

    def takes_next(self) -> bool:
        """Whether the next request is to be copied: a fifth of them is every fifth, not luck."""
        if not self.goes_on:
            return False
        self._credit += self.order.share
        due = self._credit >= 1
        self._credit -= due
        return due

    def offer(self, copy: Copy) -> None:
        """Queues a copy, or drops it where there is no room; it never waits."""
        too_large = len(copy.body) > MOST_BODY_BYTES or len(copy.answer) > MOST_ANSWER_BYTES
        if too_large or self._queue.full() or self._bytes + len(copy.body) > MOST_WAITING_BYTES:
            self.tally.dropped += 1
            return
        self._bytes += len(copy.body)
        self._queue.put_nowait(copy)

    def cancel(self) -> None:
        """Forgets what waits."""
        self.task.cancel()

    async def _work(self) -> None:
        while self.goes_on:
            try:
                async with asyncio.timeout(EXPIRY_CHECK_S):
                    copy = await self._queue.get()
            except TimeoutError:
                continue
            self._bytes -= len(copy.body)
            began = time.monotonic()
            try:
                await self._compare(copy)
            except Exception as error:  # whatever it is, it is no client's matter
                self.tally.failed()
                LOGGER.warning("shadow", extra={"fields": {"error": type(error).__name__}})
            pause_s = (time.monotonic() - began) * (1 / self.order.share - 1)
            await asyncio.sleep(min(pause_s, MOST_PAUSE_S))

    async def _compare(self, copy: Copy) -> None:
        worker = self._fleet.standby(self.order.version)
        if worker is None:
            self.tally.dropped += 1
            return
        began = time.monotonic()
        answer = await self._ask(worker.service.url, copy.body)
        took_s = time.monotonic() - began
        if answer is None:
            self.tally.failed()
            return
        if len(answer) > MOST_ANSWER_BYTES:
            self.tally.dropped += 1
            return
        alike = agreements(_predictions(copy.answer), _predictions(answer))
        self.tally.answered(alike, took_s * 1000, copy.took_s * 1000)

    async def _ask(self, url: str, body: bytearray) -> bytes | None:
        """The answer of the version's worker; None where it gives none that a client could use."""
        headers = {
            "content-type": "application/json",
            UNLOGGED_HEADER: "1",  # a copy is no traffic
            TRACE_HEADER: new_trace(self.order.version),
            SHARE_HEADER: str(max(1, round(100 * self.order.share))),
            TIME_LEFT_HEADER: str(int(TIMEOUT_S * 1000)),
        }
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.post(f"{url}/predict", data=body, headers=headers, timeout=timeout) as answer:
                content = await answer.read()
                return content if answer.status == 200 else None
        return None


def _predictions(answer: bytes) -> list[Any]:
    """The predictions of an answer; raises ValueError or KeyError where it holds none."""
    predictions = json.loads(answer)["predictions"]
    return predictions if isinstance(predictions, list) else [predictions]
